package import S3
package import Storage
import Synchronization
import Transport

/// Makes the store that a URL means, with all that belongs around it.
package final class StoreFactory: Sendable {
    private let options: StoreOptions
    private let environment: [String: String]
    private let report: (@Sendable (String) -> Void)?
    private let identity: StoreIdentity
    private let known = Mutex<S3Service?>(nil)

    /// Makes a factory.
    ///
    /// - Parameters:
    ///   - identity: Who asks.
    ///   - report: If not `nil`, is told of each call to a store, before any is tried again.
    package init(
        _ options: StoreOptions, environment: [String: String], identity: StoreIdentity = .own,
        report: (@Sendable (String) -> Void)? = nil
    ) {
        self.identity = identity
        self.options = options
        self.environment = environment
        self.report = report
    }

    /// The bucket of a URL, whole, whatever key the URL names.
    package func store(_ url: ObjectURL) throws(StorageError) -> any ObjectStore {
        switch url.scheme {
        case .file: reported(DirectoryStore(path: url.bucket))
        case .s3: RetryingStore(reported(S3Store(try service(), bucket: url.bucket)))
        }
    }

    /// All buckets of whoever asks.
    package func account() throws(StorageError) -> any StoreAccount {
        S3Account(try service()) { RetryingStore(self.reported($0)) }
    }

    private func reported(_ store: any ObjectStore) -> any ObjectStore {
        report.map { ReportingStore(store, report: $0) } ?? store
    }

    /// What the command line, the environment and the files say.
    package func settings() throws(StorageError) -> ServiceSettings {
        try ServiceSettings(options, environment: environment)
    }

    /// The service, made once: all stores share its connections and its credentials.
    package func service() throws(StorageError) -> S3Service {
        try known.withLock { known throws(StorageError) in
            if let known { return known }
            let settings = try settings()
            let made = S3Service(
                endpoint: try settings.endpoint(allowsPlainHTTP: options.allowsPlainHTTP),
                region: settings.region.value, credentials: credentials(), permissions: permissions,
                transport: transport(settings))
            known = made
            return made
        }
    }

    private func credentials() -> any CredentialSource {
        if case .given(let credentials) = identity { return FixedCredentials(credentials, name: "objfs run") }
        guard !options.signsNothing else { return FixedCredentials(nil, name: "--no-sign-request") }
        return RefreshingCredentials(CurrentCredentials(factory: self))
    }

    /// The credentials that the files have now, which other programs write anew when old ones expire.
    private struct CurrentCredentials: CredentialSource {
        let factory: StoreFactory

        /// All places where credentials are looked for, so that who finds none is told.
        var name: String {
            guard let settings = try? factory.settings() else { return "the configuration of AWS" }
            return factory.credentialChain(settings).name
        }

        func credentials() throws(StorageError) -> Credentials? {
            try factory.credentialChain(factory.settings()).credentials()
        }
    }

    private var permissions: (any PermissionSource)? {
        guard case .permitted(let permissions) = identity else { return nil }
        return permissions
    }

    /// Credentials that are good for a while only, for somebody else to use.
    ///
    /// Those that are so already are given as they are.
    ///
    /// - Parameters:
    ///   - role: The role that the other one should have; `nil` for whoever this is.
    ///   - policy: What of the role's rights they should have.
    /// - Throws: ``StorageError/Code/credentials`` if there are none, or the token service gives none.
    package func temporaryCredentials(
        seconds: Int64, role: String?, policy: String
    ) throws(StorageError) -> Credentials {
        let settings = try settings()
        guard let own = try credentials().credentials() else {
            throw StorageError(.credentials, "there are no credentials to get a token with")
        }
        // A service of one's own has its tokens at the same address.
        let url = options.endpointURL ?? (settings.tokenURL ?? settings.endpointURL)?.value
        let service = settings.tokenService(at: environment["AWS_ENDPOINT_URL_STS"] ?? url, transport(settings))
        if let role { return try service.session(own, role: role, policy: policy, seconds: seconds) }
        return own.sessionToken == nil ? try service.session(own, seconds: seconds) : own
    }

    /// Where credentials are looked for.
    ///
    /// Who gives them is near, or not there: nobody should wait long to learn that this is no instance of a cloud.
    package func credentialChain(_ settings: ServiceSettings) -> CredentialChain {
        var options = CurlTransport.Options()
        options.certificates = settings.certificates
        options.connectTimeout = .seconds(1)
        options.stallTimeout = .seconds(5)
        return settings.credentials(environment: environment, transport: CurlTransport(options))
    }

    private func transport(_ settings: ServiceSettings) -> CurlTransport {
        var options = CurlTransport.Options()
        options.certificates = settings.certificates
        return CurlTransport(options)
    }
}
