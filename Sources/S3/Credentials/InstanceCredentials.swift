import Storage
import Transport

/// Credentials that an instance gets from its host, by the second version of that service.
struct InstanceCredentials: CredentialSource {
    let name = "the instance's credentials"
    let environment: [String: String]
    let transport: any HTTPTransport

    private static let path = "/latest/meta-data/iam/security-credentials/"

    func credentials() throws(StorageError) -> Credentials? {
        guard environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() != "true" else { return nil }
        let host = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254"
        let base = host.hasSuffix("/") ? String(host.dropLast()) : host
        let request = CredentialRequest(transport: transport, source: name)
        // Where nobody answers this is no instance, which is no error.
        let seconds = [("X-aws-ec2-metadata-token-ttl-seconds", "21600")].map { (name: $0.0, value: $0.1) }
        guard let token = try? request.send(.put, base + "/latest/api/token", headers: seconds) else { return nil }
        let proof = [("X-aws-ec2-metadata-token", token)].map { (name: $0.0, value: $0.1) }
        guard let roles = try? request.send(.get, base + Self.path, headers: proof),
            let role = roles.split(whereSeparator: \.isNewline).first
        else { return nil }
        return try Credentials(document: request.send(.get, base + Self.path + role, headers: proof), from: name)
    }
}
