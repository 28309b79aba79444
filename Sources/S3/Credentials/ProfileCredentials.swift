package import Storage

/// Credentials that stand in a profile themselves.
package struct ProfileCredentials: CredentialSource {
    private let profile: String
    private let files: SharedFiles

    package init(profile: String, files: SharedFiles) {
        self.profile = profile
        self.files = files
    }

    package var name: String { "the profile '\(profile)'" }

    package func credentials() throws(StorageError) -> Credentials? {
        guard let values = files.profile(profile), let accessKey = values["aws_access_key_id"] else { return nil }
        guard let secretKey = values["aws_secret_access_key"] else {
            throw StorageError(
                .credentials, "the profile '\(profile)' has an aws_access_key_id and no aws_secret_access_key")
        }
        return Credentials(accessKey: accessKey, secretKey: secretKey, sessionToken: values["aws_session_token"])
    }
}
