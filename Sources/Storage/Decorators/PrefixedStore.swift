package import Bytes

/// The part of a bucket whose keys begin with a prefix, as if it were a bucket: its keys lack the prefix.
package struct PrefixedStore: ObjectStore {
    private let base: any ObjectStore
    private let prefix: String

    /// Makes the part; a prefix that does not end in `/` gets one.
    package init(_ base: any ObjectStore, prefix: String) {
        self.base = base
        self.prefix = prefix.isEmpty || prefix.hasSuffix("/") ? prefix : prefix + "/"
    }

    package var name: String { base.name + "/" + prefix.dropLast() }
    package var sinkMayBlock: Bool { base.sinkMayBlock }

    private func outer(_ key: ObjectKey) -> ObjectKey { ObjectKey(prefix + key.string) }

    private func inner(_ key: String) -> String {
        String(decoding: key.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    }

    private func inner(_ info: ObjectInfo) -> ObjectInfo {
        ObjectInfo(
            key: ObjectKey(inner(info.key.string)), size: info.size, etag: info.etag, modified: info.modified,
            attributes: info.attributes)
    }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        inner(try base.info(outer(key)))
    }

    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage {
        var request = request
        request.prefix = prefix + request.prefix
        request.startAfter = request.startAfter.map(outer)
        let page = try base.list(request)
        // A marker of the prefix itself has no name in here.
        let objects = page.objects.filter { $0.key.string.utf8.count > prefix.utf8.count }
        return ListingPage(
            objects: objects.map(inner), prefixes: page.prefixes.map(inner), next: page.next,
            illegible: page.illegible)
    }

    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        inner(try base.read(outer(key), range: range, ifVersion: version, into: sink))
    }

    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        inner(try base.write(outer(key), body, attributes: attributes, condition: condition))
    }

    package func delete(_ key: ObjectKey) throws(StorageError) { try base.delete(outer(key)) }

    package func delete(_ keys: [ObjectKey]) throws(StorageError) -> [Undeleted] {
        try base.delete(keys.map(outer)).map { Undeleted(key: ObjectKey(inner($0.key.string)), error: $0.error) }
    }

    // Whoever copies from here would have to know the prefix: there is no reference.
    package func copy(
        _ source: ObjectKey, of bucket: BucketReference, ifVersion version: ETag, to target: ObjectKey
    ) throws(StorageError) -> ObjectInfo {
        inner(try base.copy(source, of: bucket, ifVersion: version, to: outer(target)))
    }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        inner(try base.copy(outer(source), ifVersion: version, to: outer(target), attributes: attributes))
    }

    // MARK: Objects written in parts

    package var uploadLimits: UploadLimits {
        var limits = base.uploadLimits
        limits.longestKey -= prefix.utf8.count
        return limits
    }

    private func outer(_ upload: Upload) -> Upload { Upload(key: outer(upload.key), id: upload.id) }

    private func inner(_ upload: Upload) -> Upload {
        Upload(key: ObjectKey(inner(upload.key.string)), id: upload.id)
    }

    package func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload {
        inner(try base.beginUpload(outer(key), attributes: attributes))
    }

    package func writePart(
        _ number: Int, of upload: Upload, _ body: ByteSlice
    ) throws(StorageError) -> UploadedPart {
        try base.writePart(number, of: outer(upload), body)
    }

    package func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart {
        try base.copyPart(number, of: outer(upload), from: outer(source), range: range, ifVersion: version)
    }

    @discardableResult
    package func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload {
        switch try base.complete(outer(upload), parts, condition: condition) {
        case .object(let info): .object(inner(info))
        case .named(let version): .named(version)
        }
    }

    package func abort(_ upload: Upload) throws(StorageError) { try base.abort(outer(upload)) }

    package func parts(of upload: Upload) throws(StorageError) -> [UploadedPart] {
        try base.parts(of: outer(upload))
    }

    package func uploads(prefix: String) throws(StorageError) -> [PendingUpload] {
        try base.uploads(prefix: self.prefix + prefix).map { PendingUpload(inner($0.upload), begun: $0.begun) }
    }
}
