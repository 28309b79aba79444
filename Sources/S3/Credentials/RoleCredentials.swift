package import Storage
package import Transport

/// Credentials of a role that a profile takes, by the credentials of another one.
///
/// The corresponding operation is `AssumeRole`.
package struct RoleCredentials: CredentialSource {
    private let profile: String
    private let files: SharedFiles
    private let environment: [String: String]
    private let service: TokenService
    private let sources: @Sendable (String) -> any CredentialSource

    /// Makes the source.
    ///
    /// - Parameter sources: Makes the source of a profile's own credentials, with whom the role is taken.
    package init(
        profile: String, files: SharedFiles, environment: [String: String], service: TokenService,
        sources: @escaping @Sendable (String) -> any CredentialSource
    ) {
        self.profile = profile
        self.files = files
        self.environment = environment
        self.service = service
        self.sources = sources
    }

    package var name: String { "the role of the profile '\(profile)'" }

    package func credentials() throws(StorageError) -> Credentials? { try credentials(of: profile, seen: []) }

    private func credentials(of profile: String, seen: Set<String>) throws(StorageError) -> Credentials? {
        guard let values = files.profile(profile), let role = values["role_arn"] else { return nil }
        guard values["web_identity_token_file"] == nil else { return nil }
        guard !seen.contains(profile) else {
            throw StorageError(.credentials, "the source_profile of the profile '\(profile)' leads back to itself")
        }
        guard values["mfa_serial"] == nil else {
            throw StorageError(
                .credentials, "the profile '\(profile)' asks for a code of an MFA device, which objfs can't",
                hint: "take the role by: aws sts assume-role, and set its credentials in the environment")
        }
        guard let own = try source(values, profile, seen.union([profile])) else {
            throw StorageError(.credentials, "the profile '\(profile)' takes a role with no credentials to do so")
        }
        var query = [
            ("Action", "AssumeRole"), ("RoleArn", role), ("RoleSessionName", values["role_session_name"] ?? "objfs"),
        ]
        if let external = values["external_id"] { query.append(("ExternalId", external)) }
        if let seconds = values["duration_seconds"] { query.append(("DurationSeconds", seconds)) }
        return try service.ask(query, as: own)
    }

    /// Who takes the role: another profile, which may take a role itself, or a place that the profile names.
    private func source(
        _ values: [String: String], _ profile: String, _ seen: Set<String>
    ) throws(StorageError) -> Credentials? {
        if let other = values["source_profile"] {
            guard files.profile(other) != nil else {
                throw StorageError(.credentials, "there is no profile '\(other)', the source_profile of '\(profile)'")
            }
            // A profile that names itself means its own keys.
            if other == profile { return try sources(other).credentials() }
            if let role = try credentials(of: other, seen: seen) { return role }
            return try sources(other).credentials()
        }
        switch values["credential_source"] {
        case "Environment": return try EnvironmentCredentials(environment).credentials()
        case "EcsContainer": return try service.container(environment).credentials()
        case "Ec2InstanceMetadata": return try service.instance(environment).credentials()
        case let other?: throw StorageError(.credentials, "unknown credential_source '\(other)'")
        case nil: return nil
        }
    }
}

/// Credentials of a role that is taken with a token in a file.
///
/// The corresponding operation is `AssumeRoleWithWebIdentity`.
package struct WebIdentityCredentials: CredentialSource {
    package let name: String
    private let file: String?
    private let role: String?
    private let session: String
    private let service: TokenService

    /// A role and a file that the environment names.
    package init(environment: [String: String], service: TokenService) {
        name = "the web identity in the environment"
        file = environment["AWS_WEB_IDENTITY_TOKEN_FILE"]
        role = environment["AWS_ROLE_ARN"]
        session = environment["AWS_ROLE_SESSION_NAME"] ?? "objfs"
        self.service = service
    }

    /// A role and a file that a profile names.
    package init(profile: String, files: SharedFiles, service: TokenService) {
        let values = files.profile(profile)
        name = "the web identity of the profile '\(profile)'"
        file = values?["web_identity_token_file"]
        role = values?["role_arn"]
        session = values?["role_session_name"] ?? "objfs"
        self.service = service
    }

    package func credentials() throws(StorageError) -> Credentials? {
        guard let file, let role, !file.isEmpty else { return nil }
        guard let token = SharedFiles.read(file) else {
            throw StorageError(.credentials, "\(name): the token file \(file) can't be read")
        }
        let query = [
            ("Action", "AssumeRoleWithWebIdentity"), ("RoleArn", role), ("RoleSessionName", session),
            ("WebIdentityToken", String(token.split(whereSeparator: \.isWhitespace).first ?? "")),
        ]
        return try service.ask(query, as: nil)
    }
}

/// AWS's service of tokens, and those of containers and instances, which the same transport reaches.
package struct TokenService: Sendable {
    private let url: String
    private let region: String
    private let allowsPlainHTTP: Bool
    private let transport: any HTTPTransport

    /// Makes the service of a region, or that at another address.
    package init(region: String, url: String?, allowsPlainHTTP: Bool, transport: any HTTPTransport) {
        self.region = region
        self.url = url ?? "https://sts.\(S3Endpoint.domain(of: region))"
        self.allowsPlainHTTP = allowsPlainHTTP
        self.transport = transport
    }

    /// Asks for the credentials of a role, as somebody or as nobody.
    func ask(_ query: [(String, String)], as credentials: Credentials?) throws(StorageError) -> Credentials {
        let query = (query + [("Version", "2011-06-15")]).map { (name: $0.0, value: $0.1) }
        guard let endpoint = S3Endpoint(url: url) else {
            throw StorageError(.credentials, "'\(S3Endpoint.shown(url))' is no address of a token service")
        }
        try endpoint.checkEncryption(allowsPlainHTTP: allowsPlainHTTP)
        let path = endpoint.basePath + "/"
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        let headers = SignatureV4(service: "sts").headers(
            for: .init(method: "GET", host: endpoint.host, path: path, query: query, bodyHash: empty), by: credentials,
            region: region, date: Dates.signing())
        let request = CredentialRequest(transport: transport, source: "the token service")
        let text = try request.send(
            .get, "\(endpoint.scheme)://\(endpoint.host)\(path)?\(SignatureV4.queryString(query))", headers: headers)
        let document = XMLElement.parse(Array(text.utf8))
        let found = document?.children.compactMap { $0["Credentials"] }.first
        guard let found, let accessKey = found["AccessKeyId"]?.text, let secretKey = found["SecretAccessKey"]?.text
        else {
            throw StorageError(.credentials, "the token service gives no credentials")
        }
        return Credentials(
            accessKey: accessKey, secretKey: secretKey, sessionToken: found["SessionToken"]?.text,
            expires: found["Expiration"].flatMap { Dates.iso8601($0.text) })
    }

    /// Credentials that are good for a while, of whoever asks.
    ///
    /// The corresponding operation is `GetSessionToken`.
    package func session(_ credentials: Credentials, seconds: Int64) throws(StorageError) -> Credentials {
        try ask([("Action", "GetSessionToken"), ("DurationSeconds", String(seconds))], as: credentials)
    }

    /// Credentials of a role that are good for a while, and for less than the role may do.
    ///
    /// - Parameter policy: What they are good for, as a document of JSON.
    ///
    /// The corresponding operation is `AssumeRole`.
    package func session(
        _ credentials: Credentials, role: String, policy: String, seconds: Int64
    ) throws(StorageError) -> Credentials {
        try ask(
            [
                ("Action", "AssumeRole"), ("RoleArn", role), ("RoleSessionName", "objfs"), ("Policy", policy),
                ("DurationSeconds", String(seconds)),
            ], as: credentials)
    }

    /// The credentials that a container has.
    package func container(_ environment: [String: String]) -> any CredentialSource {
        ContainerCredentials(environment: environment, transport: transport)
    }

    /// The credentials that an instance has.
    package func instance(_ environment: [String: String]) -> any CredentialSource {
        InstanceCredentials(environment: environment, transport: transport)
    }

    /// The credentials that a person has signed on for.
    package func singleSignOn(_ profile: String, files: SharedFiles, home: String) -> any CredentialSource {
        SingleSignOnCredentials(
            profile: profile, files: files, home: home, allowsPlainHTTP: allowsPlainHTTP, transport: transport)
    }
}
