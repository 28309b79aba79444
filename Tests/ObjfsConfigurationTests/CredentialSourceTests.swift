import ObjfsConfiguration
import ObjfsTesting
import S3
import Storage
import Testing
import Threads
import Transport

/// A network on which nobody answers, and which keeps what would have been sent.
private final class RecordingTransport: HTTPTransport {
    let urls = Monitor<[String]>([])

    func send(_ request: HTTPRequest, to receiver: HTTPReceiver) throws(TransportError) -> HTTPResponse {
        urls.withLock { $0.append(request.url) }
        throw TransportError(.notConnected, "no connection")
    }
}

/// Each place that credentials can be in, with files of its own and a service on this machine.
@Suite struct CredentialSourceTests {
    private static let document =
        #"{"AccessKeyId":"GIVEN","SecretAccessKey":"givensecret","Token":"giventoken","Expiration":"2099-01-01T00:00:00Z"}"#

    private static let role = """
        <R xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ROLE</AccessKeyId>
        <SecretAccessKey>rolesecret</SecretAccessKey><SessionToken>roletoken</SessionToken>
        <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></R>
        """

    /// The credentials that a configuration leads to, and the requests that were sent on the way.
    private func find(
        _ config: String, _ environment: [String: String] = [:], files: [String: String] = [:],
        status: String = "200 OK"
    ) throws -> (Credentials?, [LoopbackServer.Request]) {
        let server = LoopbackServer { request in .bytes(LoopbackServer.response(status, [:], Self.answer(request))) }
        defer { server.stop() }
        let folder = TemporaryFolder()
        folder.write(
            "config", Array(config.replacing("SERVER", with: server.url).replacing("FOLDER", with: folder.path).utf8))
        for (name, text) in files { folder.write(name, Array(text.utf8)) }
        var all = ["AWS_CONFIG_FILE": "\(folder.path)/config", "HOME": folder.path, "AWS_ENDPOINT_URL_STS": server.url]
        for (name, value) in environment {
            all[name] = value.replacing("SERVER", with: server.url).replacing("FOLDER", with: folder.path)
        }
        if all["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == nil { all["AWS_EC2_METADATA_DISABLED"] = "true" }
        let settings = try ServiceSettings(StoreOptions(), environment: all)
        let found = try settings.credentials(environment: all, transport: CurlTransport()).credentials()
        return (found, server.requests)
    }

    private static func answer(_ request: LoopbackServer.Request) -> [UInt8] {
        let text =
            switch true {
            case request.target.contains("Action=AssumeRole"): role
            case request.target == "/latest/api/token": "imdstoken"
            case request.target.hasSuffix("/security-credentials/"): "myrole\n"
            case request.target.contains("/federation/"):
                #"{"roleCredentials":{"accessKeyId":"SSO","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}"#
            default: document
            }
        return Array(text.utf8)
    }

    @Test func `U1: a container's credentials`() throws {
        let (found, requests) = try find(
            "", ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "SERVER/creds?x=1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "tok"])
        #expect(found?.accessKey == "GIVEN")
        #expect(found?.sessionToken == "giventoken")
        #expect(found?.expires == Timestamp(seconds: 4_070_908_800))
        #expect(requests.first?.target == "/creds?x=1")
        #expect(requests.first?.headers["authorization"] == "tok")
        #expect(throws: StorageError.self) {
            try find("", ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/creds"])
        }
    }

    @Test func `U1: an instance's credentials, by a token`() throws {
        let (found, requests) = try find("", ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "SERVER/"])
        #expect(found?.accessKey == "GIVEN")
        #expect(requests.map(\.method) == ["PUT", "GET", "GET"])
        #expect(requests.last?.target == "/latest/meta-data/iam/security-credentials/myrole")
        #expect(requests.last?.headers["x-aws-ec2-metadata-token"] == "imdstoken")
        #expect(try find("", ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"]).0 == nil)
    }

    /// How an instance's credentials are found where a service answers as told: for a token, for roles, for one of them.
    private func findOnInstance(_ answers: LoopbackServer.Answer...) throws -> Credentials? {
        let server = LoopbackServer { request in
            switch true {
            case request.method == "PUT": answers[0]
            case request.target.hasSuffix("/"): answers[1]
            default: answers[2]
            }
        }
        defer { server.stop() }
        let environment = [
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url, "AWS_CONFIG_FILE": "/dev/null", "HOME": "/nonexistent",
        ]
        var options = CurlTransport.Options()
        options.stallTimeout = .seconds(1)
        return try ServiceSettings(StoreOptions(), environment: environment)
            .credentials(environment: environment, transport: CurlTransport(options)).credentials()
    }

    @Test func `U1: what is no instance is no error, and a service of one that fails is one`() throws {
        func answer(_ status: String, _ text: String = "") -> LoopbackServer.Answer {
            .bytes(LoopbackServer.response(status, [:], Array(text.utf8)))
        }
        let (token, roles) = (answer("200 OK", "imdstoken"), answer("200 OK", "myrole\n"))
        #expect(try findOnInstance(token, roles, answer("200 OK", Self.document))?.accessKey == "GIVEN")
        for status in ["400 Bad", "403 Off", "404 None", "405 No"] {
            #expect(try findOnInstance(answer(status)) == nil)
        }
        #expect(try findOnInstance(.stall([])) == nil)
        #expect(try findOnInstance(token, answer("404 None")) == nil)
        for failure in [answer("500 Failed"), answer("503 Busy"), answer("429 Slow"), .stall([])] {
            #expect(throws: StorageError.self) { try findOnInstance(token, failure) }
            #expect(throws: StorageError.self) { try findOnInstance(token, roles, failure) }
        }
        for failure in [answer("500 Failed"), answer("503 Busy"), answer("429 Slow")] {
            let error = #expect(throws: StorageError.self) { try findOnInstance(failure) }
            #expect(error?.code == .credentials)
        }
    }

    private static let takesRole = """
        [default]
        role_arn = arn:x
        source_profile = base
        services = own
        [profile base]
        aws_access_key_id = BASE
        aws_secret_access_key = basesecret
        [services own]
        sts =
          endpoint_url = https://section.example.com
        """

    private static let signsOn = """
        [default]
        sso_account_id = 123
        sso_role_name = reader
        sso_region = cn-north-1
        sso_start_url = mine
        """

    /// The address that a configuration asks for credentials, without its query, and how that fails.
    private func ask(
        _ config: String, _ environment: [String: String] = [:], allowsPlainHTTP: Bool = false
    ) throws -> (url: String?, error: StorageError?) {
        let folder = TemporaryFolder()
        folder.write("config", Array(config.utf8))
        let token = #"{"accessToken":"ssotoken","expiresAt":"2099-01-01T00:00:00Z"}"#
        folder.write(try singleSignOnFile("mine"), Array(token.utf8))
        let all = environment.merging(["AWS_CONFIG_FILE": "\(folder.path)/config", "HOME": folder.path]) { $1 }
        var options = StoreOptions()
        options.allowsPlainHTTP = allowsPlainHTTP
        let settings = try ServiceSettings(options, environment: all)
        let transport = RecordingTransport()
        let error = #expect(throws: StorageError.self) {
            _ = try settings.credentials(environment: all, transport: transport).credentials()
        }
        let url = transport.urls.withLock { $0.first }
        return (url.map { String($0.prefix { $0 != "?" }) }, error)
    }

    @Test func `U1: an address for all services holds for that of tokens, which may have its own`() throws {
        #expect(try ask(Self.takesRole).url == "https://section.example.com/")
        let all = ["AWS_ENDPOINT_URL": "https://own.example.com/base", "AWS_ENDPOINT_URL_S3": "https://s3.example.com"]
        #expect(try ask(Self.takesRole, all).url == "https://own.example.com/base/")
        let tokens = all.merging(["AWS_ENDPOINT_URL_STS": "https://tokens.example.com"]) { $1 }
        #expect(try ask(Self.takesRole, tokens).url == "https://tokens.example.com/")
        let none = tokens.merging(["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"]) { $1 }
        #expect(try ask(Self.takesRole, none).url == "https://sts.us-east-1.amazonaws.com/")
    }

    @Test func `U1: the services of a region in China are in that domain`() throws {
        let config = Self.takesRole.replacing("services = own", with: "region = cn-north-1")
        #expect(try ask(config).url == "https://sts.cn-north-1.amazonaws.com.cn/")
        let portal = "https://portal.sso.cn-north-1.amazonaws.com.cn/federation/credentials"
        #expect(try ask(Self.signsOn).url == portal)
    }

    @Test func `X2: no token is asked for in plain HTTP of another host, unless that is allowed`() throws {
        let far = "http://192.0.2.2:18507"
        let portal = Self.signsOn + "\nsso_endpoint_url = \(far)\n"
        let all: [(String, [String: String])] = [(Self.takesRole, ["AWS_ENDPOINT_URL_STS": far]), (portal, [:])]
        for (config, environment) in all {
            let refused = try ask(config, environment)
            #expect(refused.url == nil)
            #expect(refused.error?.message == "\(far) is not encrypted")
            #expect(refused.error?.hint?.contains("--allow-http") == true)
            #expect(try ask(config, environment, allowsPlainHTTP: true).url?.hasPrefix(far) == true)
        }
    }

    @Test func `U1: a role that is taken by another profile`() throws {
        let config = """
            [default]
            role_arn = arn:aws:iam::1:role/r
            source_profile = base
            external_id = a b
            [profile base]
            aws_access_key_id = BASE
            aws_secret_access_key = basesecret
            """
        let (found, requests) = try find(config)
        #expect(found?.accessKey == "ROLE")
        #expect(found?.sessionToken == "roletoken")
        let request = try #require(requests.first)
        #expect(request.target.contains("ExternalId=a%20b"))
        #expect(request.headers["authorization"]?.contains("Credential=BASE/") == true)
        #expect(throws: StorageError.self) { try find(config, status: "403 No") }
    }

    @Test func `a role that leads back to itself, or asks for a device, is told`() {
        let loop = "[default]\nrole_arn=a\nsource_profile=x\n[profile x]\nrole_arn=b\nsource_profile=default\n"
        let device = "[default]\nrole_arn=a\nsource_profile=default\nmfa_serial=m\n"
        for config in [loop, device, "[default]\nrole_arn=a\nsource_profile=absent\n", "[default]\nrole_arn=a\n"] {
            let error = #expect(throws: StorageError.self) { try find(config) }
            #expect(error?.code == .credentials)
        }
    }

    @Test func `U1: a role that is taken with a token in a file`() throws {
        let files = ["token": "thetoken\n"]
        let environment = ["AWS_WEB_IDENTITY_TOKEN_FILE": "FOLDER/token", "AWS_ROLE_ARN": "arn:x"]
        let (found, requests) = try find("", environment, files: files)
        #expect(found?.accessKey == "ROLE")
        #expect(requests.first?.target.contains("WebIdentityToken=thetoken") == true)
        #expect(requests.first?.headers["authorization"] == nil)
        let config = "[default]\nrole_arn = arn:x\nweb_identity_token_file = FOLDER/token\n"
        #expect(try find(config, files: files).0?.accessKey == "ROLE")
        #expect(throws: StorageError.self) { try find(config) }
    }

    @Test func `U1: a program that prints credentials`() throws {
        let config = "[default]\ncredential_process = cat \"FOLDER/a file\"\n"
        #expect(try find(config, files: ["a file": Self.document]).0?.accessKey == "GIVEN")
        #expect(throws: StorageError.self) { try find(config) }
        #expect(throws: StorageError.self) { try find("[default]\ncredential_process = /nonexistent/program\n") }
        #expect(throws: StorageError.self) { try find("[default]\ncredential_process = echo nothing\n") }
    }

    /// How a `credential_process` fails that may take a moment only.
    ///
    /// What is run should end by itself some time later, so that it is not left behind where nobody ends it.
    private func failure(of program: String) -> StorageError? {
        let folder = TemporaryFolder()
        folder.write("config", Array("[default]\ncredential_process = \(program)\n".utf8))
        let files = SharedFiles(environment: ["AWS_CONFIG_FILE": "\(folder.path)/config"])
        let source = ProcessCredentials(profile: "default", files: files, patience: .milliseconds(300))
        return #expect(throws: StorageError.self) { try source.credentials() }
    }

    @Test func `U1: a program that hangs is ended, also when it has closed its output`() {
        let begin = ContinuousClock.now
        for program in ["sleep 20", #"sh -c "exec >&-; exec sleep 20""#] {
            let error = failure(of: program)
            #expect(error?.code == .credentials)
            #expect(error?.message.contains("takes too long") == true, "\(program): \(error?.message ?? "")")
        }
        #expect(ContinuousClock.now - begin < .seconds(15))
    }

    @Test func `U1: a program that has ended is not waited for, whoever has its output`() throws {
        let begin = ContinuousClock.now
        let config = "[default]\ncredential_process = sh -c \"sleep 20 & exec cat 'FOLDER/a file'\"\n"
        #expect(try find(config, files: ["a file": Self.document]).0?.accessKey == "GIVEN")
        #expect(ContinuousClock.now - begin < .seconds(15))
    }

    @Test func `U1: a program that prints without end is ended`() throws {
        let config = "[default]\ncredential_process = timeout 20 head -c 3000000 /dev/zero\n"
        let error = #expect(throws: StorageError.self) { try find(config) }
        #expect(error?.code == .credentials)
        #expect(error?.message.contains("1 MiB") == true, "\(error?.message ?? "")")
    }

    @Test func `U1: a person who has signed on`() throws {
        let config = """
            [default]
            sso_session = mine
            sso_account_id = 123
            sso_role_name = reader
            [sso-session mine]
            sso_region = eu-west-1
            sso_start_url = https://start
            sso_endpoint_url = SERVER
            """
        let name = try singleSignOnFile("mine")
        let token = #"{"accessToken":"ssotoken","expiresAt":"2099-01-01T00:00:00Z"}"#
        let (found, requests) = try find(config, files: [name: token])
        #expect(found?.accessKey == "SSO")
        #expect(found?.expires == Timestamp(seconds: 4_070_908_800))
        #expect(requests.first?.headers["x-amz-sso_bearer_token"] == "ssotoken")
        let old = #"{"accessToken":"ssotoken","expiresAt":"2020-01-01T00:00:00Z"}"#
        for files in [[:], [name: old]] {
            let error = #expect(throws: StorageError.self) { try find(config, files: files) }
            #expect(error?.hint == "aws sso login --profile default")
        }
    }

    /// The name of the file with a session's token, by the system's own SHA-1.
    private func singleSignOnFile(_ session: String) throws -> String {
        let digest = try Program.run(["sha1sum"], input: Array(session.utf8)).standardOutput.prefix(40)
        return ".aws/sso/cache/\(digest).json"
    }

    @Test func `U2: the address of a token service is told without its password`() throws {
        let address = ["AWS_ENDPOINT_URL_STS": "https://user:SECRETPW@tokens.example.com"]
        let error = try ask(Self.takesRole, address).error
        #expect(error?.message == "'https://...@tokens.example.com' is no address of a token service")
    }

    @Test func `U2: no message has a secret`() throws {
        let config =
            "[default]\nrole_arn=a\nsource_profile=b\n[profile b]\naws_access_key_id=K\naws_secret_access_key=verysecret\n"
        let error = #expect(throws: StorageError.self) { try find(config, status: "403 verysecret") }
        #expect(error.map { "\($0) \($0.hint ?? "")" }?.contains("verysecret") == false)
    }
}
