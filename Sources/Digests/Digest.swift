import CCrypto

/// Digests of bytes, by OpenSSL.
package enum Digest {
    /// The corresponding C function is `EVP_sha256`.
    package static func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] { digest(bytes, EVP_sha256()) }

    package static func sha256(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { sha256($0) } }

    /// The corresponding C function is `EVP_sha1`; it names files of other programs, and protects nothing.
    package static func sha1(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { digest($0, EVP_sha1()) } }

    /// The corresponding C function is `EVP_md5`; S3 checks bodies with it, and it protects nothing.
    package static func md5(_ bytes: UnsafeRawBufferPointer) -> [UInt8] { digest(bytes, EVP_md5()) }

    /// The code that proves that who made it had the key.
    ///
    /// The corresponding C function is `HMAC`, with `EVP_sha256`.
    package static func hmacSHA256(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 0
        let made = HMAC(EVP_sha256(), key, Int32(clamping: key.count), bytes, bytes.count, &code, &count)
        precondition(made != nil && count == 32, "OpenSSL made no HMAC")
        return code
    }

    private static func digest(_ bytes: UnsafeRawBufferPointer, _ algorithm: OpaquePointer?) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        let made = EVP_Digest(bytes.baseAddress, bytes.count, &digest, &count, algorithm, nil)
        precondition(made == 1, "OpenSSL made no digest")
        return Array(digest.prefix(Int(count)))
    }
}
