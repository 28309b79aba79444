import Storage
import Transport

/// A request to a service that gives credentials.
struct CredentialRequest {
    let transport: any HTTPTransport
    /// The service, for people.
    let source: String

    /// The response's body; what is no success is an error that names the service and no secret.
    func send(
        _ method: HTTPRequest.Method, _ url: String, headers: [(name: String, value: String)] = []
    ) throws(StorageError) -> String {
        let (status, body) = try exchange(method, url, headers)
        guard status == 200 else { throw refusal(status, body) }
        return String(decoding: body, as: UTF8.self)
    }

    /// The response's body; `nil` if its status is one of those by which the service says that it has none.
    func find(
        _ method: HTTPRequest.Method, _ url: String, headers: [(name: String, value: String)], missing: [Int]
    ) throws(StorageError) -> String? {
        let (status, body) = try exchange(method, url, headers)
        guard !missing.contains(status) else { return nil }
        guard status == 200 else { throw refusal(status, body) }
        return String(decoding: body, as: UTF8.self)
    }

    private func exchange(
        _ method: HTTPRequest.Method, _ url: String, _ headers: [(name: String, value: String)]
    ) throws(StorageError) -> (status: Int, body: [UInt8]) {
        var body: [UInt8] = []
        let receiver = HTTPReceiver { part in
            body.append(contentsOf: part)
            return body.count < 1 << 20
        }
        do throws(TransportError) {
            let response = try transport.send(HTTPRequest(method, url, headers: headers), to: receiver)
            return (response.status, body)
        } catch {
            throw StorageError(.credentials, "\(source): \(error.message)", cause: error)
        }
    }

    private func refusal(_ status: Int, _ body: [UInt8]) -> StorageError {
        let said = XMLElement.parse(body)?["Error"]?["Code"]?.text
        return StorageError(.credentials, "\(source) refuses (\(status)\(said.map { " \($0)" } ?? ""))")
    }
}
