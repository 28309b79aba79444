import Glibc
import Synchronization

/// Stands before a service on this machine, and lets some of its requests or answers get lost.
package final class S3Proxy: Sendable {
    /// What becomes of a request.
    package enum Fate: Sendable {
        /// It is answered by the service.
        case served
        /// It never reaches the service, which is said to be busy.
        case refused
        /// It reaches the service, and yet its sender is told that the service is busy.
        case forgotten
    }

    private struct State {
        var count = 0
        var lost = 0
        var answers: [[UInt8]] = []
    }

    private let upstream: UInt16
    private let fate: @Sendable (LoopbackServer.Request, Int) -> Fate
    private let state = Mutex(State())
    private let server = Mutex<LoopbackServer?>(nil)

    /// Starts a proxy.
    ///
    /// - Parameters:
    ///   - url: The service, on loopback.
    ///   - fate: Decides about each request, which are counted from 1.
    package init(_ url: String, fate: @escaping @Sendable (LoopbackServer.Request, Int) -> Fate) throws {
        guard let port = url.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            throw ServerError("\(url) has no port")
        }
        upstream = port
        self.fate = fate
        let made = LoopbackServer { [weak self] request in self?.answer(request) ?? .last([]) }
        server.withLock { $0 = made }
    }

    deinit { stop() }

    package var url: String { server.withLock { $0?.url ?? "" } }

    /// How many requests or answers were lost.
    package var lost: Int { state.withLock { $0.lost } }

    /// Everything that the service has answered.
    package var answers: [[UInt8]] { state.withLock { $0.answers } }

    package func stop() { server.withLock { $0 }?.stop() }

    private func answer(_ request: LoopbackServer.Request) -> LoopbackServer.Answer {
        let number = state.withLock { state in
            state.count += 1
            return state.count
        }
        let fate = fate(request, number)
        let busy = Array(
            "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Slow down</Message></Error>".utf8)
        guard fate != .refused else {
            state.withLock { $0.lost += 1 }
            return .bytes(LoopbackServer.response("503 Slow Down", [:], request.method == "HEAD" ? [] : busy))
        }
        let answer = forward(request)
        state.withLock { $0.answers.append(answer) }
        guard fate == .forgotten else { return .last(answer) }
        state.withLock { $0.lost += 1 }
        return .bytes(LoopbackServer.response("503 Slow Down", [:], request.method == "HEAD" ? [] : busy))
    }

    private func forward(_ request: LoopbackServer.Request) -> [UInt8] {
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(connection) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = upstream.bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else { return LoopbackServer.response("502 Bad Gateway") }
        var head = request.line + "\r\n"
        for (name, value) in request.headers where name != "connection" && name != "expect" {
            head += "\(name): \(value)\r\n"
        }
        let message = Array((head + "connection: close\r\n\r\n").utf8) + request.body
        var rest = message[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return LoopbackServer.response("502 Bad Gateway") }
            rest = rest.dropFirst(count)
        }
        var answer: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(connection, &block, block.count, 0)
            guard count > 0 else { return answer }
            answer += block[..<count]
        }
    }
}
