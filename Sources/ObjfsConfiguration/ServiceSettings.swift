package import S3
package import Storage
package import Transport

/// A setting, and where it was found.
package struct Setting: Hashable, Sendable {
    package let value: String
    /// The place, for people: `AWS_REGION`, `the profile 'prod'`.
    package let origin: String
}

/// Where the service is and who asks it: the command line, the environment and AWS's files in one.
package struct ServiceSettings: Sendable {
    package let profile: Setting
    package let region: Setting
    /// The address of the service; `nil` for AWS's own.
    package let endpointURL: Setting?
    /// The address of the service that gives tokens; `nil` for AWS's own.
    package let tokenURL: Setting?
    package let addressing: S3Endpoint.Addressing?
    package let certificates: String?
    package let files: SharedFiles
    private let allowsPlainHTTP: Bool

    /// Finds the settings; the command line wins over the environment, and that over the files.
    ///
    /// - Throws: ``StorageError/Code/invalid`` if a profile is named that no file has.
    package init(_ options: StoreOptions, environment: [String: String]) throws(StorageError) {
        let files = SharedFiles(environment: environment)
        func variable(_ name: String) -> Setting? {
            environment[name].flatMap { $0.isEmpty ? nil : Setting(value: $0, origin: name) }
        }
        func flag(_ value: String?, _ name: String) -> Setting? { value.map { Setting(value: $0, origin: name) } }
        let named = flag(options.profile, "--profile") ?? variable("AWS_PROFILE") ?? variable("AWS_DEFAULT_PROFILE")
        profile = named ?? Setting(value: "default", origin: "the default")
        let values = files.profile(profile.value)
        guard named == nil || values != nil else {
            throw StorageError(
                .invalid, "there is no profile '\(profile.value)', which \(profile.origin) names",
                hint: "profiles are in ~/.aws/config and ~/.aws/credentials")
        }
        let place = "the profile '\(profile.value)'"
        func setting(_ name: String) -> Setting? { values?[name].map { Setting(value: $0, origin: place) } }
        region =
            flag(options.region, "--region") ?? variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION")
            ?? setting("region") ?? Setting(value: "us-east-1", origin: "the default")
        let isIgnored = environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] == "true"
        // What holds for all services holds for that of tokens too.
        func configured(_ service: String) -> Setting? {
            guard !isIgnored else { return nil }
            let section = values?["services"].flatMap { files.section("services \($0)") }
            return variable("AWS_ENDPOINT_URL_\(service.uppercased())") ?? variable("AWS_ENDPOINT_URL")
                ?? section?["\(service).endpoint_url"].map { Setting(value: $0, origin: place) }
                ?? setting("\(service).endpoint_url") ?? setting("endpoint_url")
        }
        let found = options.ignoresConfiguredEndpoints ? nil : configured("s3")
        endpointURL = flag(options.endpointURL, "--endpoint-url") ?? found
        tokenURL = configured("sts")
        addressing =
            options.addressing ?? values?["s3.addressing_style"].flatMap { S3Endpoint.Addressing(rawValue: $0) }
        certificates = variable("AWS_CA_BUNDLE")?.value ?? values?["ca_bundle"]
        self.files = files
        allowsPlainHTTP = options.allowsPlainHTTP
    }

    /// The service that the settings mean.
    ///
    /// - Throws: ``StorageError/Code/invalid`` if the address is none, or plain HTTP to another host (X2).
    package func endpoint(allowsPlainHTTP: Bool) throws(StorageError) -> S3Endpoint {
        guard let endpointURL else {
            guard region.value.utf8.allSatisfy({ 0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 || $0 == 0x2D }) else {
                throw StorageError(.invalid, "'\(region.value)' is no region, which \(region.origin) names")
            }
            return S3Endpoint(region: region.value, addressing: addressing ?? .virtual)
        }
        guard let endpoint = S3Endpoint(url: endpointURL.value, addressing: addressing ?? .path) else {
            throw StorageError(
                .invalid,
                "'\(S3Endpoint.shown(endpointURL.value))' is no address of a service, which \(endpointURL.origin) names",
                hint: "write https://HOST or https://HOST:PORT")
        }
        try endpoint.checkEncryption(allowsPlainHTTP: allowsPlainHTTP)
        return endpoint
    }

    /// Where credentials are looked for, in this order.
    ///
    /// - Parameter transport: Reaches those services that give credentials.
    package func credentials(
        environment: [String: String], transport: any HTTPTransport
    ) -> CredentialChain {
        let tokens = tokenService(at: tokenURL?.value, transport)
        let own = profileSources(profile.value, environment, tokens)
        let machine = [tokens.container(environment), tokens.instance(environment)]
        // A profile that the command line names means its own credentials, whatever the environment has.
        guard profile.origin != "--profile" else { return CredentialChain(own) }
        return CredentialChain(
            [EnvironmentCredentials(environment), WebIdentityCredentials(environment: environment, service: tokens)]
                + own
                + machine)
    }

    /// The service that gives tokens; AWS's own if it has no address.
    package func tokenService(at url: String?, _ transport: any HTTPTransport) -> TokenService {
        TokenService(region: region.value, url: url, allowsPlainHTTP: allowsPlainHTTP, transport: transport)
    }

    private func profileSources(
        _ profile: String, _ environment: [String: String], _ tokens: TokenService
    ) -> [any CredentialSource] {
        let files = files
        let home = environment["HOME"] ?? ""
        let plain: @Sendable (String) -> any CredentialSource = { name in
            CredentialChain([
                tokens.singleSignOn(name, files: files, home: home), ProfileCredentials(profile: name, files: files),
                ProcessCredentials(profile: name, files: files),
            ])
        }
        return [
            RoleCredentials(
                profile: profile, files: files, environment: environment, service: tokens, sources: plain),
            WebIdentityCredentials(profile: profile, files: files, service: tokens),
            tokens.singleSignOn(profile, files: files, home: home),
            ProfileCredentials(profile: profile, files: files), ProcessCredentials(profile: profile, files: files),
        ]
    }
}
