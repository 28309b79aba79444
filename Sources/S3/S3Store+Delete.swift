import Bytes
import Digests
package import Storage
import Synchronization
import Transport

extension S3Store {
    /// How many keys one request takes.
    private static let batch = 1000

    package func delete(_ keys: [ObjectKey]) throws(StorageError) -> [Undeleted] {
        var undeleted: [Undeleted] = []
        // No document of XML can hold some characters: such keys go one by one, and so does one alone.
        let writable = keys.filter { !$0.string.utf8.contains(where: XMLElement.isForbidden) }
        for start in stride(from: 0, to: writable.count, by: Self.batch) {
            undeleted += try deleteBatch(Array(writable[start..<min(start + Self.batch, writable.count)]))
        }
        guard writable.count < keys.count else { return undeleted }
        return try undeleted + deleteEach(keys.filter { $0.string.utf8.contains(where: XMLElement.isForbidden) })
    }

    private func deleteBatch(_ keys: [ObjectKey]) throws(StorageError) -> [Undeleted] {
        guard keys.count > 1, !lacksBatches.load(ordering: .relaxed) else { return try deleteEach(keys) }
        let document = ByteSlice(Self.document(keys).utf8)
        var call = S3Service.Call(method: .post, bucket: bucket)
        call.query = [("delete", "")]
        // Services refuse the request without it.
        call.headers = [
            ("Content-MD5", Base64.string(document.withUnsafeBytes { Digest.md5($0) })),
            ("Content-Type", "application/xml"),
        ]
        call.body = document
        do throws(StorageError) {
            let (response, body) = try service.send(call)
            guard !body.isEmpty else { throw StorageError(.unsupported, "the service deletes no batches") }
            guard let result = XMLElement.parse(body), result.name == "DeleteResult" else {
                throw StorageError(response, body: body)
            }
            return try Self.undeleted(result)
        } catch {
            guard error.code == .unsupported || error.code == .invalid else { throw error }
            lacksBatches.store(true, ordering: .relaxed)
            return try deleteEach(keys)
        }
    }

    /// A `Delete` document; the answer to it names only those that are still there.
    private static func document(_ keys: [ObjectKey]) -> String {
        var text = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
        for key in keys { text += "<Object><Key>\(XMLElement.escaped(key.string))</Key></Object>" }
        return text + "</Delete>"
    }

    private static func undeleted(_ result: XMLElement) throws(StorageError) -> [Undeleted] {
        var undeleted: [Undeleted] = []
        for element in result.all("Error") {
            guard let key = element["Key"]?.text else {
                throw StorageError(.corrupted, "the service does not tell which objects it did not delete")
            }
            let error = StorageError(code: element["Code"]?.text ?? "", status: 0)
            if error.code != .notFound { undeleted.append(Undeleted(key: ObjectKey(key), error: error)) }
        }
        return undeleted
    }
}
