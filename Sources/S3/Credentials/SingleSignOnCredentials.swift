import Bytes
import Digests
import Glibc
import Storage
import Transport

/// Credentials of somebody who has signed on with `aws sso login`, whose token that left in a file.
///
/// The corresponding operation is `GetRoleCredentials`.
struct SingleSignOnCredentials: CredentialSource {
    let profile: String
    let files: SharedFiles
    let home: String
    let allowsPlainHTTP: Bool
    let transport: any HTTPTransport

    var name: String { "the single sign-on of the profile '\(profile)'" }

    func credentials() throws(StorageError) -> Credentials? {
        guard let values = files.profile(profile), let account = values["sso_account_id"],
            let role = values["sso_role_name"]
        else { return nil }
        let session = values["sso_session"]
        let settings = session.flatMap { files.section("sso-session \($0)") } ?? values
        guard let start = settings["sso_start_url"], let region = settings["sso_region"] else {
            throw StorageError(.credentials, "\(name) lacks sso_start_url or sso_region")
        }
        let query: [(name: String, value: String)] = [("account_id", account), ("role_name", role)]
        let host = settings["sso_endpoint_url"] ?? "https://portal.sso.\(S3Endpoint.domain(of: region))"
        guard let endpoint = S3Endpoint(url: host) else {
            throw StorageError(.credentials, "\(name): '\(S3Endpoint.shown(host))' is no address of a service")
        }
        try endpoint.checkEncryption(allowsPlainHTTP: allowsPlainHTTP)
        let place = "\(endpoint.scheme)://\(endpoint.host)\(endpoint.basePath)"
        let url = "\(place)/federation/credentials?\(SignatureV4.queryString(query))"
        let headers = [(name: "x-amz-sso_bearer_token", value: try token(session ?? start))]
        let text = try CredentialRequest(transport: transport, source: name).send(.get, url, headers: headers)
        guard let document = JSON(text)?["roleCredentials"], case .object = document,
            let accessKey = document["accessKeyId"]?.string, let secretKey = document["secretAccessKey"]?.string
        else { throw StorageError(.credentials, "\(name) gives no credentials") }
        let milliseconds = document["expiration"]?.number.flatMap { Int64(exactly: $0.rounded(.down)) }
        return Credentials(
            accessKey: accessKey, secretKey: secretKey, sessionToken: document["sessionToken"]?.string,
            expires: milliseconds.map { Timestamp(seconds: $0 / 1000) })
    }

    /// The token in the file that is named by the digest of the session's name, or of the start page's address.
    private func token(_ name: String) throws(StorageError) -> String {
        let file = home + "/.aws/sso/cache/" + Hex.string(Digest.sha1(Array(name.utf8))) + ".json"
        let hint = "aws sso login --profile \(profile)"
        guard let text = SharedFiles.read(file), let document = JSON(text), let token = document["accessToken"]?.string
        else {
            throw StorageError(.credentials, "nobody has signed on for the profile '\(profile)'", hint: hint)
        }
        let expires = document["expiresAt"]?.string.flatMap { Dates.iso8601($0.replacingSuffix("UTC", "Z")) }
        if let expires, expires < Timestamp(seconds: Int64(time(nil))) {
            throw StorageError(.credentials, "the sign-on of the profile '\(profile)' has expired", hint: hint)
        }
        return token
    }
}

extension String {
    fileprivate func replacingSuffix(_ old: String, _ new: String) -> String {
        hasSuffix(old) ? dropLast(old.count) + new : self
    }
}
