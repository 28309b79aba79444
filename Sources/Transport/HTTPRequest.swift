package import Bytes

/// An HTTP request whose body, if there is one, is in memory.
package struct HTTPRequest: Sendable {
    package enum Method: String, Sendable, CaseIterable {
        case get = "GET"
        case head = "HEAD"
        case put = "PUT"
        case post = "POST"
        case delete = "DELETE"
    }

    package var method: Method
    /// The whole URL, with everything encoded that must be; it is sent byte for byte.
    package var url: String
    /// Names and values, in the order in which they are sent; `Content-Length` follows from the body.
    package var headers: [(name: String, value: String)]
    package var body: ByteSlice?
    /// For how long nothing may come or go; `nil` leaves it to the transport.
    package var patience: Duration?

    package init(
        _ method: Method, _ url: String, headers: [(name: String, value: String)] = [], body: ByteSlice? = nil,
        patience: Duration? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.patience = patience
    }
}

/// The status and the headers of a response.
package struct HTTPResponse: Sendable {
    package var status: Int
    /// Values by name in lower case; of a name that came twice, the last.
    package var headers: [String: String]

    package init(status: Int, headers: [String: String] = [:]) {
        self.status = status
        self.headers = headers
    }
}
