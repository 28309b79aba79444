package import Storage
import Transport

/// Where a service is, and how its buckets are named there.
package struct S3Endpoint: Hashable, Sendable {
    /// How a URL names a bucket.
    package enum Addressing: String, Hashable, Sendable {
        /// `https://host/bucket/key`
        case path
        /// `https://bucket.host/key`
        case virtual
    }

    /// `http` or `https`.
    package let scheme: String
    /// The host, and the port if it is not the scheme's own.
    package let host: String
    /// What stands before each path, without a `/` at the end.
    package let basePath: String
    package let addressing: Addressing
    /// Whether the host changes with the region, as that of AWS does.
    package let isRegional: Bool

    /// AWS's service in a region.
    package init(region: String, addressing: Addressing = .virtual) {
        scheme = "https"
        host = "s3.\(Self.domain(of: region))"
        basePath = ""
        self.addressing = addressing
        isRegional = true
    }

    /// What the hosts of AWS's services in a region end with.
    static func domain(of region: String) -> String {
        "\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : "")
    }

    /// A service by its URL; `nil` if that is none.
    ///
    /// - Parameter addressing: Path style unless told otherwise (U3).
    package init?(url: String, addressing: Addressing = .path) {
        guard let colon = url.range(of: "://") else { return nil }
        let scheme = url[..<colon.lower].lowercased()
        let rest = url[colon.upper...]
        let host = rest.prefix { $0 != "/" }
        guard scheme == "http" || scheme == "https", !host.isEmpty else { return nil }
        guard host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !host.contains("@"), !host.contains("?") else {
            return nil
        }
        var path = String(rest.dropFirst(host.count))
        guard !path.contains("?"), !path.contains("#") else { return nil }
        while path.hasSuffix("/") { path.removeLast() }
        self.scheme = scheme
        self.host = Self.withoutDefaultPort(host.lowercased(), scheme)
        basePath = path
        self.addressing = addressing
        isRegional = false
    }

    private static func withoutDefaultPort(_ host: String, _ scheme: String) -> String {
        let port = scheme == "http" ? ":80" : ":443"
        return host.hasSuffix(port) ? String(host.dropLast(port.count)) : host
    }

    /// Whether what is sent there never leaves this machine.
    package var isLoopback: Bool { HostName(host).isLoopback }

    /// Sees to it that nobody can read on the way what is sent there (X2).
    ///
    /// - Throws: ``StorageError/Code/invalid`` if it is plain HTTP to another host, and nobody has allowed that.
    package func checkEncryption(allowsPlainHTTP: Bool) throws(StorageError) {
        guard scheme == "https" || isLoopback || allowsPlainHTTP else {
            throw StorageError(
                .invalid, "\(scheme)://\(host) is not encrypted", hint: "--allow-http allows that for this host")
        }
    }

    /// A URL that may be none, for messages: without a user and a password, or what follows a `?` or a `#` (U2).
    package static func shown(_ url: String) -> String {
        let known = url.lastIndex(of: "@").map { url[$0...] } ?? url[...]
        let place = known.prefix { $0 != "?" && $0 != "#" }
        guard place.hasPrefix("@") else { return String(place) }
        let scheme = ["https://", "http://"].first { url.lowercased().hasPrefix($0) }
        return "\(scheme ?? "")...\(place)"
    }

    /// A host and a path, ready to be sent and signed.
    struct Place {
        let host: String
        let path: String
    }

    /// Where an object, a bucket (`key` is `nil`) or the account (both are) stands.
    func place(bucket: String?, key: String?) -> Place {
        guard let bucket else { return Place(host: host, path: basePath + "/") }
        let key = key.map { PercentEncoding.path($0) } ?? ""
        // A bucket with a dot matches no wildcard certificate, and one with capitals is no host name.
        let fitsHost = bucket.utf8.allSatisfy { 0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 || $0 == 0x2D }
        guard addressing == .virtual, fitsHost else {
            return Place(host: host, path: "\(basePath)/\(PercentEncoding.path(bucket))\(key.isEmpty ? "" : "/")\(key)")
        }
        return Place(host: "\(bucket).\(host)", path: "\(basePath)/\(key)")
    }
}

extension String {
    /// Where a text stands in this one, first.
    fileprivate func range(of text: String) -> (lower: Index, upper: Index)? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return (start, index(start, offsetBy: text.count)) }
            start = index(after: start)
        }
        return nil
    }
}
