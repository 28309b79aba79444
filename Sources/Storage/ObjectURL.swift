/// Where data is: a service, a bucket of it, and a key or the beginning of keys in the bucket.
package struct ObjectURL: Hashable, Sendable {
    /// How a bucket is reached.
    package enum Scheme: String, Hashable, Sendable {
        case s3
        case file
    }

    package let scheme: Scheme
    /// The bucket's name, or the folder of a `file:` URL; empty for all buckets of an account.
    package let bucket: String
    /// What stands behind the bucket and its `/`, byte for byte; empty for the bucket itself.
    package let key: String

    package init(scheme: Scheme, bucket: String, key: String) {
        self.scheme = scheme
        self.bucket = bucket
        self.key = key
    }

    /// Whether a text has the form of a URL: a scheme, `:`, and `//` or nothing.
    package static func isURL(_ text: String) -> Bool {
        guard let (scheme, rest) = split(text) else { return false }
        return rest.hasPrefix("//") || (rest.isEmpty && scheme == Scheme.s3.rawValue)
    }

    /// Reads `s3:`, `s3://bucket/key` or `file:///folder`.
    ///
    /// Nothing is decoded: a key may hold `%`, `?` and `#`, and they mean themselves.
    /// Of a `file:` URL all is the folder: only the file system knows which part of it is a key.
    ///
    /// - Throws: ``StorageError/Code/invalid``, with a hint, for what is no such URL.
    package init(_ text: String) throws(StorageError) {
        guard let (scheme, rest) = Self.split(text), rest.hasPrefix("//") || rest.isEmpty else {
            throw StorageError(.invalid, "not a URL", hint: "write s3://BUCKET/KEY or file:///FOLDER")
        }
        switch Scheme(rawValue: scheme) {
        case .s3: try self.init(s3: String(rest.dropFirst(2)))
        case .file: try self.init(file: String(rest.dropFirst(2)))
        case nil:
            throw StorageError(
                .invalid, "no store for '\(scheme):' in this version", hint: "the stores are s3: and file:")
        }
    }

    private init(s3 rest: String) throws(StorageError) {
        let parts = rest.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        let bucket = parts.first ?? ""
        guard !bucket.isEmpty || rest.isEmpty else {
            throw StorageError(.invalid, "no bucket is named", hint: "write s3://BUCKET/KEY")
        }
        self.init(scheme: .s3, bucket: bucket, key: parts.count > 1 ? parts[1] : "")
    }

    private init(file rest: String) throws(StorageError) {
        guard rest.hasPrefix("/") else {
            throw StorageError(
                .invalid, "a file: URL has three slashes and no host", hint: "write file:///FOLDER")
        }
        self.init(scheme: .file, bucket: rest, key: "")
    }

    /// The scheme and what follows its colon; `nil` if there is none.
    private static func split(_ text: String) -> (scheme: String, rest: Substring)? {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let scheme = text[..<colon]
        let isName = scheme.utf8.allSatisfy { byte in
            0x61...0x7A ~= byte || 0x41...0x5A ~= byte || 0x30...0x39 ~= byte || byte == 0x2B || byte == 0x2D
        }
        guard isName, scheme.utf8.count > 1 else { return nil }
        return (String(scheme), text[text.utf8.index(after: colon)...])
    }
}

extension ObjectURL: CustomStringConvertible {
    package var description: String {
        switch (scheme, bucket.isEmpty) {
        case (.s3, true): "s3:"
        case (.s3, false): key.isEmpty ? "s3://\(bucket)" : "s3://\(bucket)/\(key)"
        case (.file, _): key.isEmpty ? "file://\(bucket)" : "file://\(bucket)\(bucket.hasSuffix("/") ? "" : "/")\(key)"
        }
    }
}
