import CCurl
import Synchronization
import Threads

/// The thread that owns libcurl's multi handle, and all transfers on it.
///
/// Nobody else touches a handle: others put exchanges into a queue and wake the thread.
/// It starts with the first exchange.
final class CurlLoop: Sendable {
    fileprivate struct Queue {
        var exchanges: [Exchange] = []
        var isStarted = false
        var isStopped = false
    }

    private let options: CurlTransport.Options
    private let queue = Mutex(Queue())
    private let multi: MultiHandle

    init(_ options: CurlTransport.Options) {
        self.options = options
        multi = MultiHandle(connections: options.connections)
    }

    /// Gives an exchange to the thread.
    func start(_ exchange: Exchange) {
        let isFirst = queue.withLock { queue in
            queue.exchanges.append(exchange)
            defer { queue.isStarted = true }
            return !queue.isStarted
        }
        guard isFirst else { return multi.wakeUp() }
        if let thread = Thread.start("objfs-http", { self.run() }) { return thread.detach() }
        // Without a thread nothing can be sent; the next exchange tries again.
        let waiting = queue.withLock { queue in
            queue.isStarted = false
            return queue.take()
        }
        for exchange in waiting { exchange.finish(CURLE_OUT_OF_MEMORY) }
    }

    /// Ends the thread when the exchanges under way have ended.
    func stop() {
        queue.withLock { $0.isStopped = true }
        multi.wakeUp()
    }

    private func run() {
        var transfers = Transfers(multi, options)
        while true {
            let (new, isStopped) = queue.withLock { ($0.take(), $0.isStopped) }
            for exchange in new { transfers.add(exchange) }
            if isStopped, transfers.isEmpty { return }
            transfers.perform()
            multi.wait()
        }
    }
}

extension CurlLoop.Queue {
    fileprivate mutating func take() -> [Exchange] {
        defer { exchanges.removeAll(keepingCapacity: true) }
        return exchanges
    }
}

/// libcurl's multi handle.
final class MultiHandle: @unchecked Sendable {
    // Belongs to the thread of the loop, but for waking it, which libcurl allows to any thread.
    let raw: UnsafeMutableRawPointer

    /// How long a wait lasts at most, in milliseconds; libcurl's own timers shorten it.
    private static let longestWait: Int32 = 1000

    /// The corresponding C function is `curl_multi_init`.
    init(connections: Int) {
        guard let raw = curl_multi_init() else { fatalError("libcurl has no memory for its first handle") }
        self.raw = raw
        ccurl_multi_setopt_long(raw, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections)
        ccurl_multi_setopt_long(raw, CURLMOPT_MAXCONNECTS, connections)
        ccurl_multi_setopt_long(raw, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
    }

    deinit { curl_multi_cleanup(raw) }

    func wakeUp() { curl_multi_wakeup(raw) }

    /// Sleeps until there is something to do.
    ///
    /// The corresponding C function is `curl_multi_poll`.
    func wait() { curl_multi_poll(raw, nil, 0, Self.longestWait, nil) }
}
