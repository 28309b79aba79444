package import Storage

/// The first source that has credentials; nobody's if none has.
package struct CredentialChain: CredentialSource {
    private let sources: [any CredentialSource]

    package init(_ sources: [any CredentialSource]) { self.sources = sources }

    package var name: String { sources.map(\.name).joined(separator: ", ") }

    package func credentials() throws(StorageError) -> Credentials? { try find()?.credentials }

    /// The credentials, and where they were found.
    package func find() throws(StorageError) -> (credentials: Credentials, source: String)? {
        for source in sources {
            if let credentials = try source.credentials() { return (credentials, source.name) }
        }
        return nil
    }
}
