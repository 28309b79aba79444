import Bytes
import ObjfsTesting
import S3
import Storage
import Testing
import Threads
import Transport

/// A service that takes credentials no longer before they say that they expire.
@Suite struct ExpiryTests {
    /// Gives one set of credentials after the other.
    private final class Source: CredentialSource {
        let name = "the test"
        private let keys: Monitor<[String]>

        init(_ keys: [String]) { self.keys = Monitor(keys) }

        func credentials() throws(StorageError) -> Credentials? {
            let key = keys.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            return Credentials(accessKey: key, secretKey: "s", sessionToken: "t")
        }
    }

    private func withStore(
        _ keys: [String], code: String, _ body: (RetryingStore, LoopbackServer) throws -> Void
    ) throws {
        let server = LoopbackServer { request in
            guard request.headers["authorization"]?.contains("Credential=NEW/") == true else {
                let document = request.method == "HEAD" ? "" : "<Error><Code>\(code)</Code></Error>"
                return .bytes(LoopbackServer.response("400 Bad Request", [:], Array(document.utf8)))
            }
            let tag = ["ETag": "\"v1\""]
            guard request.target.hasSuffix("uploads=") else { return .bytes(LoopbackServer.response("200 OK", tag)) }
            let document = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            return .bytes(LoopbackServer.response("200 OK", [:], Array(document.utf8)))
        }
        defer { server.stop() }
        let service = S3Service(
            endpoint: try #require(S3Endpoint(url: server.url)), region: "r",
            credentials: RefreshingCredentials(Source(keys)), transport: CurlTransport())
        try body(RetryingStore(S3Store(service, bucket: "b")), server)
    }

    @Test(arguments: ["ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired"])
    func `U1, W1: an upload goes on with new credentials when the old ones are taken no longer`(code: String) throws {
        try withStore(["OLD", "NEW"], code: code) { store, server in
            let upload = try store.beginUpload("k", attributes: ObjectAttributes())
            let part = try store.writePart(1, of: upload, ByteSlice("content".utf8))
            #expect(part.etag == ETag("v1"))
            // Once for all: the second request knows the new ones.
            #expect(server.requests.map(\.method) == ["POST", "POST", "PUT"])
        }
        try withStore(["OLD", "NEW"], code: code) { store, _ in
            let info = try store.info("k")
            #expect(info.etag == ETag("v1"))
        }
    }

    @Test func `a service that takes no credentials at all is asked twice and not for ever`() throws {
        try withStore(["OLD", "OTHER"], code: "ExpiredToken") { store, server in
            let error = #expect(throws: StorageError.self) { try store.write("k", "x".utf8) }
            #expect(error?.code == .credentials)
            #expect(server.requests.count == 2)
        }
    }
}
