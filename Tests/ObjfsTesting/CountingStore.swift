package import Bytes
package import Storage
import Synchronization

/// A store that counts what it is asked, and can be told to fail or to do something at each read.
package final class CountingStore: ObjectStore {
    /// How often each operation was asked for, and how many bytes were read.
    package struct Counts: Sendable {
        package var infos = 0
        package var lists = 0
        package var reads = 0
        package var bytesRead: Int64 = 0
        package var writes = 0
        package var deletes = 0
        package var copies = 0
        package var parts = 0
        package var copiedParts = 0
        /// How many bytes of objects and parts were sent.
        package var bytesWritten: Int64 = 0
    }

    /// What a store is asked to do, and a test may wait for or refuse.
    package enum Operation: Hashable, Sendable, CaseIterable {
        case info, list, read, write, copy, delete, beginUpload, writePart, complete
        /// After an upload was completed, and before that is told.
        case completed
    }

    private let base: any ObjectStore
    private let state = Mutex(Counts())
    private let beforeRead: @Sendable (Int) throws(StorageError) -> Void
    private let tellsVersions: Bool
    private let illegible = Mutex<[String]>([])
    private let hooks = Mutex<[Operation: @Sendable () -> StorageError?]>([:])

    /// Wraps a store.
    ///
    /// - Parameters:
    ///   - base: The store that answers.
    ///   - tellsVersions: Whether the end of an upload tells which version came of it, which no service does.
    ///   - beforeRead: Is called before each read with its number, from 1; what it throws is what the read throws.
    package init(
        _ base: any ObjectStore, tellsVersions: Bool = true,
        beforeRead: @escaping @Sendable (Int) throws(StorageError) -> Void = { _ in }
    ) {
        self.base = base
        self.tellsVersions = tellsVersions
        self.beforeRead = beforeRead
    }

    package var name: String { base.name }
    package var counts: Counts { state.withLock { $0 } }
    package func reset() { state.withLock { $0 = Counts() } }

    /// Lets listings tell from now on of a key that is not UTF-8.
    package func add(illegible key: String) { illegible.withLock { $0.append(key) } }

    /// Does something before each operation of a kind from now on; an error that it returns is the answer.
    package func before(_ operation: Operation, _ body: @escaping @Sendable () -> StorageError?) {
        hooks.withLock { $0[operation] = body }
    }

    /// Holds each operation of a kind at a gate from now on, and then lets it go on, or answers with an error.
    package func hold(_ operation: Operation, answering error: StorageError? = nil) -> Gate {
        let gate = Gate()
        before(operation) {
            gate.pass()
            return error
        }
        return gate
    }

    private func call(_ operation: Operation) throws(StorageError) {
        let hook = hooks.withLock { $0[operation] }
        if let error = hook?() { throw error }
    }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        state.withLock { $0.infos += 1 }
        try call(.info)
        return try base.info(key)
    }

    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage {
        state.withLock { $0.lists += 1 }
        try call(.list)
        var page = try base.list(request)
        page.illegible += illegible.withLock { $0 }.filter { $0.hasPrefix(request.prefix) }
        return page
    }

    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?, into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        let number = state.withLock { counts in
            counts.reads += 1
            return counts.reads
        }
        try beforeRead(number)
        try call(.read)
        return try base.read(key, range: range, ifVersion: version) { part in
            state.withLock { $0.bytesRead += Int64(part.count) }
            return sink(part)
        }
    }

    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        state.withLock { counts in
            counts.writes += 1
            counts.bytesWritten += Int64(body.count)
        }
        try call(.write)
        return try base.write(key, body, attributes: attributes, condition: condition)
    }

    package func delete(_ key: ObjectKey) throws(StorageError) {
        state.withLock { $0.deletes += 1 }
        try call(.delete)
        try base.delete(key)
    }

    package func delete(_ keys: [ObjectKey]) throws(StorageError) -> [Undeleted] {
        state.withLock { $0.deletes += 1 }
        return try base.delete(keys)
    }

    package var reference: BucketReference? { base.reference }

    @discardableResult
    package func copy(
        _ source: ObjectKey, of bucket: BucketReference, ifVersion version: ETag, to target: ObjectKey
    ) throws(StorageError) -> ObjectInfo {
        state.withLock { $0.copies += 1 }
        return try base.copy(source, of: bucket, ifVersion: version, to: target)
    }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        state.withLock { $0.copies += 1 }
        try call(.copy)
        return try base.copy(source, ifVersion: version, to: target, attributes: attributes)
    }

    // MARK: Objects written in parts

    package var uploadLimits: UploadLimits { base.uploadLimits }

    package func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload {
        try call(.beginUpload)
        return try base.beginUpload(key, attributes: attributes)
    }

    package func writePart(_ number: Int, of upload: Upload, _ body: ByteSlice) throws(StorageError) -> UploadedPart {
        state.withLock { counts in
            counts.parts += 1
            counts.bytesWritten += Int64(body.count)
        }
        try call(.writePart)
        return try base.writePart(number, of: upload, body)
    }

    package func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart {
        state.withLock { $0.copiedParts += 1 }
        return try base.copyPart(number, of: upload, from: source, range: range, ifVersion: version)
    }

    @discardableResult
    package func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload {
        try call(.complete)
        let completed = try base.complete(upload, parts, condition: condition)
        try call(.completed)
        guard !tellsVersions, let info = completed.object else { return completed }
        return .named(info.etag)
    }

    package func abort(_ upload: Upload) throws(StorageError) { try base.abort(upload) }

    package func uploads(prefix: String) throws(StorageError) -> [PendingUpload] { try base.uploads(prefix: prefix) }
}
