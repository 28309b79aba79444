/// What a presigned URL says beside its signature: who made it, when, and until when it is good.
///
/// Nothing of it is secret.
package struct PresignedClaim: Hashable, Sendable {
    package let accessKey: String
    /// As `20261124T081500Z`.
    package let date: String
    /// For how long from then on.
    package let seconds: Int64
    /// Goes with keys that are good for a while only, and is of no use without their secret.
    package let token: String?

    package init(accessKey: String, date: String, seconds: Int64, token: String?) {
        self.accessKey = accessKey
        self.date = date
        self.seconds = seconds
        self.token = token
    }

    /// What a signature is good for.
    func scope(region: String) -> String { "\(date.prefix(8))/\(region)/s3/aws4_request" }

    /// The query without a signature, as it is signed.
    ///
    /// - Parameter headers: The names of the headers that are signed beside the host.
    func unsignedQuery(_ query: [(name: String, value: String)] = [], headers: [String], region: String) -> String {
        let signed = (headers.map { $0.lowercased() } + ["host"]).sorted().joined(separator: ";")
        var query = query
        query += [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", "\(accessKey)/\(scope(region: region))"),
            ("X-Amz-Date", date), ("X-Amz-Expires", String(seconds)), ("X-Amz-SignedHeaders", signed),
        ]
        if let token { query.append(("X-Amz-Security-Token", token)) }
        return SignatureV4.queryString(query)
    }

    /// The whole query, as it is sent.
    func query(
        _ query: [(name: String, value: String)] = [], headers: [String], region: String, signature: String
    ) -> String {
        unsignedQuery(query, headers: headers, region: region) + "&X-Amz-Signature=" + signature
    }
}
