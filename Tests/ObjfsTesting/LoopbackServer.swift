import Glibc
import Synchronization
import Threads

/// A server on this machine that answers each request with bytes that a test chose, well-formed or not.
package final class LoopbackServer: Sendable {
    /// A request as it came.
    package struct Request: Sendable {
        /// The first line: method, target and version.
        package let line: String
        /// Values by name in lower case.
        package let headers: [String: String]
        package let body: [UInt8]

        package var method: String { String(line.split(separator: " ").first ?? "") }
        package var target: String { String(line.split(separator: " ").dropFirst().first ?? "") }

        /// The bytes that a `Range` header asks for, the end excluded.
        package var range: Range<Int>? {
            guard let value = headers["range"], value.hasPrefix("bytes=") else { return nil }
            let ends = value.dropFirst(6).split(separator: "-").compactMap { Int($0) }
            return ends.count == 2 && ends[0] <= ends[1] ? ends[0]..<ends[1] + 1 : nil
        }
    }

    /// What the server does with a request.
    package enum Answer: Sendable {
        /// Sends these bytes and keeps the connection.
        case bytes([UInt8])
        /// Sends these bytes and closes the connection.
        case last([UInt8])
        /// Sends these bytes and resets the connection.
        case reset([UInt8])
        /// Sends these bytes and then nothing, until the server is stopped.
        case stall([UInt8])
    }

    /// What the server speaks.
    package enum Language: Sendable {
        case http
        /// Nothing: it resets each connection at the first bytes that come.
        case none
    }

    package let port: UInt16
    private let listener: Int32
    private let language: Language
    private let answer: @Sendable (Request) -> Answer
    private let state = Monitor(State())

    private struct State {
        var connections: Set<Int32> = []
        var isStopped = false
        var requests: [Request] = []
    }

    /// Starts a server on a free port.
    package init(
        _ language: Language = .http, answer: @escaping @Sendable (Request) -> Answer = { _ in .last([]) }
    ) {
        self.language = language
        self.answer = answer
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                precondition(bind(listener, address, length) == 0 && listen(listener, 128) == 0, "no loopback port")
                getsockname(listener, address, &length)
            }
            return UInt16(bigEndian: pointer.pointee.sin_port)
        }
        Thread.start("server") { self.accept() }?.detach()
    }

    package var url: String { "http://127.0.0.1:\(port)" }

    /// The requests so far.
    package var requests: [Request] { state.withLock { $0.requests } }

    /// Closes all connections, and takes no more.
    package func stop() {
        state.update { state in
            guard !state.isStopped else { return }
            state.isStopped = true
            for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
            shutdown(listener, Int32(SHUT_RDWR))
        }
    }

    private func accept() {
        defer { close(listener) }
        while true {
            let connection = Glibc.accept(listener, nil, nil)
            guard connection >= 0 else { return }
            let isStopped = state.update { state in
                if !state.isStopped { state.connections.insert(connection) }
                return state.isStopped
            }
            guard !isStopped, let thread = Thread.start("connection", { self.serve(connection) }) else {
                close(connection)
                continue
            }
            thread.detach()
        }
    }

    private func serve(_ connection: Int32) {
        defer {
            state.update { _ = $0.connections.remove(connection) }
            close(connection)
        }
        var input: [UInt8] = []
        guard language == .http else {
            var byte: UInt8 = 0
            _ = recv(connection, &byte, 1, 0)
            return Self.reset(connection)
        }
        while let request = read(connection, &input) {
            state.update { $0.requests.append(request) }
            switch answer(request) {
            case .bytes(let bytes):
                guard send(connection, bytes) else { return }
            case .last(let bytes):
                _ = send(connection, bytes)
                return
            case .reset(let bytes):
                _ = send(connection, bytes)
                return Self.reset(connection)
            case .stall(let bytes):
                _ = send(connection, bytes)
                _ = state.wait { $0.isStopped ? true : nil }
                return
            }
        }
    }

    /// Lets the end of a connection be a reset.
    private static func reset(_ connection: Int32) {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(connection, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
    }

    private func read(_ connection: Int32, _ input: inout [UInt8]) -> Request? {
        while true {
            if let request = Self.parse(&input) { return request }
            var block = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(connection, &block, block.count, 0)
            guard count > 0 else { return nil }
            input += block[..<count]
        }
    }

    /// Takes a whole request from what has come; `nil` if more must come first.
    private static func parse(_ input: inout [UInt8]) -> Request? {
        let blank: [UInt8] = [13, 10, 13, 10]
        guard let end = input.indices.first(where: { input[$0...].starts(with: blank) }) else { return nil }
        let lines = String(decoding: input[..<end], as: UTF8.self).split(separator: "\r\n").map(String.init)
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard input.count >= end + 4 + length else { return nil }
        let body = Array(input[(end + 4)..<(end + 4 + length)])
        input.removeFirst(end + 4 + length)
        return Request(line: lines.first ?? "", headers: headers, body: body)
    }

    private func send(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

extension LoopbackServer {
    /// A well-formed response.
    package static func response(
        _ status: String, _ headers: [String: String] = [:], _ body: [UInt8] = [], length: Int? = nil
    ) -> [UInt8] {
        var text = "HTTP/1.1 \(status)\r\nContent-Length: \(length ?? body.count)\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        return Array((text + "\r\n").utf8) + body
    }
}
