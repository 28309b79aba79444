package import Storage

/// What proves to a service who asks.
package struct Credentials: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    package let accessKey: String
    package let secretKey: String
    /// Goes with keys that are good for a while only.
    package let sessionToken: String?
    /// When they stop being good; `nil` if never.
    package let expires: Timestamp?

    package init(accessKey: String, secretKey: String, sessionToken: String? = nil, expires: Timestamp? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
        self.expires = expires
    }

    /// Names the access key, which is no secret, and nothing else.
    package var description: String { "access key \(accessKey)" }
    package var debugDescription: String { description }
}

/// Where credentials come from.
package protocol CredentialSource: Sendable {
    /// The place, for people: `the environment`, `the profile 'prod'`.
    var name: String { get }

    /// The credentials that are good now; `nil` if this source has none.
    ///
    /// - Throws: ``StorageError/Code/credentials`` if the source should have some and something is wrong with it.
    func credentials() throws(StorageError) -> Credentials?

    /// Other credentials than some that the service refused before their time; `nil` if there are none.
    func credentials(insteadOf refused: Credentials) throws(StorageError) -> Credentials?
}

extension CredentialSource {
    package func credentials(insteadOf refused: Credentials) throws(StorageError) -> Credentials? { nil }
}

/// Credentials that are given and never change; `nil` for nobody's.
package struct FixedCredentials: CredentialSource {
    package let name: String
    private let fixed: Credentials?

    package init(_ credentials: Credentials?, name: String = "the caller") {
        fixed = credentials
        self.name = name
    }

    package func credentials() throws(StorageError) -> Credentials? { fixed }
}
