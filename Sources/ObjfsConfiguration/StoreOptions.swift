package import S3

/// How a store is reached, as far as the command line says.
package struct StoreOptions: Hashable, Sendable {
    package var endpointURL: String?
    package var region: String?
    package var profile: String?
    package var signsNothing = false
    package var allowsPlainHTTP = false
    package var addressing: S3Endpoint.Addressing?

    package init() {}
}
