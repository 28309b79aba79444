import Bytes
import ObjfsTesting
import S3
import Storage
import Synchronization
import Testing
import Threads
import Transport

/// A server that serves one object, and does something wrong with some of the requests.
private final class HostileServer: Sendable {
    enum Fault: CaseIterable {
        case none, status503, status500, status429, stall, short, reset, tooLong, wrongRange, wrongTotal, errorWith200
        case wholeObject, garbage, closed, otherVersion
    }

    let object: [UInt8]
    private let random: Mutex<SeededGenerator>
    private let faults: [Fault]

    init(_ object: [UInt8], _ faults: [Fault], seed: UInt64) {
        self.object = object
        self.faults = faults
        random = Mutex(SeededGenerator(seed: seed))
    }

    func answer(_ request: LoopbackServer.Request) -> LoopbackServer.Answer {
        let fault = random.withLock { random in faults.randomElement(using: &random) ?? .none }
        let range = (request.range ?? 0..<object.count).clamped(to: 0..<object.count)
        let body = Array(object[range])
        let tag = ["ETag": "\"v1\""]
        func part(_ body: [UInt8], first: Int? = nil, total: Int? = nil, length: Int? = nil) -> [UInt8] {
            let first = first ?? range.lowerBound
            let place = "bytes \(first)-\(first + range.count - 1)/\(total ?? object.count)"
            return LoopbackServer.response(
                "206 Partial", ["Content-Range": place, "ETag": "\"v1\""], body, length: length)
        }
        switch fault {
        case .none: return .bytes(part(body))
        case .status503: return .bytes(LoopbackServer.response("503 Slow", ["Retry-After": "0"], Array("<x".utf8)))
        case .status500: return .bytes(LoopbackServer.response("500 Oops"))
        case .status429: return .bytes(LoopbackServer.response("429 Slow"))
        case .stall: return .stall(Array(part(body).prefix(100 + body.count / 2)))
        case .short: return .last(part(Array(body.dropLast(1)), length: body.count))
        case .reset: return .reset(Array(part(body).prefix(100 + body.count / 3)))
        case .tooLong: return .last(part(body + [1, 2, 3], length: body.count + 3))
        case .wrongRange: return .bytes(part(body, first: range.lowerBound + 1))
        case .wrongTotal: return .bytes(part(body, total: max(range.upperBound - 1, 1)))
        case .errorWith200:
            let document = Array("<Error><Code>InternalError</Code></Error>".utf8)
            return .bytes(LoopbackServer.response("206 Partial", tag, document))
        case .wholeObject: return .bytes(LoopbackServer.response("200 OK", tag, object))
        case .garbage: return .last(Array("SSH-2.0-OpenSSH\r\n".utf8))
        case .closed: return .last([])
        case .otherVersion:
            return .bytes(LoopbackServer.response("200 OK", ["ETag": "\"v2\""], object.map { $0 ^ 0xFF }))
        }
    }
}

@Suite struct HostileServerTests {
    private func store(_ server: LoopbackServer, attempts: Int) throws -> RetryingStore {
        var options = CurlTransport.Options()
        options.stallTimeout = .seconds(1)
        let service = S3Service(
            endpoint: try #require(S3Endpoint(url: server.url)), region: "r", credentials: FixedCredentials(nil),
            transport: CurlTransport(options))
        let patience = Patience(attempts: attempts, firstPause: .milliseconds(1), longestPause: .milliseconds(5))
        return RetryingStore(S3Store(service, bucket: "b"), patience: patience)
    }

    @Test(arguments: [7, SeededGenerator.freshSeed])
    func `M3, M4: a read from a server that misbehaves brings the right bytes or fails, and never hangs`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let object = (0..<100_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        for fault in HostileServer.Fault.allCases {
            let hostile = HostileServer(object, [.none, .none, fault], seed: seed)
            let server = LoopbackServer { hostile.answer($0) }
            defer { server.stop() }
            let store = try store(server, attempts: 6)
            for _ in 0..<(fault == .stall ? 3 : 15) {
                let start = Int64.random(in: 0..<100_000, using: &random)
                let range = start..<min(start + Int64.random(in: 1...50_000, using: &random), 100_000)
                do {
                    let bytes = try store.read("k", range: range, ifVersion: ETag("v1"))
                    #expect(
                        bytes == Array(object[Int(range.lowerBound)..<Int(range.upperBound)]), "\(fault), seed \(seed)")
                } catch {
                    #expect(error.code != .notFound && error.code != .noSuchBucket, "\(fault), seed \(seed): \(error)")
                }
            }
        }
    }

    @Test func `a damaged listing is an error, and not a shorter one`() throws {
        let documents = [
            "", "<", "<ListBucketResult>", "<Error><Code>Oops</Code></Error>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><IsTruncated>True</IsTruncated></ListBucketResult>",
            "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>k</Key><Size>-5</Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>k</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Size>5</Size></Contents></ListBucketResult>",
            String(repeating: "<a>", count: 100_000),
        ]
        for document in documents {
            let server = LoopbackServer { _ in .bytes(LoopbackServer.response("200 OK", [:], Array(document.utf8))) }
            defer { server.stop() }
            let store = try store(server, attempts: 1)
            let error = #expect(throws: StorageError.self) { try store.list(ListingRequest()) }
            #expect(error?.code == .corrupted, "\(document.prefix(80))")
        }
    }

    /// Answers everything as a page that asks for a password does.
    private static let portal: [UInt8] = LoopbackServer.response(
        "200 OK", ["Content-Type": "text/html"], Array("<html><body>Welcome<br></body></html>".utf8))

    @Test func `W1, M4: an answer without a version is none, whatever its status`() throws {
        let server = LoopbackServer { request in
            .bytes(
                request.method == "HEAD"
                    ? LoopbackServer.response("200 OK", ["Content-Type": "text/html"], length: 40) : Self.portal)
        }
        defer { server.stop() }
        let store = try store(server, attempts: 2)
        func code(_ body: () throws -> Void) -> StorageError.Code? {
            (#expect(throws: StorageError.self) { try body() })?.code
        }
        #expect(code { _ = try store.info("k") } == .corrupted)
        #expect(code { _ = try store.info("folder/") } == .corrupted)
        #expect(code { _ = try store.read("k") } == .corrupted)
        #expect(code { _ = try store.read("k", range: 0..<5, ifVersion: ETag("v1")) } == .corrupted)
        #expect(code { _ = try store.write("k", [1]) } == .corrupted)
        #expect(code { _ = try store.write("folder/", []) } == .corrupted)
        #expect(code { _ = try store.writePart(1, of: Upload(key: "k", id: "1"), .empty) } == .corrupted)
        // Each was tried once more, and what was written was asked for.
        #expect(server.requests.count == 16)
    }

    @Test func `W6: a write whose answer had no version is not said to have met another client's`() throws {
        let count = Monitor(0)
        let server = LoopbackServer { _ in
            let number = count.update { count in
                count += 1
                return count
            }
            return .bytes(LoopbackServer.response(number == 1 ? "200 OK" : "412 Precondition Failed"))
        }
        defer { server.stop() }
        let store = try store(server, attempts: 3)
        let error = #expect(throws: StorageError.self) {
            try store.write("k", .empty, attributes: ObjectAttributes(), condition: .absent)
        }
        #expect(error?.code == .unavailable)
    }

    @Test func `W1: what is there is not written for a second time, though the answer named no version`() throws {
        let server = LoopbackServer { request in
            .bytes(
                request.method == "HEAD"
                    ? LoopbackServer.response("200 OK", ["ETag": "\"v1\""], length: 3)
                    : LoopbackServer.response("200 OK"))
        }
        defer { server.stop() }
        #expect(try store(server, attempts: 3).write("k", [1, 2, 3]).etag == ETag("v1"))
        #expect(server.requests.map(\.method) == ["PUT", "HEAD"])
    }

    @Test func `the marker of a folder may have no version, as with SeaweedFS, and a file an empty one`() throws {
        let server = LoopbackServer { request in
            let isMarker = request.target.hasSuffix("/")
            return .bytes(LoopbackServer.response("200 OK", isMarker ? [:] : ["ETag": "\"\""], isMarker ? [] : [7]))
        }
        defer { server.stop() }
        let store = try store(server, attempts: 1)
        #expect(try store.write("folder/", []).etag == ETag(""))
        #expect(try store.read("folder/") == [])
        #expect(try store.read("k") == [7])
    }

    @Test func `a listing that does not go on is an error, and does not go on for ever`() throws {
        let listing = """
            <ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>k</Key><Size>1</Size></Contents>\
            <NextContinuationToken>same</NextContinuationToken></ListBucketResult>
            """
        let uploads = """
            <ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>\
            <NextUploadIdMarker>1</NextUploadIdMarker></ListMultipartUploadsResult>
            """
        let parts = """
            <ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>\
            <Part><PartNumber>1</PartNumber><Size>1</Size><ETag>e</ETag></Part></ListPartsResult>
            """
        let count = Monitor(0)
        let server = LoopbackServer { request in
            let number = count.update { count in
                count += 1
                return count
            }
            guard number < 30 else { return .bytes(LoopbackServer.response("500 Enough")) }
            let isUploads = request.target.contains("uploads=")
            let document = request.target.contains("list-type") ? listing : isUploads ? uploads : parts
            return .bytes(LoopbackServer.response("200 OK", [:], Array(document.utf8)))
        }
        defer { server.stop() }
        let store = try store(server, attempts: 1)
        func code(_ body: () throws -> Void) -> StorageError.Code? {
            (#expect(throws: StorageError.self) { try body() })?.code
        }
        #expect(code { try store.eachPage(ListingRequest()) { _ in server.requests.count < 20 } } == .corrupted)
        #expect(server.requests.count == 2)
        #expect(code { _ = try store.uploads(prefix: "") } == .corrupted)
        #expect(code { _ = try store.parts(of: Upload(key: "k", id: "1")) } == .corrupted)
        #expect(server.requests.count == 6)
    }

    @Test(arguments: ["<IsTruncated>True</IsTruncated>", "<IsTruncated>TRUE</IsTruncated>", ""])
    func `a listing that says how it goes on does so, however it says that it does`(word: String) throws {
        let server = LoopbackServer { request in
            let isFirst = !request.target.contains("continuation-token")
            let (key, rest) = isFirst ? ("a", word + "<NextContinuationToken>t</NextContinuationToken>") : ("b", "")
            let document =
                "<ListBucketResult><Contents><Key>\(key)</Key><Size>1</Size></Contents>\(rest)</ListBucketResult>"
            return .bytes(LoopbackServer.response("200 OK", [:], Array(document.utf8)))
        }
        defer { server.stop() }
        var keys: [ObjectKey] = []
        try store(server, attempts: 1).eachPage(ListingRequest()) { page in
            keys += page.objects.map(\.key)
            return true
        }
        #expect(keys == ["a", "b"])
    }

    @Test(arguments: ["404 Not Found", "200 OK"])
    func `M3: a page of a proxy does not say that there is no such object, nor that it was deleted`(
        status: String
    ) throws {
        let page = Array("<html><body>Who are you?<br></body></html>".utf8)
        let answer = LoopbackServer.response(status, ["Content-Type": "text/html"], page)
        let server = LoopbackServer { _ in .bytes(answer) }
        defer { server.stop() }
        let store = try store(server, attempts: 1)
        let code: StorageError.Code = status == "200 OK" ? .corrupted : .unavailable
        let calls: [() throws -> Void] = [
            { _ = try store.read("k") }, { _ = try store.list(ListingRequest()) }, { try store.delete("k") },
            { try store.abort(Upload(key: "k", id: "1")) }, { _ = try store.delete(["k", "l"]) },
        ]
        for (number, call) in calls.enumerated() where status != "200 OK" || number != 3 {
            let error = #expect(throws: StorageError.self) { try call() }
            #expect(error?.code == code, "call \(number)")
        }
    }

    @Test func `M3: what a service says is not there is not there, with a document or without`() throws {
        let server = LoopbackServer { request in
            let document = request.method == "GET" ? " <Error><Code>NoSuchKey</Code></Error>" : ""
            return .bytes(LoopbackServer.response("404 Not Found", [:], Array(document.utf8)))
        }
        defer { server.stop() }
        let store = try store(server, attempts: 1)
        try store.delete("k")
        let error = #expect(throws: StorageError.self) { try store.read("k") }
        #expect(error?.code == .notFound)
    }

    /// A store whose server answers what makes it work with a document, and `HEAD` with an object of three bytes.
    private func working(
        attempts: Int, _ document: @escaping @Sendable (LoopbackServer.Request) -> String
    ) throws -> (store: RetryingStore, server: LoopbackServer) {
        let server = LoopbackServer { request in
            guard request.method != "HEAD" else {
                return .bytes(LoopbackServer.response("200 OK", ["ETag": "\"e-1\""], length: 3))
            }
            let body = Array(document(request).utf8)
            let isGone = body.starts(with: "<Error>".utf8)
            return .bytes(LoopbackServer.response(isGone ? "404 Not Found" : "200 OK", [:], body))
        }
        return try (store(server, attempts: attempts), server)
    }

    private let upload = Upload(key: "k", id: "1")
    private let parts = [UploadedPart(number: 1, etag: ETag("e"), size: 3)]

    @Test func `W8: blanks that keep the connection alive while the service works are no part of its answer`() throws {
        let (store, server) = try working(attempts: 1) { request in
            let name = request.method == "POST" ? "CompleteMultipartUpload" : "Copy"
            let kind = request.method == "POST" ? "" : request.target.contains("partNumber") ? "Part" : "Object"
            let element = "\(name)\(kind)Result"
            return " \n \r\n\t<?xml version=\"1.0\"?><\(element)><ETag>e</ETag></\(element)>"
        }
        defer { server.stop() }
        #expect(try store.copy("k", ifVersion: nil, to: "l", attributes: nil).size == 3)
        let part = try store.copyPart(1, of: upload, from: "k", range: 0..<3, ifVersion: ETag("e"))
        #expect(part.etag == ETag("e"))
        try store.complete(upload, parts, condition: .always)
    }

    @Test func `an answer that can't be read is no refusal`() throws {
        let (store, server) = try working(attempts: 2) { _ in "<html>" }
        defer { server.stop() }
        func code(_ body: () throws -> Void) -> StorageError.Code? {
            (#expect(throws: StorageError.self) { try body() })?.code
        }
        #expect(code { _ = try store.copy("k", ifVersion: nil, to: "l", attributes: nil) } == .corrupted)
        #expect(
            code { _ = try store.copyPart(1, of: upload, from: "k", range: 0..<3, ifVersion: ETag("e")) }
                == .corrupted)
        #expect(code { _ = try store.complete(upload, parts, condition: .always) } == .corrupted)
        #expect(server.requests.count == 6)
    }

    @Test func `W1: an upload whose end was answered by something unreadable is found whole`() throws {
        let count = Monitor(0)
        let (store, server) = try working(attempts: 3) { _ in
            let number = count.update { count in
                count += 1
                return count
            }
            return number == 1 ? "<html>" : "<Error><Code>NoSuchUpload</Code></Error>"
        }
        defer { server.stop() }
        #expect(try store.complete(upload, parts, condition: .always).object?.etag == ETag("e-1"))
    }

    @Test func `M2: a key that is not UTF-8 is told apart from the others of its page`() throws {
        let listing = """
            <ListBucketResult><EncodingType>url</EncodingType>\
            <Contents><Key>p/a%20b</Key><Size>1</Size></Contents>\
            <Contents><Key>p/b%FFd</Key><Size>1</Size></Contents>\
            <Contents><Key>p/c</Key><Size>1</Size></Contents>\
            <CommonPrefixes><Prefix>p/%E4/</Prefix></CommonPrefixes>\
            <CommonPrefixes><Prefix>p/%C3%A4/</Prefix></CommonPrefixes></ListBucketResult>
            """
        let server = LoopbackServer { _ in .bytes(LoopbackServer.response("200 OK", [:], Array(listing.utf8))) }
        defer { server.stop() }
        let store = try PrefixedStore(store(server, attempts: 1), prefix: "p")
        let page = try store.list(ListingRequest(isDelimited: true))
        #expect(page.objects.map(\.key) == ["a b", "c"])
        #expect(page.prefixes == ["\u{E4}/"])
        #expect(page.illegible == ["p/b%FFd", "p/%E4/"])
    }

    @Test func `W8: a service may take its time over bytes that it has, and over no others`() throws {
        let (store, server) = try working(attempts: 1) { request in
            Patience.sleep(.seconds(3))
            let name = request.method == "POST" ? "CompleteMultipartUpload" : "Copy"
            let kind = request.method == "POST" ? "" : request.target.contains("partNumber") ? "Part" : "Object"
            return "<\(name)\(kind)Result><ETag>e</ETag></\(name)\(kind)Result>"
        }
        defer { server.stop() }
        #expect(try store.copy("k", ifVersion: nil, to: "l", attributes: nil).size == 3)
        _ = try store.copyPart(1, of: upload, from: "k", range: 0..<3, ifVersion: ETag("e"))
        try store.complete(upload, parts, condition: .always)
        let error = #expect(throws: StorageError.self) { try store.read("k") }
        #expect(error?.code == .timedOut)
    }
}
