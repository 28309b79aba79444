package import Storage

/// Credentials that stand in the environment.
package struct EnvironmentCredentials: CredentialSource {
    package let name = "the environment"
    private let environment: [String: String]

    package init(_ environment: [String: String]) { self.environment = environment }

    package func credentials() throws(StorageError) -> Credentials? {
        guard let accessKey = environment["AWS_ACCESS_KEY_ID"], !accessKey.isEmpty else { return nil }
        guard let secretKey = environment["AWS_SECRET_ACCESS_KEY"], !secretKey.isEmpty else {
            throw StorageError(
                .credentials, "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not",
                hint: "set both, or neither")
        }
        let token = environment["AWS_SESSION_TOKEN"] ?? ""
        return Credentials(accessKey: accessKey, secretKey: secretKey, sessionToken: token.isEmpty ? nil : token)
    }
}
