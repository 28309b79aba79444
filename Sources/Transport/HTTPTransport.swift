/// Sends one HTTP request and receives one response.
///
/// A call blocks until the response has ended, and may be made by many threads at once.
/// No redirect is followed, nothing is retried, and a status such as 404 is a response and no error.
package protocol HTTPTransport: Sendable {
    /// Sends a request.
    ///
    /// - Parameters:
    ///   - request: What to send.
    ///   - receiver: Takes the response as it arrives.
    /// - Returns: The status and the headers of the response, after its body has been handed to the receiver.
    /// - Throws: A ``TransportError`` if there was no whole response: a body that ends before its `Content-Length`
    ///   is ``TransportError/Code/interrupted``, one that the receiver refused is ``TransportError/Code/cancelled``.
    func send(_ request: HTTPRequest, to receiver: HTTPReceiver) throws(TransportError) -> HTTPResponse
}

/// Takes a response as it arrives; both closures are called by one thread at a time, before `send` returns.
package struct HTTPReceiver {
    /// Sees the status and the headers, before the body; `false` ends the exchange.
    package let head: (HTTPResponse) -> Bool
    /// Takes some bytes of the body; `false` ends the exchange.
    package let body: (UnsafeRawBufferPointer) -> Bool

    package init(
        head: @escaping (HTTPResponse) -> Bool = { _ in true },
        body: @escaping (UnsafeRawBufferPointer) -> Bool
    ) {
        self.head = head
        self.body = body
    }
}
