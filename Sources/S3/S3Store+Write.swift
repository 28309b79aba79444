package import Bytes
package import Storage
import Synchronization
import Threads
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
        call.headers = attributes.allHeaders + (condition.map { [$0] } ?? [])
        call.body = body
        let (response, _) = try service.send(call)
        if response.headers["etag"]?.isEmpty ?? true, !key.endsInSlash {
            // It may be there all the same, and must not be written for a second time then.
            guard let info = try? info(key), info.size == Int64(body.count) else {
                throw StorageError(.corrupted, "the service does not tell the version of the object")
            }
            return info.carrying(attributes)
        }
        return try ObjectInfo(key, response, size: Int64(body.count)).carrying(attributes)
    }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return try copyWhole(source, bucket, ifVersion: version, to: target, attributes)
        } catch {
            guard Self.mayBeTooLarge(error), let info = try? info(source), info.size > uploadLimits.largestPart else {
                throw error
            }
            return try copyInParts(
                info, bucket, to: target, attributes: attributes ?? info.attributes ?? ObjectAttributes())
        }
    }

    package var reference: BucketReference? { BucketReference(service: service, bucket: bucket) }

    @discardableResult
    package func copy(
        _ source: ObjectKey, of bucket: BucketReference, ifVersion version: ETag, to target: ObjectKey
    ) throws(StorageError) -> ObjectInfo {
        guard reference?.isNeighbour(of: bucket) == true else {
            throw StorageError(.unsupported, "the buckets are of two services")
        }
        do throws(StorageError) {
            return try copyWhole(source, bucket.bucket, ifVersion: version, to: target, nil)
        } catch {
            let other = S3Store(service, bucket: bucket.bucket)
            guard Self.mayBeTooLarge(error), let info = try? other.info(source), info.etag == version,
                info.size > uploadLimits.largestPart
            else { throw error }
            return try copyInParts(info, bucket.bucket, to: target, attributes: info.attributes ?? ObjectAttributes())
        }
    }

    /// One request copies so much and no more; services call what is larger by different names.
    private static func mayBeTooLarge(_ error: StorageError) -> Bool {
        error.code == .invalid || error.code == .noSpace
    }

    /// Copies with one request.
    private func copyWhole(
        _ source: ObjectKey, _ sourceBucket: String, ifVersion version: ETag?, to target: ObjectKey,
        _ attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        var call = S3Service.Call(method: .put, bucket: bucket, key: target)
        call.patience = S3Service.Call.working
        call.headers.append(("x-amz-copy-source", "/" + PercentEncoding.path(sourceBucket + "/" + source.string)))
        if let version { call.headers.append(("x-amz-copy-source-if-match", version.header)) }
        if let attributes {
            call.headers.append(("x-amz-metadata-directive", "REPLACE"))
            call.headers += attributes.allHeaders
        }
        do throws(StorageError) {
            let (response, body) = try service.send(call)
            // A copy takes its time, so its status is sent before it is known how it goes.
            guard let document = XMLElement.parse(body), document.name == "CopyObjectResult" else {
                throw StorageError(response, body: body)
            }
        } catch {
            throw error.code == .preconditionFailed ? .changed() : error
        }
        return try info(target)
    }

    /// How many bytes one request copies, and how many requests are made at a time.
    private static let (copied, copiers): (Int64, Int) = (1 << 30, 16)

    /// Copies with several requests at a time.
    ///
    /// - Parameter size: How many bytes each copies, as far as there are so many.
    package func copyInParts(
        _ source: ObjectInfo, _ sourceBucket: String, to target: ObjectKey, attributes: ObjectAttributes,
        by size: Int64 = copied
    ) throws(StorageError) -> ObjectInfo {
        let upload = try beginUpload(target, attributes: attributes)
        do throws(StorageError) {
            let starts = Array(stride(from: 0, to: source.size, by: Int64.Stride(size)))
            let parts = try WorkerPool("objfs-copy", limit: Self.copiers).each(Array(starts.enumerated())) {
                [self] (part) throws(StorageError) in
                try copyPart(
                    part.offset + 1, of: upload, from: source.key, sourceBucket,
                    range: part.element..<min(part.element + size, source.size), ifVersion: source.etag)
            }
            try complete(upload, parts, condition: .always)
        } catch {
            try? abort(upload)
            throw error
        }
        return try info(target).carrying(attributes)
    }
}

extension ObjectAttributes {
    /// The headers that tell a service what an object carries.
    var allHeaders: [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if let contentType { headers.append(("Content-Type", contentType)) }
        for (name, value) in self.headers.sorted(by: { $0.key < $1.key }) { headers.append((name, value)) }
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) { headers.append(("x-amz-meta-\(name)", value)) }
        return headers
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
