package import S3

/// Who asks a service.
package enum StoreIdentity: Sendable {
    /// Whoever the command line, the environment and the files say.
    case own
    /// Somebody whose credentials were handed over, or nobody.
    case given(Credentials?)
    /// Nobody: somebody else has permitted some things ahead.
    case permitted(any PermissionSource)
}

/// How a store is reached, as far as the command line says.
package struct StoreOptions: Hashable, Sendable {
    package var endpointURL: String?
    /// Whether the addresses in the environment and in the files do not count.
    package var ignoresConfiguredEndpoints = false
    package var region: String?
    package var profile: String?
    package var signsNothing = false
    package var allowsPlainHTTP = false
    package var addressing: S3Endpoint.Addressing?

    package init() {}
}
