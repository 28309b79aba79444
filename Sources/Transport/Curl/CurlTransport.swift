import CCurl
import Synchronization
import Threads

/// HTTP/1.1 by libcurl, whose connections all callers share.
package final class CurlTransport: HTTPTransport {
    /// How connections are made and how long they may be silent.
    package struct Options: Sendable {
        /// A file of certificates to trust instead of the system's.
        package var certificates: String?
        /// How long making a connection may take.
        package var connectTimeout = Duration.seconds(5)
        /// For how long nothing may come or go, unless a request says so itself.
        package var stallTimeout = Duration.seconds(30)
        /// How many connections there may be at a time.
        package var connections = 128
        /// How many threads receive and hand on what came; each has connections of its own.
        package var threads = 2

        package init() {}
    }

    private let loops: [CurlLoop]
    /// How many requests each loop is about.
    private let loads: Mutex<[Int]>

    package init(_ options: Options = Options()) {
        CurlLibrary.start
        let count = max(options.threads, 1)
        var options = options
        options.connections = max(options.connections / count, 1)
        loops = (0..<count).map { [options] _ in CurlLoop(options) }
        loads = Mutex([Int](repeating: 0, count: count))
    }

    deinit {
        for loop in loops { loop.stop() }
    }

    package func send(_ request: HTTPRequest, to receiver: HTTPReceiver) throws(TransportError) -> HTTPResponse {
        try Self.check(request)
        let exchange = Exchange(request, receiver)
        let number = takeOn()
        defer { loads.withLock { $0[number] -= 1 } }
        loops[number].start(exchange)
        return try exchange.wait()
    }

    /// The loop that has the least to do; the first of equals, so that requests one after the other share a connection.
    private func takeOn() -> Int {
        loads.withLock { loads in
            let number = loads.indices.min { loads[$0] < loads[$1] } ?? 0
            loads[number] += 1
            return number
        }
    }

    /// Refuses what would not arrive as it is meant: a line break in a header begins another one.
    private static func check(_ request: HTTPRequest) throws(TransportError) {
        func isBroken(_ text: String) -> Bool { text.utf8.contains { $0 == 0x0A || $0 == 0x0D || $0 == 0 } }
        guard !isBroken(request.url), !request.url.utf8.contains(0x20) else {
            throw TransportError(.invalid, "the URL of the request can't be sent")
        }
        for header in request.headers where isBroken(header.name) || isBroken(header.value) {
            throw TransportError(.invalid, "the header '\(header.name)' can't be sent")
        }
    }
}

/// What libcurl does once for the whole process.
enum CurlLibrary {
    /// The corresponding C function is `curl_global_init`.
    static let start: Void = { curl_global_init(Int(CURL_GLOBAL_DEFAULT)) }()
}
