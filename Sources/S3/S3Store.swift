package import Storage
import Synchronization
import Transport

/// A bucket of a service that speaks S3.
package final class S3Store: ObjectStore {
    let service: S3Service
    let bucket: String
    /// Whether the service has answered as it only can if the bucket is there.
    private let isBucketKnown = Atomic(false)
    /// Whether the service compares versions without quotation marks, as Ceph did before its release 17.
    let comparesUnquoted = Atomic(false)
    /// Whether the service has refused to delete many objects with one request.
    let lacksBatches = Atomic(false)

    package init(_ service: S3Service, bucket: String) {
        self.service = service
        self.bucket = bucket
    }

    package var name: String { "s3://\(bucket)" }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            let response = try service.send(.init(method: .head, bucket: bucket, key: key)) { _, _ in true }
            noteBucket()
            return try ObjectInfo(key, response)
        } catch {
            throw try explained(error)
        }
    }

    package func delete(_ key: ObjectKey) throws(StorageError) {
        do throws(StorageError) {
            let (response, body) = try service.send(.init(method: .delete, bucket: bucket, key: key))
            // A service has nothing to say then; a proxy may have a page.
            guard body.isEmpty || XMLElement.parse(body) != nil else { throw StorageError(response, body: body) }
        } catch {
            guard error.code == .notFound else { throw error }
        }
    }

    /// Remembers that the bucket is there.
    func noteBucket() { isBucketKnown.store(true, ordering: .relaxed) }

    /// Tells a missing bucket from a missing object, which the answer to a HEAD does not.
    private func explained(_ error: StorageError) throws(StorageError) -> StorageError {
        guard error.code == .notFound, !isBucketKnown.load(ordering: .relaxed) else { return error }
        // This throws that there is no such bucket, if there is none.
        _ = try list(ListingRequest(limit: 1))
        return error
    }
}

extension ObjectInfo {
    /// What the headers of a response tell of an object.
    init(_ key: ObjectKey, _ response: HTTPResponse, size: Int64? = nil) throws(StorageError) {
        guard let size = size ?? response.headers["content-length"].flatMap({ Int64($0) }), size >= 0 else {
            throw StorageError(.corrupted, "the service does not tell the size of the object")
        }
        let prefix = "x-amz-meta-"
        var metadata: [String: String] = [:]
        for (name, value) in response.headers where name.hasPrefix(prefix) {
            metadata[String(name.dropFirst(prefix.count))] = value
        }
        var attributes = ObjectAttributes(contentType: response.headers["content-type"], metadata: metadata)
        for name in ObjectAttributes.handedOn { attributes.headers[name] = response.headers[name] }
        let etag = try ETag(of: key, response)
        self.init(
            key: key, size: size, etag: etag,
            // The answer to a write tells only when it was given.
            modified: (response.headers["last-modified"] ?? response.headers["date"]).flatMap { Dates.http($0) }
                ?? Timestamp(nanoseconds: 0),
            attributes: attributes)
        contentMD5 = Self.contentMD5(etag, response)
    }

    /// The MD5 that a version is, unless the object was encrypted with a key of its own, or written in parts.
    private static func contentMD5(_ etag: ETag, _ response: HTTPResponse) -> [UInt8]? {
        let encryption = response.headers["x-amz-server-side-encryption"] ?? "AES256"
        guard encryption == "AES256", response.headers["x-amz-server-side-encryption-customer-algorithm"] == nil
        else { return nil }
        return etag.md5
    }
}

extension ETag {
    /// A version as HTTP and XML write it: in quotation marks, or without.
    init(header: String) {
        let text = header.hasPrefix("W/") ? header.dropFirst(2) : header[...]
        let isQuoted = text.utf8.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"")
        self.init(String(isQuoted ? text.dropFirst().dropLast() : text))
    }

    /// The version that a response names.
    ///
    /// Who names none is no store of objects, but for example a proxy that answers everything with a page of its own.
    /// Only an answer about the marker of a folder, which is empty, may lack it: SeaweedFS leaves it out there.
    /// A version without a character is one: rclone gives it to files whose MD5 it does not know.
    init(of key: ObjectKey, _ response: HTTPResponse) throws(StorageError) {
        let header = response.headers["etag"] ?? ""
        let isMarker = key.endsInSlash && response.headers["content-length"] == "0"
        guard !header.isEmpty || isMarker else {
            throw StorageError(.corrupted, "the service does not tell the version of the object")
        }
        self.init(header: header)
    }

    /// The version as HTTP writes it.
    var header: String { "\"\(string)\"" }
}
