import CCrypto

/// An MD5 of bytes that come one after another.
///
/// One thread at a time may use it.
package struct RunningMD5: ~Copyable {
    private let context: OpaquePointer?

    /// The corresponding C function is `EVP_DigestInit_ex`.
    package init() {
        context = EVP_MD_CTX_new()
        precondition(EVP_DigestInit_ex(context, EVP_md5(), nil) == 1, "OpenSSL made no digest")
    }

    deinit { EVP_MD_CTX_free(context) }

    /// The corresponding C function is `EVP_DigestUpdate`.
    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// The digest of all that was added; the end of this.
    ///
    /// The corresponding C function is `EVP_DigestFinal_ex`.
    package consuming func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 16)
        EVP_DigestFinal_ex(context, &digest, nil)
        return digest
    }
}
