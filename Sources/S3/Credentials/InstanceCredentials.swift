import Storage
import Transport

/// Credentials that an instance gets from its host, by the second version of that service.
struct InstanceCredentials: CredentialSource {
    let name = "the instance's credentials"
    let environment: [String: String]
    let transport: any HTTPTransport

    private static let path = "/latest/meta-data/iam/security-credentials/"
    /// How hosts of other clouds, and one that has this service turned off, answer a request for a token.
    private static let strange = Array(400..<500).filter { $0 != 429 } + [501]

    func credentials() throws(StorageError) -> Credentials? {
        guard environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() != "true" else { return nil }
        let host = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254"
        let base = host.hasSuffix("/") ? String(host.dropLast()) : host
        let request = CredentialRequest(transport: transport, source: name)
        guard let token = try token(base, request) else { return nil }
        let proof = [("X-aws-ec2-metadata-token", token)].map { (name: $0.0, value: $0.1) }
        // An instance that has no role has no such folder.
        let roles = try request.find(.get, base + Self.path, headers: proof, missing: [404])
        guard let role = roles?.split(whereSeparator: \.isNewline).first else { return nil }
        return try Credentials(document: request.send(.get, base + Self.path + role, headers: proof), from: name)
    }

    /// What proves that it is the instance that asks; `nil` if this is none.
    ///
    /// Where nobody answers it is none, which is no error; a service that fails is there, and may soon answer.
    private func token(_ base: String, _ request: CredentialRequest) throws(StorageError) -> String? {
        let seconds = [("X-aws-ec2-metadata-token-ttl-seconds", "21600")].map { (name: $0.0, value: $0.1) }
        do throws(StorageError) {
            return try request.find(.put, base + "/latest/api/token", headers: seconds, missing: Self.strange)
        } catch {
            switch (error.cause as? TransportError)?.code {
            case .notConnected, .unknownHost, .timedOut: return nil
            case .untrusted, .interrupted, .malformed, .invalid, .cancelled, nil: throw error
            }
        }
    }
}
