import Bytes
import Digests
import Storage
import Synchronization
package import Transport

/// A service that speaks S3, and who asks it: signs requests, sends them, and makes errors of refusals.
package final class S3Service: Sendable {
    package let endpoint: S3Endpoint
    package let credentials: any CredentialSource
    private let transport: any HTTPTransport
    let signature = SignatureV4()
    /// The regions of buckets, as far as the service told that they are elsewhere than was thought.
    private let regions = Mutex<[String: String]>([:])
    private let region: String
    /// What stands for credentials, if nobody has any.
    private let permissions: (any PermissionSource)?

    private static let emptyHash = Hex.string(Digest.sha256([]))

    /// Makes a service.
    ///
    /// - Parameters:
    ///   - endpoint: Where it is.
    ///   - region: The region that signatures name, until a bucket turns out to be elsewhere.
    ///   - credentials: Who asks; nobody if the source has none.
    ///   - permissions: If not `nil`, what may be done, whatever credentials there are.
    ///   - transport: Sends the requests.
    package init(
        endpoint: S3Endpoint, region: String, credentials: any CredentialSource,
        permissions: (any PermissionSource)? = nil, transport: any HTTPTransport
    ) {
        self.permissions = permissions
        self.endpoint = endpoint
        self.region = region
        self.credentials = credentials
        self.transport = transport
    }

    /// A request to the service.
    struct Call {
        var method: HTTPRequest.Method
        var bucket: String?
        var key: ObjectKey?
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var body: ByteSlice?
        /// For how long nothing may come or go; `nil` for as long as with most requests.
        var patience: Duration?

        /// For a request that lets the service work on bytes that it has, of which it may tell nothing meanwhile.
        static let working = Duration.seconds(300)
    }

    /// Sends a request and returns the response with its whole body.
    func send(_ call: Call) throws(StorageError) -> (HTTPResponse, body: [UInt8]) {
        var body: [UInt8] = []
        let response = try send(call) { _, part in
            body.append(contentsOf: part)
            return true
        }
        return (response, body)
    }

    /// Sends a request, and hands on the body of a response that is no refusal.
    ///
    /// If the service says that the bucket is in another region, it is asked again there, once.
    /// If it takes the credentials no longer, it is asked again with others, once, where there are others.
    ///
    /// - Throws: What the refusal means, or why there was no whole response.
    func send(
        _ call: Call, into sink: (HTTPResponse, UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> HTTPResponse {
        var mayMove = true
        var mayRenew = true
        // Whoever has permissions needs no credentials.
        var signer = permissions == nil ? try credentials.credentials() : nil
        while true {
            let (response, refusal) = try attempt(call, by: signer, into: sink)
            guard let refusal else { return response }
            if mayMove, let elsewhere = region(in: response, refusal), elsewhere != region(of: call.bucket) {
                regions.withLock { $0[call.bucket ?? ""] = elsewhere }
                mayMove = false
            } else if mayRenew, let old = signer, Self.isOutdated(old, call, response, refusal),
                let others = try credentials.credentials(insteadOf: old)
            {
                signer = others
                mayRenew = false
            } else {
                throw StorageError(response, body: refusal)
            }
        }
    }

    /// Whether a refusal may mean that the credentials were good once, and others have taken their place.
    private static func isOutdated(
        _ signer: Credentials, _ call: Call, _ response: HTTPResponse, _ refusal: [UInt8]
    ) -> Bool {
        guard [400, 401, 403].contains(response.status) else { return false }
        let code = XMLElement.parse(refusal)?["Code"]?.text
        // The answer to a HEAD has no word for it; Amazon's has this status.
        guard let code else {
            return call.method == .head && response.status == 400 && signer.sessionToken != nil
        }
        return ["ExpiredToken", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId"].contains(code)
    }

    /// Sends a request once; `refusal` is the body of a response with another status than 2xx.
    private func attempt(
        _ call: Call, by signer: Credentials?, into sink: (HTTPResponse, UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> (response: HTTPResponse, refusal: [UInt8]?) {
        let request = try signed(call, by: signer)
        var status = 0
        var head = HTTPResponse(status: 0)
        var refusal: [UInt8] = []
        let result: Result<HTTPResponse, TransportError> = withoutActuallyEscaping(sink) { sink in
            let receiver = HTTPReceiver(
                head: { response in
                    head = response
                    status = response.status
                    return true
                },
                body: { part in
                    if 200..<300 ~= status { return sink(head, part) }
                    // No document of an error is as long; a service that sends more is not read to the end.
                    refusal.append(contentsOf: part)
                    return refusal.count < 1 << 20
                })
            return Result { () throws(TransportError) in try transport.send(request, to: receiver) }
        }
        switch result {
        case .success(let response): return (response, 200..<300 ~= response.status ? nil : refusal)
        case .failure(let error): throw StorageError(error)
        }
    }

    /// A request that is signed already.
    private func permitted(
        _ call: Call, _ permissions: any PermissionSource
    ) throws(StorageError) -> HTTPRequest {
        guard let permission = Permission(call), let signature = permissions.signature(permission) else {
            throw StorageError(.accessDenied, "access denied: nothing permits this without credentials")
        }
        let region = region(of: call.bucket)
        let place = endpoint(in: region).place(bucket: call.bucket, key: call.key?.string)
        let query = permissions.claim.query(
            headers: permission.headers.map(\.name), region: region, signature: signature)
        return HTTPRequest(
            call.method, "\(endpoint.scheme)://\(place.host)\(place.path)?\(query)", headers: call.headers,
            body: call.body)
    }

    private func signed(_ call: Call, by signer: Credentials?) throws(StorageError) -> HTTPRequest {
        if let permissions { return try permitted(call, permissions) }
        let region = region(of: call.bucket)
        let place = endpoint(in: region).place(bucket: call.bucket, key: call.key?.string)
        let hash = call.body.map { $0.withUnsafeBytes { Hex.string(Digest.sha256($0)) } } ?? Self.emptyHash
        let headers = signature.headers(
            for: .init(
                method: call.method.rawValue, host: place.host, path: place.path, query: call.query,
                headers: call.headers, bodyHash: hash),
            by: signer, region: region, date: Dates.signing())
        let query = call.query.isEmpty ? "" : "?" + SignatureV4.queryString(call.query)
        return HTTPRequest(
            call.method, "\(endpoint.scheme)://\(place.host)\(place.path)\(query)", headers: headers, body: call.body,
            patience: call.patience)
    }

    /// Where the service is for buckets of a region.
    func endpoint(in region: String) -> S3Endpoint {
        endpoint.isRegional ? S3Endpoint(region: region, addressing: endpoint.addressing) : endpoint
    }

    func region(of bucket: String?) -> String {
        regions.withLock { $0[bucket ?? ""] } ?? region
    }

    /// The region in which a refusal says that the bucket is.
    private func region(in response: HTTPResponse, _ refusal: [UInt8]) -> String? {
        guard [301, 307, 400, 403].contains(response.status) else { return nil }
        let told = response.headers["x-amz-bucket-region"] ?? XMLElement.parse(refusal)?["Region"]?.text
        // A name of a region becomes part of a host's name.
        guard let told, !told.isEmpty, told.utf8.count < 64 else { return nil }
        return told.utf8.allSatisfy { 0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 || $0 == 0x2D } ? told : nil
    }
}
