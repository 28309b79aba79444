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
        var body: [UInt8] = []
        let receiver = HTTPReceiver { part in
            body.append(contentsOf: part)
            return body.count < 1 << 20
        }
        let response: HTTPResponse
        do throws(TransportError) {
            response = try transport.send(HTTPRequest(method, url, headers: headers), to: receiver)
        } catch {
            throw StorageError(.credentials, "\(source): \(error.message)", cause: error)
        }
        guard response.status == 200 else {
            let said = XMLElement.parse(body)?["Error"]?["Code"]?.text
            throw StorageError(
                .credentials, "\(source) refuses (\(response.status)\(said.map { " \($0)" } ?? ""))")
        }
        return String(decoding: body, as: UTF8.self)
    }
}
