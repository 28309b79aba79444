import Storage
import Transport

/// Credentials that a container gets from its host.
struct ContainerCredentials: CredentialSource {
    let name = "the container's credentials"
    let environment: [String: String]
    let transport: any HTTPTransport

    /// The address that a relative one is of.
    private static let host = "http://169.254.170.2"
    /// Hosts that may be asked without TLS, besides this machine.
    private static let trusted = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]

    func credentials() throws(StorageError) -> Credentials? {
        guard let url = try url() else { return nil }
        var headers: [(name: String, value: String)] = []
        if let token = try token() { headers.append(("Authorization", token)) }
        let request = CredentialRequest(transport: transport, source: name)
        return try Credentials(document: request.send(.get, url, headers: headers), from: name)
    }

    private func url() throws(StorageError) -> String? {
        if let path = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"], !path.isEmpty {
            guard path.hasPrefix("/") else {
                throw StorageError(.credentials, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'")
            }
            return Self.host + path
        }
        guard let url = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], !url.isEmpty else { return nil }
        let origin = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).prefix(3).joined(
            separator: "/")
        guard let endpoint = S3Endpoint(url: origin),
            endpoint.scheme == "https" || endpoint.isLoopback || Self.trusted.contains(endpoint.host)
        else {
            throw StorageError(
                .credentials, "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that must not be asked without TLS")
        }
        return url
    }

    private func token() throws(StorageError) -> String? {
        if let file = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"], !file.isEmpty {
            guard let text = SharedFiles.read(file) else {
                throw StorageError(.credentials, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE can't be read")
            }
            return text.split(whereSeparator: \.isNewline).first.map(String.init)
        }
        return environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
    }
}
