import S3
import Testing

@Suite struct SignatureV4Tests {
    private let credentials = Credentials(
        accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    private let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    /// The examples of AWS's reference, "Examples: Signature Calculations", of the 24th of May 2013.
    @Test func `a ranged GET is signed as AWS's example`() {
        let request = SignatureV4.Request(
            method: "GET", host: "examplebucket.s3.amazonaws.com", path: "/test.txt",
            headers: [("range", "bytes=0-9")], bodyHash: empty)
        let headers = SignatureV4().headers(
            for: request, by: credentials, region: "us-east-1", date: "20130524T000000Z")
        #expect(
            headers.last?.value.hasSuffix(
                "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                    + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41") == true)
    }

    @Test func `a URL is signed as AWS's example`() {
        let request = SignatureV4.Request(
            method: "GET", host: "examplebucket.s3.amazonaws.com", path: "/test.txt", bodyHash: "")
        let query = SignatureV4().query(
            for: request, by: credentials, region: "us-east-1", date: "20130524T000000Z", seconds: 86_400)
        #expect(
            query == "X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                + "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    }

    @Test func `a PUT with metadata is signed as AWS's example`() {
        let request = SignatureV4.Request(
            method: "PUT", host: "examplebucket.s3.amazonaws.com", path: "/test%24file.text",
            headers: [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            bodyHash: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
        let headers = SignatureV4().headers(
            for: request, by: credentials, region: "us-east-1", date: "20130524T000000Z")
        #expect(
            headers.last?.value.hasSuffix(
                "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd") == true)
    }

    @Test func `a listing is signed as AWS's example`() {
        let request = SignatureV4.Request(
            method: "GET", host: "examplebucket.s3.amazonaws.com", path: "/",
            query: [("prefix", "J"), ("max-keys", "2")], bodyHash: empty)
        let headers = SignatureV4().headers(
            for: request, by: credentials, region: "us-east-1", date: "20130524T000000Z")
        #expect(
            headers.last?.value.hasSuffix(
                "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7") == true)
    }

    @Test func `U2: credentials don't show their secrets`() {
        let secret = Credentials(accessKey: "AK", secretKey: "verysecret", sessionToken: "alsosecret")
        for text in ["\(secret)", String(reflecting: secret), "\(Optional(secret) as Any)"] {
            #expect(!text.contains("secret"))
        }
    }

    @Test func `without credentials nothing is signed`() {
        let request = SignatureV4.Request(method: "GET", host: "h", path: "/", bodyHash: empty)
        let headers = SignatureV4().headers(for: request, by: nil, region: "r", date: "20130524T000000Z")
        #expect(headers.map(\.name) == ["x-amz-content-sha256"])
    }
}

@Suite struct S3EndpointTests {
    @Test(arguments: [
        ("http://127.0.0.1:9000", true), ("http://localhost/", true), ("http://[::1]:80", true),
        ("http://127.evil.com", false), ("http://127.0.0.1.evil.com", false), ("https://s3.example.com/base/", false),
    ])
    func `X2: only an address of this machine is loopback`(url: String, isLoopback: Bool) throws {
        #expect(try #require(S3Endpoint(url: url)).isLoopback == isLoopback)
    }

    @Test(arguments: [
        ("https://user:SECRET@host:1/base", "https://...@host:1/base"), ("HTTP://SECRET@host", "http://...@host"),
        ("https://user:SEC@RET@host", "https://...@host"), ("https://user:SEC/?RET@host", "https://...@host"),
        ("user:SECRET@host", "...@host"), ("https:/user:SECRET@host", "...@host"),
        ("https://host?token=SECRET", "https://host"), ("https://host/base", "https://host/base"), ("", ""),
    ])
    func `U2: an address in a message has no password`(url: String, shown: String) {
        #expect(S3Endpoint.shown(url) == shown)
    }

    @Test(arguments: ["", "s3.example.com", "ftp://x", "http://", "http://user@host", "http://h/?q", "http://h o"])
    func `what is no address of a service is refused`(url: String) {
        #expect(S3Endpoint(url: url) == nil)
    }
}
