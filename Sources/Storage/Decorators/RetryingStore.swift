package import Bytes
import Synchronization

/// A store that tries again what may succeed a moment later, and is the only place that does.
///
/// A read that breaks goes on where it broke, if it was of a named version;
/// one that was not is tried again only while nothing was handed on, for the rest might be of another version.
package final class RetryingStore: ObjectStore {
    private let base: any ObjectStore
    private let patience: Patience
    private let hasAnswered = Atomic(false)

    package init(_ base: any ObjectStore, patience: Patience = Patience()) {
        self.base = base
        self.patience = patience
    }

    package var name: String { base.name }
    package var sinkMayBlock: Bool { base.sinkMayBlock }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        try persist { () throws(StorageError) in try base.info(key) }
    }

    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage {
        try persist { () throws(StorageError) in try base.list(request) }
    }

    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        let start = range?.lowerBound ?? 0
        let end = range?.upperBound ?? .max
        var handedOn: Int64 = 0
        return try persist(
            while: { version != nil || handedOn == 0 },
            { () throws(StorageError) in
                let rest = range == nil && handedOn == 0 ? nil : start + handedOn..<end
                return try base.read(key, range: rest, ifVersion: version) { part in
                    handedOn += Int64(part.count)
                    return sink(part)
                }
            })
    }

    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        var attempts = 0
        do throws(StorageError) {
            return try persist { () throws(StorageError) in
                attempts += 1
                return try base.write(key, body, attributes: attributes, condition: condition)
            }
        } catch {
            // The condition may have failed because an earlier attempt, whose answer was lost, had written the object.
            guard error.code == .preconditionFailed, attempts > 1 else { throw error }
            throw StorageError(
                .unavailable, "the store failed, and it is not known whether the object was written", cause: error)
        }
    }

    package func delete(_ key: ObjectKey) throws(StorageError) {
        try persist { () throws(StorageError) in try base.delete(key) }
    }

    package func delete(_ keys: [ObjectKey]) throws(StorageError) -> [Undeleted] {
        var left = keys
        var undeleted: [Undeleted] = []
        do throws(StorageError) {
            return try persist { () throws(StorageError) in
                let failed = try base.delete(left)
                undeleted += failed.filter { !$0.error.isTransient }
                let again = failed.filter { $0.error.isTransient }
                left = again.map(\.key)
                if let first = again.first { throw first.error }
                return undeleted
            }
        } catch {
            // Where some were deleted, those that were not are named.
            guard left.count < keys.count else { throw error }
            let failure = error
            return undeleted + left.map { Undeleted(key: $0, error: failure) }
        }
    }

    package var reference: BucketReference? { base.reference }

    @discardableResult
    package func copy(
        _ source: ObjectKey, of bucket: BucketReference, ifVersion version: ETag, to target: ObjectKey
    ) throws(StorageError) -> ObjectInfo {
        try persist(within: patience.workLimit) { () throws(StorageError) in
            try base.copy(source, of: bucket, ifVersion: version, to: target)
        }
    }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        try persist(within: patience.workLimit) { () throws(StorageError) in
            try base.copy(source, ifVersion: version, to: target, attributes: attributes)
        }
    }

    // MARK: Objects written in parts

    package var uploadLimits: UploadLimits { base.uploadLimits }

    package func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload {
        try persist { () throws(StorageError) in try base.beginUpload(key, attributes: attributes) }
    }

    package func writePart(
        _ number: Int, of upload: Upload, _ body: ByteSlice
    ) throws(StorageError) -> UploadedPart {
        try persist { () throws(StorageError) in try base.writePart(number, of: upload, body) }
    }

    package func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart {
        try persist(within: patience.workLimit) { () throws(StorageError) in
            try base.copyPart(number, of: upload, from: source, range: range, ifVersion: version)
        }
    }

    @discardableResult
    package func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload {
        var attempts = 0
        do throws(StorageError) {
            return try persist(within: patience.workLimit) { () throws(StorageError) in
                attempts += 1
                return try base.complete(upload, parts, condition: condition)
            }
        } catch {
            // An earlier attempt, whose answer was lost, may have ended the upload.
            guard attempts > 1, error.code == .notFound || error.code == .preconditionFailed else { throw error }
            let size = parts.reduce(0) { $0 + $1.size }
            guard let info = try? base.info(upload.key), info.size == size,
                info.etag.string.hasSuffix("-\(parts.count)")
            else {
                throw StorageError(
                    .unavailable, "the store failed, and it is not known whether the object was written", cause: error)
            }
            return .object(info)
        }
    }

    package func abort(_ upload: Upload) throws(StorageError) {
        try persist { () throws(StorageError) in try base.abort(upload) }
    }

    package func uploads(prefix: String) throws(StorageError) -> [PendingUpload] {
        try persist { () throws(StorageError) in try base.uploads(prefix: prefix) }
    }

    package func parts(of upload: Upload) throws(StorageError) -> [UploadedPart] {
        try persist { () throws(StorageError) in try base.parts(of: upload) }
    }

    /// Calls `body` until it succeeds, fails for good, or patience ends.
    ///
    /// - Parameter ownLimit: How long that may take, if not as long as with most calls.
    private func persist<Result>(
        within ownLimit: Duration? = nil, while mayRepeat: () -> Bool = { true },
        _ body: () throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        let begin = patience.now()
        var attempt = 1
        while true {
            do throws(StorageError) {
                let result = try body()
                hasAnswered.store(true, ordering: .relaxed)
                return result
            } catch {
                // Any refusal is an answer too.
                if !error.isTransient { hasAnswered.store(true, ordering: .relaxed) }
                guard error.isTransient, attempt < patience.attempts, mayRepeat() else { throw error }
                let pause = patience.pause(after: attempt, asked: error.retryAfter)
                let limit =
                    hasAnswered.load(ordering: .relaxed) ? ownLimit ?? patience.limit : patience.limitBeforeAnswer
                guard begin.duration(to: patience.now()) + pause < limit else { throw error }
                patience.sleep(pause)
                attempt += 1
            }
        }
    }
}
