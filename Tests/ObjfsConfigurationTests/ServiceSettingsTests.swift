import ObjfsConfiguration
import ObjfsTesting
import S3
import Storage
import Testing
import Threads
import Transport

/// A network on which nobody answers.
struct NoTransport: HTTPTransport {
    func send(_ request: HTTPRequest, to receiver: HTTPReceiver) throws(TransportError) -> HTTPResponse {
        throw TransportError(.notConnected, "no connection")
    }
}

@Suite struct ServiceSettingsTests {
    private let config = """
        # a comment
        [default]
        region = eu-west-1
        [profile dev]
        region=eu-north-1   # where we are
        endpoint_url = https://store.example.com:9000/
        s3 =
          addressing_style = virtual
          max_concurrent_requests = 20
        [profile "with blank"]
        services = ours
        [services ours]
        s3 =
            endpoint_url = https://services.example.com
        [profile half]
        aws_access_key_id = AK
        """

    private func settings(
        _ environment: [String: String] = [:], _ change: (inout StoreOptions) -> Void = { _ in }
    ) throws -> ServiceSettings {
        let folder = TemporaryFolder()
        folder.write("config", Array(config.utf8))
        folder.write("credentials", Array("[dev]\naws_access_key_id=DEV\naws_secret_access_key=S\n".utf8))
        var options = StoreOptions()
        change(&options)
        let files = [
            "AWS_CONFIG_FILE": "\(folder.path)/config", "AWS_SHARED_CREDENTIALS_FILE": "\(folder.path)/credentials",
        ]
        return try ServiceSettings(options, environment: environment.merging(files) { $1 })
    }

    @Test func `U1: the command line wins over the environment, and that over the files`() throws {
        #expect(try settings().region.value == "eu-west-1")
        #expect(try settings(["AWS_PROFILE": "dev"]).region.value == "eu-north-1")
        #expect(try settings(["AWS_PROFILE": "dev", "AWS_DEFAULT_REGION": "r2"]).region.value == "r2")
        #expect(try settings(["AWS_REGION": "r1", "AWS_DEFAULT_REGION": "r2"]).region.value == "r1")
        #expect(try settings(["AWS_REGION": "r1"]) { $0.region = "r0" }.region.value == "r0")
        #expect(try settings(["AWS_PROFILE": "with blank"]).endpointURL?.value == "https://services.example.com")
        let both = ["AWS_ENDPOINT_URL": "https://a", "AWS_ENDPOINT_URL_S3": "https://b"]
        #expect(try settings(both).endpointURL?.value == "https://b")
        #expect(try settings(both) { $0.ignoresConfiguredEndpoints = true }.endpointURL == nil)
        let given: (inout StoreOptions) -> Void = {
            ($0.endpointURL, $0.ignoresConfiguredEndpoints) = ("https://c", true)
        }
        #expect(try settings(both, given).endpointURL?.value == "https://c")
    }

    @Test func `U1: a profile's credentials are found, and a flag's profile wins over the environment's keys`() throws {
        let environment = ["AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "S"]
        let dev = try settings(environment) { $0.profile = "dev" }
        #expect(
            try dev.credentials(environment: environment, transport: NoTransport()).credentials()?.accessKey == "DEV")
        let named = try settings(environment.merging(["AWS_PROFILE": "dev"]) { $1 })
        #expect(
            try named.credentials(environment: environment, transport: NoTransport()).credentials()?.accessKey == "ENV")
        #expect(try settings().credentials(environment: [:], transport: NoTransport()).credentials() == nil)
        let half = try settings(["AWS_PROFILE": "half"])
        #expect(throws: StorageError.self) {
            try half.credentials(environment: [:], transport: NoTransport()).credentials()
        }
        #expect(throws: StorageError.self) {
            try settings().credentials(environment: ["AWS_ACCESS_KEY_ID": "a"], transport: NoTransport()).credentials()
        }
    }

    @Test func `U3: an address is asked in path style, unless told otherwise`() throws {
        let given = try settings(["AWS_ENDPOINT_URL": "https://x.example.com"])
        #expect(try given.endpoint(allowsPlainHTTP: false).addressing == .path)
        #expect(try settings(["AWS_PROFILE": "dev"]).endpoint(allowsPlainHTTP: false).addressing == .virtual)
        #expect(try settings().endpoint(allowsPlainHTTP: false).host == "s3.eu-west-1.amazonaws.com")
    }

    @Test func `X2: plain HTTP leaves this machine only where it is allowed`() throws {
        let plain = try settings(["AWS_ENDPOINT_URL": "http://store.example.com"])
        let error = #expect(throws: StorageError.self) { try plain.endpoint(allowsPlainHTTP: false) }
        #expect(error?.hint?.contains("--allow-http") == true)
        #expect(try plain.endpoint(allowsPlainHTTP: true).scheme == "http")
        let local = try settings(["AWS_ENDPOINT_URL": "http://127.0.0.1:9000"])
        #expect(try local.endpoint(allowsPlainHTTP: false).isLoopback)
    }

    @Test func `U2: an address with a password in it is refused, and not repeated`() throws {
        let secret = try settings(["AWS_ENDPOINT_URL": "https://user:SECRETPW@store.example.com"])
        let error = #expect(throws: StorageError.self) { try secret.endpoint(allowsPlainHTTP: false) }
        #expect(error?.message.contains("AWS_ENDPOINT_URL") == true)
        #expect(error?.message.contains("@store.example.com") == true)
        #expect(error?.message.contains("SECRETPW") == false)
    }

    @Test func `a profile that no file has is told`() {
        let error = #expect(throws: StorageError.self) { try settings(["AWS_PROFILE": "absent"]) }
        #expect(error?.message.contains("'absent'") == true)
    }
}

@Suite struct RefreshingCredentialsTests {
    /// Gives credentials that expire a while later, and counts how often.
    private final class Source: CredentialSource {
        let name = "the test"
        let state = Monitor((count: 0, fails: false))

        func credentials() throws(StorageError) -> Credentials? {
            let (count, fails) = state.update { state in
                state.count += 1
                return state
            }
            if fails { throw StorageError(.credentials, "no") }
            return Credentials(accessKey: "\(count)", secretKey: "s", expires: Timestamp(seconds: Int64(count) * 3600))
        }
    }

    @Test func `U1: credentials are got once for all, and anew before they expire`() throws {
        let source = Source()
        let now = Monitor(Int64(0))
        let refreshing = RefreshingCredentials(source) { Timestamp(seconds: now.withLock { $0 }) }
        let threads = (0..<16).compactMap { _ in Thread.start("asks") { _ = try? refreshing.credentials() } }
        for thread in threads { thread.join() }
        #expect(source.state.withLock { $0.count } == 1)
        now.withLock { $0 = 3200 }
        #expect(try refreshing.credentials()?.accessKey == "1")
        now.withLock { $0 = 3400 }
        #expect(try refreshing.credentials()?.accessKey == "2")
    }

    @Test func `U1: credentials that are good for a minute are not got anew for each request`() throws {
        let source = Source()
        let now = Monitor(Int64(3540))
        let refreshing = RefreshingCredentials(source) { Timestamp(seconds: now.withLock { $0 }) }
        for _ in 0..<10 { _ = try refreshing.credentials() }
        #expect(source.state.withLock { $0.count } == 1)
        now.withLock { $0 = 3580 }
        #expect(try refreshing.credentials()?.accessKey == "2")
    }

    @Test func `U1: credentials that the service refuses are got anew, once for all`() throws {
        let source = Source()
        let now = Monitor(Int64(0))
        let refreshing = RefreshingCredentials(source) { Timestamp(seconds: now.withLock { $0 }) }
        let first = try #require(try refreshing.credentials())
        let threads = (0..<16).compactMap { _ in
            Thread.start("asks") {
                #expect((try? refreshing.credentials(insteadOf: first))?.accessKey == "2")
            }
        }
        for thread in threads { thread.join() }
        #expect(source.state.withLock { $0.count } == 2)
        #expect(try refreshing.credentials()?.accessKey == "2")
    }

    @Test func `a source that has no others is not asked again at once`() throws {
        final class Same: CredentialSource {
            let name = "the test"
            let count = Monitor(0)
            func credentials() throws(StorageError) -> Credentials? {
                count.withLock { $0 += 1 }
                return Credentials(accessKey: "same", secretKey: "s")
            }
        }
        let source = Same()
        let now = Monitor(Int64(0))
        let refreshing = RefreshingCredentials(source) { Timestamp(seconds: now.withLock { $0 }) }
        let same = try #require(try refreshing.credentials())
        for _ in 0..<5 { #expect(try refreshing.credentials(insteadOf: same) == nil) }
        #expect(source.count.withLock { $0 } == 2)
        now.withLock { $0 = 20 }
        #expect(try refreshing.credentials(insteadOf: same) == nil)
        #expect(source.count.withLock { $0 } == 3)
    }

    /// Gives what it is told to, and counts how often it was asked.
    private final class Given: CredentialSource {
        let name = "the test"
        let state: Monitor<(count: Int, credentials: Credentials?)>

        init(_ credentials: Credentials?) { state = Monitor((0, credentials)) }

        func credentials() throws(StorageError) -> Credentials? {
            state.withLock { state in
                state.count += 1
                return state.credentials
            }
        }
    }

    @Test func `U1: that there are none is asked again after a while`() throws {
        let source = Given(nil)
        let now = Monitor(Int64(0))
        let refreshing = RefreshingCredentials(source) { Timestamp(seconds: now.withLock { $0 }) }
        for _ in 0..<10 { #expect(try refreshing.credentials() == nil) }
        #expect(source.state.withLock { $0.count } == 1)
        source.state.withLock { $0.credentials = Credentials(accessKey: "late", secretKey: "s") }
        now.withLock { $0 = 31 }
        #expect(try refreshing.credentials()?.accessKey == "late")
    }

    @Test func `U1: who had credentials never becomes nobody`() throws {
        let some = Credentials(accessKey: "some", secretKey: "s", expires: Timestamp(seconds: 3600))
        let source = Given(some)
        let now = Monitor(Int64(0))
        let refreshing = RefreshingCredentials(source) { Timestamp(seconds: now.withLock { $0 }) }
        #expect(try refreshing.credentials() == some)
        source.state.withLock { $0.credentials = nil }
        now.withLock { $0 = 3400 }
        #expect(try refreshing.credentials() == some)
        now.withLock { $0 = 3700 }
        for _ in 0..<2 {
            let error = #expect(throws: StorageError.self) { try refreshing.credentials() }
            #expect(error?.code == .credentials)
        }
        let others = Credentials(accessKey: "others", secretKey: "s")
        source.state.withLock { $0.credentials = others }
        #expect(try refreshing.credentials() == others)
        source.state.withLock { $0.credentials = nil }
        #expect(throws: StorageError.self) { try refreshing.credentials(insteadOf: others) }
        #expect(throws: StorageError.self) { try refreshing.credentials() }
    }

    @Test func `what is still good serves while new ones can't be had`() throws {
        let source = Source()
        let now = Monitor(Int64(0))
        let refreshing = RefreshingCredentials(source) { Timestamp(seconds: now.withLock { $0 }) }
        _ = try refreshing.credentials()
        source.state.withLock { $0.fails = true }
        now.withLock { $0 = 3400 }
        #expect(try refreshing.credentials()?.accessKey == "1")
        now.withLock { $0 = 3700 }
        #expect(throws: StorageError.self) { try refreshing.credentials() }
    }
}
