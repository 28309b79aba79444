/// Why there was no whole response.
package struct TransportError: Error, Sendable, CustomStringConvertible {
    /// What happened, for programs.
    package enum Code: Hashable, Sendable {
        /// The name of the host is not known.
        case unknownHost
        /// Nobody answered at the address, or the connection was refused.
        case notConnected
        /// The other side's certificate is not to be trusted.
        case untrusted
        /// The connection broke before the response was whole.
        case interrupted
        /// Nothing came for too long.
        case timedOut
        /// What came is not HTTP.
        case malformed
        /// The request can't be sent as it is.
        case invalid
        /// The receiver ended it.
        case cancelled
    }

    package let code: Code
    /// What happened, for people, in lower case and without a full stop.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
