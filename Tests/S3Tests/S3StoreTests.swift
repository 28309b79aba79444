import Bytes
import ObjfsTesting
import S3
import Storage
import Testing
import Threads
import Transport

@Suite(.serialized) struct S3StoreTests {
    private func service(_ server: S3Server, secret: String? = nil) throws -> S3Service {
        let credentials = Credentials(accessKey: server.accessKey, secretKey: secret ?? server.secretKey)
        return S3Service(
            endpoint: try #require(S3Endpoint(url: server.url)), region: "us-east-1",
            credentials: FixedCredentials(credentials), transport: CurlTransport())
    }

    @Test func `a bucket of Ceph keeps the promises of a store`() throws {
        let server = try CephCluster.shared()
        try makeBucket("conformance", server)
        try makeBucket("neighbour", server)
        let service = try service(server)
        try StoreConformance(
            S3Store(service, bucket: "conformance"), limits: [.ignoresCopyConditions],
            neighbour: S3Store(service, bucket: "neighbour")
        ).check()
    }

    @Test func `W8: what is too large for one request is copied in parts, with all that it carries`() throws {
        let server = try CephCluster.shared()
        try makeBucket("large-copies", server)
        let store = S3Store(try service(server), bucket: "large-copies")
        let bytes = (0..<(12 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 16) }
        let attributes = ObjectAttributes(contentType: "text/plain", metadata: ["mode": "33188"])
        let source = try store.write("a b/ü", ByteSlice(bytes), attributes: attributes, condition: .always)
        let copy = try store.copyInParts(source, "large-copies", to: "copy", attributes: attributes, by: 5 << 20)
        #expect(copy.size == source.size)
        #expect(try store.read("copy") == bytes)
        let carried = try store.info("copy").attributes
        #expect(carried?.contentType == "text/plain" && carried?.metadata["mode"] == "33188")
        let gone = ObjectInfo(key: "gone", size: 12 << 20, etag: source.etag, modified: source.modified)
        #expect(throws: StorageError.self) {
            try store.copyInParts(gone, "large-copies", to: "copy", attributes: attributes, by: 5 << 20)
        }
        #expect(try store.uploads(prefix: "").isEmpty)
        #expect(try store.read("copy") == bytes)
    }

    @Test func `a bucket of rclone keeps those that rclone can`() throws {
        let folder = TemporaryFolder()
        folder.makeFolder("buckets/conformance")
        folder.makeFolder("buckets/neighbour")
        let server = try S3Server.rclone(folder.path + "/buckets", log: folder.path + "/log")
        defer { server.stop() }
        let service = try service(server)
        let store = RetryingStore(S3Store(service, bucket: "conformance"))
        try StoreConformance(
            store,
            limits: [
                .isFileSystem, .ignoresWriteConditions, .losesMetadata, .listsUnsorted, .replacesNoParts,
                .copiesNoParts, .ignoresCopyConditions,
            ], neighbour: RetryingStore(S3Store(service, bucket: "neighbour"))
        )
        .check()
    }

    @Test func `a bucket of moto keeps the promises of a store`() throws {
        let folder = TemporaryFolder()
        let server = try S3Server.moto(log: folder.path + "/log")
        defer { server.stop() }
        try makeBucket("conformance", server)
        try makeBucket("neighbour", server)
        let service = try service(server)
        try StoreConformance(
            RetryingStore(S3Store(service, bucket: "conformance")), limits: [.ignoresCopyConditions],
            neighbour: RetryingStore(S3Store(service, bucket: "neighbour"))
        ).check()
    }

    /// Makes a bucket by a plain request, for objfs makes none.
    private func makeBucket(_ name: String, _ server: S3Server) throws {
        let store = S3Store(try service(server), bucket: name)
        try store.create()
    }

    @Test func `more keys than a page holds are listed, each once`() throws {
        let server = try CephCluster.shared()
        try makeBucket("pages", server)
        let store = RetryingStore(S3Store(try service(server), bucket: "pages"))
        let pool = WorkerPool("put", limit: 16)
        let done = Monitor(0)
        for number in 0..<1_203 {
            pool.submit {
                _ = try? store.write(ObjectKey("k\(number)"), [1])
                done.update { $0 += 1 }
            }
        }
        _ = done.wait { $0 == 1_203 ? true : nil }
        var keys: [ObjectKey] = []
        try store.eachPage(ListingRequest()) { page in
            keys += page.objects.map(\.key)
            return true
        }
        #expect(keys == (0..<1_203).map { ObjectKey("k\($0)") }.sorted())
        #expect(try S3Account(service(server)).buckets().map(\.name).contains("pages"))
    }

    @Test func `M3: a bucket, a key and a secret that are wrong are told apart`() throws {
        let server = try CephCluster.shared()
        try makeBucket("errors", server)
        func code(_ body: () throws -> Void) -> StorageError.Code? {
            (#expect(throws: StorageError.self) { try body() })?.code
        }
        let right = try service(server)
        #expect(code { _ = try S3Store(right, bucket: "errors").info("absent") } == .notFound)
        #expect(code { _ = try S3Store(right, bucket: "nobucket").info("absent") } == .noSuchBucket)
        #expect(code { _ = try S3Store(right, bucket: "nobucket").read("absent") } == .noSuchBucket)
        #expect(code { _ = try S3Store(right, bucket: "nobucket").list(ListingRequest()) } == .noSuchBucket)
        let wrong = try service(server, secret: "wrong")
        #expect(code { _ = try S3Store(wrong, bucket: "errors").list(ListingRequest()) } == .credentials)
        #expect(code { _ = try S3Store(wrong, bucket: "errors").info("absent") } == .accessDenied)
    }
}

@Suite struct DeletingTests {
    private func store(_ server: LoopbackServer) throws -> RetryingStore {
        let service = S3Service(
            endpoint: try #require(S3Endpoint(url: server.url)), region: "us-east-1",
            credentials: FixedCredentials(Credentials(accessKey: "a", secretKey: "s")), transport: CurlTransport())
        return RetryingStore(S3Store(service, bucket: "b"))
    }

    @Test func `of many that are deleted, those are tried again that may go later, and no others`() throws {
        let server = LoopbackServer { request in
            let isFirst = request.body.count > 0 && String(decoding: request.body, as: UTF8.self).contains("one")
            let errors = [("two", "InternalError"), ("three", "SlowDown"), ("four", "AccessDenied")].map {
                "<Error><Key>\($0.0)</Key><Code>\($0.1)</Code></Error>"
            }
            let document = "<DeleteResult>\(isFirst ? errors.joined() : "")</DeleteResult>"
            return .bytes(LoopbackServer.response("200 OK", [:], Array(document.utf8)))
        }
        defer { server.stop() }
        let undeleted = try store(server).delete(["one", "two", "three", "four"])
        #expect(undeleted.map(\.key) == ["four"] && undeleted.first?.error.code == .accessDenied)
        let asked = server.requests.map { String(decoding: $0.body, as: UTF8.self) }
        #expect(asked.count == 2 && asked[1].contains("two") && asked[1].contains("three"), "\(asked)")
        #expect(!asked[1].contains("one") && !asked[1].contains("four"), "\(asked)")
    }

    @Test func `a service that deletes no batches is asked for each, and is not asked twice whether it does`() throws {
        let server = LoopbackServer { request in
            let status = request.method == "POST" ? "405 Method Not Allowed" : "204 No Content"
            let refusal = request.method == "POST" ? "<Error><Code>MethodNotAllowed</Code></Error>" : ""
            return .bytes(LoopbackServer.response(status, [:], Array(refusal.utf8)))
        }
        defer { server.stop() }
        let store = try store(server)
        for _ in 0..<2 { #expect(try store.delete(["one", "two"]).isEmpty) }
        #expect(server.requests.map(\.method) == ["POST", "DELETE", "DELETE", "DELETE", "DELETE"])
    }
}

@Suite struct RegionTests {
    @Test func `a bucket in another region is asked for there, and no third place`() throws {
        let server = LoopbackServer { request in
            if request.headers["authorization"]?.contains("/eu-north-9/") == true {
                return .bytes(LoopbackServer.response("200 OK", ["ETag": "\"e\""], [7]))
            }
            return .bytes(LoopbackServer.response("301 Moved", ["x-amz-bucket-region": "eu-north-9"]))
        }
        defer { server.stop() }
        let service = S3Service(
            endpoint: try #require(S3Endpoint(url: server.url)), region: "us-east-1",
            credentials: FixedCredentials(Credentials(accessKey: "a", secretKey: "s")), transport: CurlTransport())
        let store = S3Store(service, bucket: "b")
        #expect(try store.read("k") == [7])
        #expect(try store.read("k") == [7])
        #expect(server.requests.count == 3)
    }
}
