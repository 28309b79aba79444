import Bytes
import CCurl

/// libcurl's handle of one transfer, used for one exchange after another.
final class EasyHandle {
    let raw: UnsafeMutableRawPointer
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var exchange: Exchange?

    /// The corresponding C function is `curl_easy_init`.
    init?() {
        guard let raw = curl_easy_init() else { return nil }
        self.raw = raw
    }

    deinit {
        curl_slist_free_all(headers)
        curl_easy_cleanup(raw)
    }

    /// Makes the handle ready to send an exchange.
    ///
    /// libcurl keeps a pointer to the exchange and to its body, which this handle keeps alive until ``release()``.
    func prepare(_ exchange: Exchange, _ options: CurlTransport.Options) {
        self.exchange = exchange
        curl_easy_reset(raw)
        setConnection(options, isFresh: exchange.isRepeated)
        setPatience(exchange.request.patience ?? options.stallTimeout)
        setRequest(exchange.request)
        setCallbacks(exchange)
    }

    /// Gives the exchange back when libcurl is done with it.
    func release() -> Exchange? {
        defer { exchange = nil }
        curl_slist_free_all(headers)
        headers = nil
        return exchange
    }

    /// Whether the transfer used a connection that an earlier one had made.
    var isKeptConnection: Bool {
        var made = 0
        ccurl_getinfo_long(raw, CURLINFO_NUM_CONNECTS, &made)
        return made == 0
    }

    private func setConnection(_ options: CurlTransport.Options, isFresh: Bool) {
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        ccurl_setopt_string(raw, CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_BUFFERSIZE, 512 << 10)
        set(CURLOPT_UPLOAD_BUFFERSIZE, 512 << 10)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_CONNECTTIMEOUT_MS, Int(options.connectTimeout / .milliseconds(1)))
        if isFresh { set(CURLOPT_FRESH_CONNECT, 1) }
        if let certificates = options.certificates { ccurl_setopt_string(raw, CURLOPT_CAINFO, certificates) }
    }

    /// Sets for how long nothing may come or go.
    private func setPatience(_ patience: Duration) {
        set(CURLOPT_LOW_SPEED_LIMIT, 1)
        set(CURLOPT_LOW_SPEED_TIME, max(Int(patience / .seconds(1)), 1))
    }

    private func setRequest(_ request: HTTPRequest) {
        ccurl_setopt_string(raw, CURLOPT_URL, request.url)
        set(CURLOPT_PATH_AS_IS, 1)
        // An empty one stands for none, whatever the environment says; see `man 3 CURLOPT_PROXY`.
        if HostName(request.host).isNear { ccurl_setopt_string(raw, CURLOPT_PROXY, "") }
        switch request.method {
        case .get: set(CURLOPT_HTTPGET, 1)
        case .head: set(CURLOPT_NOBODY, 1)
        case .put, .post, .delete:
            ccurl_setopt_string(raw, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        }
        if request.method == .put || request.method == .post { setBody(request.body ?? .empty) }
        setHeaders(request.headers)
    }

    /// Sends bytes from where they are; libcurl can send them again by itself if a connection turns out to be dead.
    private func setBody(_ body: ByteSlice) {
        ccurl_setopt_offset(raw, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
        body.withUnsafeBytes { bytes in
            _ = ccurl_setopt_pointer(raw, CURLOPT_POSTFIELDS, UnsafeMutableRawPointer(mutating: bytes.baseAddress))
        }
    }

    private func setHeaders(_ list: [(name: String, value: String)]) {
        // Taken out: what libcurl would add for a form, and a pause before each large body.
        headers = curl_slist_append(headers, "Expect:")
        if !list.contains(where: { $0.name.lowercased() == "content-type" }) {
            headers = curl_slist_append(headers, "Content-Type:")
        }
        for header in list {
            // A header with nothing behind its colon is taken out; one with a semicolon is sent empty.
            headers = curl_slist_append(
                headers, header.value.isEmpty ? "\(header.name);" : "\(header.name): \(header.value)")
        }
        ccurl_setopt_pointer(raw, CURLOPT_HTTPHEADER, headers)
    }

    private func setCallbacks(_ exchange: Exchange) {
        // The handle keeps the exchange alive for as long as libcurl may call.
        let context = Unmanaged.passUnretained(exchange).toOpaque()
        ccurl_setopt_pointer(raw, CURLOPT_HEADERDATA, context)
        ccurl_setopt_pointer(raw, CURLOPT_WRITEDATA, context)
        ccurl_setopt_callback(raw, CURLOPT_HEADERFUNCTION) { data, size, count, context in
            guard let data, let context else { return 0 }
            let line = UnsafeRawBufferPointer(start: data, count: size * count)
            return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue().take(headerLine: line)
                ? size * count : 0
        }
        ccurl_setopt_callback(raw, CURLOPT_WRITEFUNCTION) { data, size, count, context in
            guard let data, let context else { return 0 }
            let bytes = UnsafeRawBufferPointer(start: data, count: size * count)
            return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue().take(body: bytes) ? size * count : 0
        }
        ccurl_setopt_pointer(raw, CURLOPT_PREREQDATA, context)
        ccurl_setopt_before_sending(raw) { context, _, _, _, _ in
            guard let context else { return CURL_PREREQFUNC_ABORT }
            return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue().maySend()
                ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
        }
    }

    private func set(_ option: CURLoption, _ value: Int) { ccurl_setopt_long(raw, option, value) }
}
