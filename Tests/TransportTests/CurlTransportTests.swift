import Bytes
import ObjfsTesting
import Testing
import Threads
import Transport

@Suite struct CurlTransportTests {
    private func get(
        _ server: LoopbackServer, _ transport: CurlTransport = CurlTransport(), _ path: String = "/"
    ) throws -> (HTTPResponse, [UInt8]) {
        let body = Monitor<[UInt8]>([])
        let response = try transport.send(
            HTTPRequest(.get, server.url + path),
            to: HTTPReceiver { part in
                body.withLock { $0 += part }
                return true
            })
        return (response, body.withLock { $0 })
    }

    private func failure(_ answer: LoopbackServer.Answer) -> TransportError? {
        let server = LoopbackServer { _ in answer }
        defer { server.stop() }
        var options = CurlTransport.Options()
        options.stallTimeout = .seconds(1)
        return #expect(throws: TransportError.self) { try get(server, CurlTransport(options)) }
    }

    @Test func `a request goes out as it was given, and its response comes in whole`() throws {
        let server = LoopbackServer { request in
            .bytes(LoopbackServer.response("201 Made", ["X-Name": "  a: b "], request.body + Array("!".utf8)))
        }
        defer { server.stop() }
        let body = Monitor<[UInt8]>([])
        let response = try CurlTransport().send(
            HTTPRequest(
                .put, server.url + "/a/../b%20c?x=%2F&y", headers: [("X-Empty", ""), ("X-A", "1")],
                body: ByteSlice("hello".utf8)),
            to: HTTPReceiver { part in
                body.withLock { $0 += part }
                return true
            })
        #expect(response.status == 201)
        #expect(response.headers["x-name"] == "a: b")
        #expect(body.withLock { $0 } == Array("hello!".utf8))
        let request = try #require(server.requests.first)
        #expect(request.line == "PUT /a/../b%20c?x=%2F&y HTTP/1.1")
        #expect(request.headers["x-empty"] == "")
        #expect(request.headers["x-a"] == "1")
        #expect(request.headers["expect"] == nil)
        #expect(request.headers["content-type"] == nil)
    }

    @Test(arguments: [HTTPRequest.Method.put, .post])
    func `a request without a body says that it has none`(method: HTTPRequest.Method) throws {
        let server = LoopbackServer { _ in .bytes(LoopbackServer.response("200 OK")) }
        defer { server.stop() }
        _ = try CurlTransport().send(HTTPRequest(method, server.url), to: HTTPReceiver { _ in true })
        #expect(server.requests.first?.headers["content-length"] == "0")
    }

    @Test func `a HEAD has no body, whatever length it tells`() throws {
        let server = LoopbackServer { _ in .bytes(LoopbackServer.response("200 OK", length: 12345)) }
        defer { server.stop() }
        let response = try CurlTransport().send(HTTPRequest(.head, server.url), to: HTTPReceiver { _ in true })
        #expect(response.headers["content-length"] == "12345")
    }

    @Test func `many callers share the connections, and each gets its own answer`() throws {
        let server = LoopbackServer { .bytes(LoopbackServer.response("200 OK", [:], Array($0.target.utf8))) }
        defer { server.stop() }
        let transport = CurlTransport()
        let right = Monitor(0)
        let threads = (0..<16).compactMap { thread in
            Thread.start("caller") {
                for number in 0..<25 {
                    let path = "/\(thread)/\(number)"
                    if (try? get(server, transport, path).1) == Array(path.utf8) { right.update { $0 += 1 } }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(right.withLock { $0 } == 400)
    }

    @Test func `a connection that was closed without a word is not an error`() throws {
        let server = LoopbackServer { _ in .last(LoopbackServer.response("200 OK", [:], [1])) }
        defer { server.stop() }
        let transport = CurlTransport()
        for _ in 0..<20 { #expect(try get(server, transport).1 == [1]) }
    }

    @Test(arguments: HTTPRequest.Method.allCases, [nil, "If-Match", "If-None-Match"])
    func `W6: what may have been carried out is sent again only where that does no harm`(
        method: HTTPRequest.Method, condition: String?
    ) throws {
        let lost = Monitor(false)
        let server = LoopbackServer { request in
            // As if the server, or something before it, died while it answered on a kept connection.
            let isFirst = lost.update { lost in
                defer { lost = lost || request.target == "/lost" }
                return !lost && request.target == "/lost"
            }
            return isFirst ? .last([]) : .bytes(LoopbackServer.response("200 OK"))
        }
        defer { server.stop() }
        let transport = CurlTransport()
        _ = try get(server, transport)
        let body = method == .put || method == .post ? ByteSlice("body".utf8) : nil
        let request = HTTPRequest(
            method, server.url + "/lost", headers: condition.map { [($0, "*")] } ?? [], body: body)
        let isRepeated = method != .post && (method != .put || condition == nil)
        if isRepeated {
            #expect(try transport.send(request, to: HTTPReceiver { _ in true }).status == 200)
        } else {
            let failure = #expect(throws: TransportError.self) {
                try transport.send(request, to: HTTPReceiver { _ in true })
            }
            #expect(failure?.code == .interrupted)
        }
        #expect(server.requests.count { $0.target == "/lost" } == (isRepeated ? 2 : 1))
    }

    @Test func `a response that is not whole is an error`() {
        let half = LoopbackServer.response("200 OK", [:], [UInt8](repeating: 1, count: 1000), length: 2000)
        #expect(failure(.last(half))?.code == .interrupted)
        #expect(failure(.reset(half))?.code == .interrupted)
        #expect(failure(.stall(half))?.code == .timedOut)
        #expect(failure(.stall([]))?.code == .timedOut)
        #expect(failure(.last([]))?.code == .interrupted)
        #expect(failure(.last(Array("what is this\r\n\r\n".utf8)))?.code == .malformed)
    }

    @Test func `M3: a handshake that is cut off is a connection that broke, and no certificate to distrust`() {
        let server = LoopbackServer(.none)
        defer { server.stop() }
        let url = "https\(server.url.dropFirst(4))"
        let error = #expect(throws: TransportError.self) {
            _ = try CurlTransport().send(HTTPRequest(.get, url), to: HTTPReceiver { _ in true })
        }
        #expect(error?.code == .interrupted)
    }

    @Test func `what comes after the promised length is not handed on`() throws {
        let server = LoopbackServer { _ in .last(LoopbackServer.response("200 OK", [:], [1, 2, 3, 4], length: 2)) }
        defer { server.stop() }
        #expect(try get(server).1 == [1, 2])
    }

    @Test func `a receiver can end the exchange, by its head or in its body`() {
        let server = LoopbackServer { _ in
            .bytes(LoopbackServer.response("200 OK", [:], [UInt8](repeating: 1, count: 100_000)))
        }
        defer { server.stop() }
        for receiver in [HTTPReceiver(head: { _ in false }, body: { _ in true }), HTTPReceiver { _ in false }] {
            let error = #expect(throws: TransportError.self) {
                _ = try CurlTransport().send(HTTPRequest(.get, server.url), to: receiver)
            }
            #expect(error?.code == .cancelled)
        }
    }

    @Test func `nobody there, and nobody known, are told apart`() {
        let server = LoopbackServer { _ in .last([]) }
        server.stop()
        for (url, code) in [(server.url, TransportError.Code.notConnected), ("http://nowhere.invalid/", .unknownHost)] {
            let error = #expect(throws: TransportError.self) {
                _ = try CurlTransport().send(HTTPRequest(.get, url), to: HTTPReceiver { _ in true })
            }
            // A host name may also be unresolvable because nothing can be resolved at all.
            #expect(error?.code == code)
        }
    }

    @Test(arguments: ["http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "ftp://127.0.0.1/", "nonsense"])
    func `a URL that can't be sent is refused`(url: String) {
        #expect(throws: TransportError.self) {
            _ = try CurlTransport().send(HTTPRequest(.get, url), to: HTTPReceiver { _ in true })
        }
    }

    @Test func `a header can't smuggle in another one`() {
        let error = #expect(throws: TransportError.self) {
            let request = HTTPRequest(.get, "http://127.0.0.1/", headers: [("X-A", "1\r\nX-B: 2")])
            _ = try CurlTransport().send(request, to: HTTPReceiver { _ in true })
        }
        #expect(error?.code == .invalid)
    }
}
