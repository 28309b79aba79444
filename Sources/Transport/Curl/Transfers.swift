import CCurl

/// The transfers that are under way on a multi handle; used by the thread of the loop alone.
struct Transfers: ~Copyable {
    private let multi: MultiHandle
    private let options: CurlTransport.Options
    private var running: [UnsafeMutableRawPointer: EasyHandle] = [:]
    /// Handles that have nothing to do, kept because making one takes longer than resetting it.
    private var idle: [EasyHandle] = []

    private static let keptIdle = 64

    init(_ multi: MultiHandle, _ options: CurlTransport.Options) {
        self.multi = multi
        self.options = options
    }

    var isEmpty: Bool { running.isEmpty }

    /// Begins an exchange.
    ///
    /// The corresponding C function is `curl_multi_add_handle`.
    mutating func add(_ exchange: Exchange) {
        guard let handle = idle.popLast() ?? EasyHandle() else { return exchange.finish(CURLE_OUT_OF_MEMORY) }
        handle.prepare(exchange, options)
        running[handle.raw] = handle
        guard curl_multi_add_handle(multi.raw, handle.raw) == CURLM_OK else {
            running[handle.raw] = nil
            return exchange.finish(CURLE_OUT_OF_MEMORY)
        }
    }

    /// Sends and receives what can be without waiting, and ends what is done.
    ///
    /// The corresponding C functions are `curl_multi_perform` and `curl_multi_info_read`.
    mutating func perform() {
        var count: Int32 = 0
        curl_multi_perform(multi.raw, &count)
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi.raw, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
            finish(easy, message.pointee.data.result)
        }
    }

    private mutating func finish(_ easy: UnsafeMutableRawPointer, _ code: CURLcode) {
        guard let handle = running.removeValue(forKey: easy) else { return }
        let isKeptConnection = handle.isKeptConnection
        curl_multi_remove_handle(multi.raw, easy)
        guard let exchange = handle.release() else { return }
        if idle.count < Self.keptIdle { idle.append(handle) }
        if exchange.mayRepeat(code, isKeptConnection: isKeptConnection) {
            add(exchange)
        } else {
            exchange.finish(code)
        }
    }
}
