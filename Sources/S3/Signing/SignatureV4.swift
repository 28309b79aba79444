import Bytes
import Digests
import Synchronization

/// Signs requests as AWS's signature, version 4, says.
///
/// See: "Signature Version 4 signing process" in AWS's reference. The key of a day is kept, as it costs four HMACs.
package final class SignatureV4: Sendable {
    private struct DayKey {
        let scope: String
        let secret: String
        let key: [UInt8]
    }

    private let service: String
    private let dayKey = Mutex<DayKey?>(nil)

    package init(service: String = "s3") { self.service = service }

    /// A request, as far as it is signed.
    package struct Request: Sendable {
        package var method: String
        /// The host, with its port where the `Host` header has one.
        package var host: String
        /// The path, encoded as it is sent.
        package var path: String
        /// Names and values, not encoded.
        package var query: [(name: String, value: String)]
        /// All that are sent and signed, but for `host` and those that this adds.
        package var headers: [(name: String, value: String)]
        /// The SHA-256 of the body in hexadecimal.
        package var bodyHash: String

        package init(
            method: String, host: String, path: String, query: [(name: String, value: String)] = [],
            headers: [(name: String, value: String)] = [], bodyHash: String
        ) {
            self.method = method
            self.host = host
            self.path = path
            self.query = query
            self.headers = headers
            self.bodyHash = bodyHash
        }
    }

    /// The query as it is sent and signed: encoded, and in order.
    package static func queryString(_ query: [(name: String, value: String)]) -> String {
        query.map { (PercentEncoding.query($0.name), PercentEncoding.query($0.value)) }
            .sorted { $0.0 == $1.0 ? $0.1 < $1.1 : $0.0 < $1.0 }
            .map { "\($0.0)=\($0.1)" }
            .joined(separator: "&")
    }

    /// The headers to send: those of the request, and those that make it a signed one.
    ///
    /// - Parameters:
    ///   - request: What is signed.
    ///   - credentials: Who signs; `nil` adds only the hash of the body.
    ///   - date: When, as `20261124T081500Z`.
    package func headers(
        for request: Request, by credentials: Credentials?, region: String, date: String
    ) -> [(name: String, value: String)] {
        var headers = request.headers + [("x-amz-content-sha256", request.bodyHash)]
        guard let credentials else { return headers }
        headers.append(("x-amz-date", date))
        if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        let signed = (headers + [("host", request.host)])
            .map { (name: $0.name.lowercased(), value: Self.canonical($0.value)) }
            .sorted { $0.name < $1.name }
        let names = signed.map(\.name).joined(separator: ";")
        let scope = "\(date.prefix(8))/\(region)/\(service)/aws4_request"
        let lines = [
            request.method, request.path, Self.queryString(request.query),
            signed.map { "\($0.name):\($0.value)\n" }.joined(), names, request.bodyHash,
        ]
        let signature = signature(of: lines, credentials, scope, region, date)
        headers.append(
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), "
                    + "SignedHeaders=\(names), Signature=\(signature)"
            ))
        return headers
    }

    /// The query that makes a URL a signed one: that of the request, and what proves who made it, until when.
    ///
    /// Only the host and the request's headers are signed, so that any program can use the URL with those.
    ///
    /// - Parameters:
    ///   - request: What is signed; the hash of its body is not looked at.
    ///   - date: When, as `20261124T081500Z`.
    ///   - seconds: For how long from then on.
    ///
    /// See: "Authenticating requests: using query parameters" in AWS's reference.
    package func query(
        for request: Request, by credentials: Credentials, region: String, date: String, seconds: Int64
    ) -> String {
        let claim = PresignedClaim(
            accessKey: credentials.accessKey, date: date, seconds: seconds, token: credentials.sessionToken)
        return claim.query(
            request.query, headers: request.headers.map(\.name), region: region,
            signature: signature(for: request, claim, by: credentials, region: region))
    }

    /// The signature of a presigned URL.
    func signature(
        for request: Request, _ claim: PresignedClaim, by credentials: Credentials, region: String
    ) -> String {
        let headers = (request.headers + [("host", request.host)])
            .map { (name: $0.name.lowercased(), value: Self.canonical($0.value)) }
            .sorted { $0.name < $1.name }
        let lines = [
            request.method, request.path,
            claim.unsignedQuery(request.query, headers: request.headers.map(\.name), region: region),
            headers.map { "\($0.name):\($0.value)\n" }.joined(), headers.map(\.name).joined(separator: ";"),
            "UNSIGNED-PAYLOAD",
        ]
        return signature(of: lines, credentials, claim.scope(region: region), region, claim.date)
    }

    /// The signature of a canonical request.
    private func signature(
        of lines: [String], _ credentials: Credentials, _ scope: String, _ region: String, _ date: String
    ) -> String {
        let digest = Hex.string(Digest.sha256(Array(lines.joined(separator: "\n").utf8)))
        let text = "AWS4-HMAC-SHA256\n\(date)\n\(scope)\n\(digest)"
        return Hex.string(Digest.hmacSHA256(Array(text.utf8), key: key(scope, credentials.secretKey, region, date)))
    }

    /// A value without blanks around it, and with one where there were several.
    private static func canonical(_ value: String) -> String {
        value.split(separator: " ").joined(separator: " ")
    }

    private func key(_ scope: String, _ secret: String, _ region: String, _ date: String) -> [UInt8] {
        dayKey.withLock { dayKey in
            if let known = dayKey, known.scope == scope, known.secret == secret { return known.key }
            var key = Array("AWS4\(secret)".utf8)
            for part in [String(date.prefix(8)), region, service, "aws4_request"] {
                key = Digest.hmacSHA256(Array(part.utf8), key: key)
            }
            dayKey = DayKey(scope: scope, secret: secret, key: key)
            return key
        }
    }
}
