package import Bytes
package import Storage
import Synchronization
import Transport

extension S3Store {
    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        switch condition {
        case .always: return try put(key, body, attributes, condition: nil)
        case .absent: return try put(key, body, attributes, condition: ("If-None-Match", "*"))
        case .unchanged(let version):
            return try put(key, body, attributes, ifVersion: version)
        }
    }

    /// Replaces a version; Ceph before its release 17 compares without the quotation marks, and is asked again so.
    private func put(
        _ key: ObjectKey, _ body: ByteSlice, _ attributes: ObjectAttributes, ifVersion version: ETag
    ) throws(StorageError) -> ObjectInfo {
        let isUnquoted = comparesUnquoted.load(ordering: .relaxed)
        let spellings = isUnquoted ? [version.string, version.header] : [version.header, version.string]
        do throws(StorageError) {
            return try put(key, body, attributes, condition: ("If-Match", spellings[0]))
        } catch {
            guard error.code == .preconditionFailed, let info = try? info(key), info.etag == version else {
                throw error
            }
            let written = try put(key, body, attributes, condition: ("If-Match", spellings[1]))
            comparesUnquoted.store(!isUnquoted, ordering: .relaxed)
            return written
        }
    }

    private func put(
        _ key: ObjectKey, _ body: ByteSlice, _ attributes: ObjectAttributes, condition: (String, String)?
    ) throws(StorageError) -> ObjectInfo {
        var call = S3Service.Call(method: .put, bucket: bucket, key: key)
        call.headers = attributes.headers + (condition.map { [$0] } ?? [])
        call.body = body
        let (response, _) = try service.send(call)
        return try ObjectInfo(key, response, size: Int64(body.count)).carrying(attributes)
    }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        var call = S3Service.Call(method: .put, bucket: bucket, key: target)
        call.headers.append(("x-amz-copy-source", "/" + PercentEncoding.path(bucket + "/" + source.string)))
        if let version { call.headers.append(("x-amz-copy-source-if-match", version.header)) }
        if let attributes {
            call.headers.append(("x-amz-metadata-directive", "REPLACE"))
            call.headers += attributes.headers
        }
        do throws(StorageError) {
            let (response, body) = try service.send(call)
            // A copy takes its time, so its status is sent before it is known how it goes.
            guard let document = XMLElement.parse(body), document.name == "CopyObjectResult" else {
                throw StorageError(response, body: body)
            }
            return try info(target)
        } catch {
            guard error.code != .preconditionFailed else { throw .changed() }
            // One request copies so much and no more; services call what is larger by different names.
            guard error.code == .invalid || error.code == .noSpace, let info = try? info(source),
                info.size > uploadLimits.largestPart
            else {
                throw error
            }
            return try copyInParts(info, to: target, attributes: attributes ?? info.attributes ?? ObjectAttributes())
        }
    }

    private func copyInParts(
        _ source: ObjectInfo, to target: ObjectKey, attributes: ObjectAttributes
    ) throws(StorageError) -> ObjectInfo {
        let upload = try beginUpload(target, attributes: attributes)
        do throws(StorageError) {
            var parts: [UploadedPart] = []
            for start in stride(from: 0, to: source.size, by: 1 << 30) {
                let range = start..<min(start + (1 << 30), source.size)
                parts.append(
                    try copyPart(parts.count + 1, of: upload, from: source.key, range: range, ifVersion: source.etag))
            }
            return try complete(upload, parts, condition: .always).carrying(attributes)
        } catch {
            try? abort(upload)
            throw error
        }
    }
}

extension ObjectAttributes {
    /// The headers that tell a service what an object carries.
    var headers: [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if let contentType { headers.append(("Content-Type", contentType)) }
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) { headers.append(("x-amz-meta-\(name)", value)) }
        return headers
    }
}

extension ObjectInfo {
    fileprivate func carrying(_ attributes: ObjectAttributes) -> ObjectInfo {
        ObjectInfo(key: key, size: size, etag: etag, modified: modified, attributes: attributes)
    }
}

extension S3Store {
    /// Makes the bucket; one that is this owner's already is made.
    ///
    /// The corresponding S3 operation is `CreateBucket`.
    package func create() throws(StorageError) {
        do throws(StorageError) {
            _ = try service.send(.init(method: .put, bucket: bucket))
        } catch {
            guard error.message.contains("BucketAlreadyOwnedByYou") else { throw error }
        }
    }
}
