package import Bytes
import Synchronization

/// A bucket in memory: the plainest store that keeps every promise, for tests and as a model of the others.
package final class InMemoryStore: ObjectStore {
    fileprivate struct Object {
        var info: ObjectInfo
        var body: ByteSlice
    }

    fileprivate struct State {
        var objects: [ObjectKey: Object] = [:]
        /// Keys in order, or `nil` after one was added or removed.
        var order: [ObjectKey]?
        var versions: UInt64 = 0
        var namesContent = false
        var uploads: [Upload: OpenUpload] = [:]
    }

    fileprivate struct OpenUpload {
        var attributes: ObjectAttributes
        var parts: [Int: ByteSlice] = [:]
    }

    package let name: String
    package var sinkMayBlock: Bool { true }
    private let state = Mutex(State())

    package let uploadLimits: UploadLimits

    /// Makes an empty bucket.
    ///
    /// - Parameters:
    ///   - limits: How large objects and parts may be; tests have use for small ones.
    ///   - namesContent: Whether versions of the same content have the same name, as those of S3 do.
    package init(name: String = "memory://bucket", limits: UploadLimits = .s3, namesContent: Bool = false) {
        self.name = name
        uploadLimits = limits
        state.withLock { $0.namesContent = namesContent }
    }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        try object(key).info
    }

    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage {
        state.withLock { state in
            let keys = state.order ?? state.objects.keys.sorted()
            state.order = keys
            var roll = ListingRoll(request)
            for key in keys[roll.start(in: keys)...] {
                // As with every service, what objects carry is not listed.
                guard let info = state.objects[key]?.info.carrying(nil), roll.add(info) else { break }
            }
            return roll.page
        }
    }

    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        let object = try object(key)
        guard version == nil || version == object.info.etag else { throw .changed() }
        let whole = 0..<object.info.size
        let range = (range ?? whole).clamped(to: whole)
        let bytes = object.body[Int(range.lowerBound)..<Int(range.upperBound)]
        guard bytes.isEmpty || bytes.withUnsafeBytes({ sink($0) }) else { throw StorageError(.cancelled, "called off") }
        return object.info
    }

    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        try state.withLock { state throws(StorageError) in
            try state.check(condition, of: key)
            // The bytes that were given are the caller's, whose memory they may take only for the call.
            return state.put(key, ByteSlice(body.array), attributes)
        }
    }

    package func delete(_ key: ObjectKey) throws(StorageError) {
        state.withLock { state in
            if state.objects.removeValue(forKey: key) != nil { state.order = nil }
        }
    }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        try state.withLock { state throws(StorageError) in
            guard let object = state.objects[source] else { throw .notFound() }
            guard version == nil || version == object.info.etag else { throw .changed() }
            return state.put(target, object.body, attributes ?? object.info.attributes ?? ObjectAttributes())
        }
    }

    // MARK: Objects written in parts

    package func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload {
        state.withLock { state in
            state.versions &+= 1
            let upload = Upload(key: key, id: "u\(state.versions)")
            state.uploads[upload] = OpenUpload(attributes: attributes)
            return upload
        }
    }

    package func writePart(
        _ number: Int, of upload: Upload, _ body: ByteSlice
    ) throws(StorageError) -> UploadedPart {
        try state.withLock { state throws(StorageError) in try state.add(ByteSlice(body.array), number, to: upload) }
    }

    package func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart {
        try state.withLock { state throws(StorageError) in
            guard let object = state.objects[source] else { throw .notFound() }
            guard object.info.etag == version else { throw .changed() }
            guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= object.info.size else {
                throw StorageError(.invalid, "the range is not inside the object")
            }
            return try state.add(object.body[Int(range.lowerBound)..<Int(range.upperBound)], number, to: upload)
        }
    }

    @discardableResult
    package func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload {
        try state.withLock { state throws(StorageError) in
            try state.check(condition, of: upload.key)
            let (body, attributes) = try state.assemble(upload, parts, smallest: uploadLimits.smallestPart)
            state.uploads[upload] = nil
            return .object(state.put(upload.key, body, attributes, parts: parts.count))
        }
    }

    package func abort(_ upload: Upload) throws(StorageError) {
        state.withLock { $0.uploads[upload] = nil }
    }

    package func uploads(prefix: String) throws(StorageError) -> [PendingUpload] {
        state.withLock { state in
            state.uploads.keys.filter { $0.key.string.utf8.starts(with: prefix.utf8) }.sorted { $0.key < $1.key }
                .map { PendingUpload($0, begun: nil) }
        }
    }

    private func object(_ key: ObjectKey) throws(StorageError) -> Object {
        guard let object = state.withLock({ $0.objects[key] }) else { throw .notFound() }
        return object
    }
}

extension InMemoryStore.State {
    fileprivate func check(_ condition: WriteCondition, of key: ObjectKey) throws(StorageError) {
        switch condition {
        case .always: return
        case .absent:
            guard objects[key] == nil else {
                throw StorageError(.preconditionFailed, "there is such an object already")
            }
        case .unchanged(let version):
            guard objects[key]?.info.etag == version else {
                throw StorageError(.preconditionFailed, "the object has changed")
            }
        }
    }

    private func version(of body: ByteSlice) -> String {
        guard namesContent else { return "v\(versions)" }
        return String(body.array.reduce(5381) { ($0 &* 33) ^ UInt64($1) }, radix: 16)
    }

    fileprivate mutating func add(
        _ body: ByteSlice, _ number: Int, to upload: Upload
    ) throws(StorageError) -> UploadedPart {
        guard uploads[upload] != nil else { throw StorageError(.notFound, "no such upload") }
        guard 1...UploadLimits.s3.parts ~= number else { throw StorageError(.invalid, "no part has such a number") }
        uploads[upload]?.parts[number] = body
        return UploadedPart(number: number, etag: ETag("p\(number)-\(body.count)"), size: Int64(body.count))
    }

    fileprivate func assemble(
        _ upload: Upload, _ parts: [UploadedPart], smallest: Int64
    ) throws(StorageError) -> (ByteSlice, ObjectAttributes) {
        guard let open = uploads[upload] else { throw StorageError(.notFound, "no such upload") }
        guard !parts.isEmpty else { throw StorageError(.invalid, "an object has one part at least") }
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            guard let body = open.parts[part.number], Int64(body.count) == part.size,
                index == 0 || parts[index - 1].number < part.number
            else {
                throw StorageError(.invalid, "part \(part.number) is missing, or out of order")
            }
            guard index == parts.count - 1 || part.size >= smallest else {
                throw StorageError(.invalid, "part \(part.number) is too small")
            }
            body.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        return (ByteSlice(bytes), open.attributes)
    }

    fileprivate mutating func put(
        _ key: ObjectKey, _ body: ByteSlice, _ attributes: ObjectAttributes, parts: Int? = nil
    ) -> ObjectInfo {
        versions &+= 1
        let info = ObjectInfo(
            key: key, size: Int64(body.count), etag: ETag(version(of: body) + (parts.map { "-\($0)" } ?? "")),
            modified: Timestamp(seconds: 1_700_000_000 + Int64(truncatingIfNeeded: versions)), attributes: attributes)
        if objects.updateValue(InMemoryStore.Object(info: info, body: body), forKey: key) == nil { order = nil }
        return info
    }
}

extension StorageError {
    /// There is no such object.
    package static func notFound() -> StorageError { StorageError(.notFound, "no such object") }

    /// The object is no longer the version that was asked for.
    package static func changed() -> StorageError { StorageError(.changed, "the object has changed") }
}
