import Bytes
import CCurl
import Threads

/// One request and its response, on their way through libcurl.
///
/// All but ``wait()`` is called by the thread of the ``CurlLoop`` alone.
final class Exchange: @unchecked Sendable {
    // The caller touches only the result, under its lock; the rest belongs to the thread of the loop.
    let request: HTTPRequest
    /// Let go before the caller wakes: its closures must not outlive its call.
    private var receiver: HTTPReceiver?
    private let result = Monitor<Result<HTTPResponse, TransportError>?>(nil)
    private var response: HTTPResponse?
    private var isHeadSeen = false
    private var isRefused = false
    private var isSent = false
    /// Whether it was sent again after a kept connection had turned out to be dead.
    private(set) var isRepeated = false

    init(_ request: HTTPRequest, _ receiver: HTTPReceiver) {
        self.request = request
        self.receiver = receiver
    }

    /// Blocks the caller until the exchange has ended.
    func wait() throws(TransportError) -> HTTPResponse {
        try result.wait { $0 }.get()
    }

    /// Takes a line of the response's head, as libcurl hands it over: with its line break.
    func take(headerLine line: UnsafeRawBufferPointer) -> Bool {
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            // Another head follows one of the status 100.
            let status = text.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) }
            response = HTTPResponse(status: status ?? 0)
            return true
        }
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else { return true }
        let name = text[..<colon].lowercased()
        response?.headers[name] = Self.trimmed(text[text.utf8.index(after: colon)...])
        return true
    }

    private static func trimmed(_ text: Substring) -> String {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
        let rest = text.utf8.drop(while: isBlank)
        let end = rest.lastIndex { !isBlank($0) }.map { rest.index(after: $0) } ?? rest.startIndex
        return String(rest[..<end]) ?? ""
    }

    /// Takes some bytes of the body; `false` ends the exchange.
    func take(body bytes: UnsafeRawBufferPointer) -> Bool {
        guard showHead(), let receiver, receiver.body(bytes) else {
            isRefused = true
            return false
        }
        return true
    }

    /// Shows the head to the receiver, once.
    private func showHead() -> Bool {
        guard !isHeadSeen, let response else { return !isRefused }
        isHeadSeen = true
        return receiver?.head(response) ?? false
    }

    /// Whether it may be sent now; libcurl asks before it sends, and again before it sends by itself once more.
    func maySend() -> Bool {
        defer { isSent = true }
        return !isSent || request.mayBeSentTwice
    }

    /// Whether it can be sent once more on a new connection: nothing came back on a kept one that was dead.
    func mayRepeat(_ code: CURLcode, isKeptConnection: Bool) -> Bool {
        let isDead = [CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING].contains(code)
        guard isDead, isKeptConnection, !isRepeated, response == nil, request.mayBeSentTwice else { return false }
        isRepeated = true
        return true
    }

    /// Ends the exchange as libcurl says.
    func finish(_ code: CURLcode) {
        let ended: Result<HTTPResponse, TransportError>
        if isRefused {
            ended = .failure(TransportError(.cancelled, "called off"))
        } else if code != CURLE_OK {
            ended = .failure(TransportError(code, host: request.host))
        } else if let response, showHead() {
            ended = .success(response)
        } else {
            ended = .failure(TransportError(.cancelled, "called off"))
        }
        receiver = nil
        result.update { $0 = ended }
    }
}

extension HTTPRequest {
    /// Whether a server that has answered it already, unheard, answers the same once more.
    ///
    /// A write under a condition that it fulfilled would fail by what it wrote itself.
    var mayBeSentTwice: Bool {
        switch method {
        case .get, .head, .delete: true
        case .put: !headers.contains { ["if-match", "if-none-match"].contains($0.name.lowercased()) }
        case .post: false
        }
    }

    /// The host and port of the URL, for messages.
    var host: String {
        let rest = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return rest.count > 2 ? String(rest[2].split(separator: "@").last ?? "") : url
    }
}

extension TransportError {
    /// What a result code of libcurl means.
    ///
    /// See: `man 3 libcurl-errors`. libcurl's own words are not used, for they may quote a signed URL.
    init(_ code: CURLcode, host: String) {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            self.init(.unknownHost, "the host '\(host)' is not known")
        case CURLE_COULDNT_CONNECT: self.init(.notConnected, "no connection to \(host)")
        case CURLE_OPERATION_TIMEDOUT: self.init(.timedOut, "\(host) did not answer in time")
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_ISSUER_ERROR:
            self.init(.untrusted, "the certificate of \(host) is not to be trusted")
        case CURLE_SSL_CACERT_BADFILE: self.init(.untrusted, "the file of trusted certificates can't be read")
        // Whatever ended the handshake, be it a reset; certificates have codes of their own.
        case CURLE_SSL_CONNECT_ERROR: self.init(.interrupted, "no secure connection to \(host) could be agreed on")
        case CURLE_URL_MALFORMAT: self.init(.invalid, "the URL of the request is none")
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING:
            self.init(.malformed, "\(host) does not answer as an HTTP server does")
        case CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING,
            CURLE_ABORTED_BY_CALLBACK:
            self.init(.interrupted, "the connection to \(host) broke")
        default:
            self.init(.interrupted, "\(host): \(String(cString: curl_easy_strerror(code)).lowercased())")
        }
    }
}
