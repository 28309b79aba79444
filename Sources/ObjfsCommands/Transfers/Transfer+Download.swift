import Bytes
import Digests
import ObjfsEngine
import Storage
import Synchronization
import VFS

extension Transfer {
    /// Makes a file of an object.
    ///
    /// It is written beside its place under another name, checked, and renamed.
    func download(_ object: ObjectInfo, to key: ObjectKey, _ drafts: DirectoryDrafts) throws(StorageError) {
        let isLarge = object.size > Self.part
        let version = resumes && isLarge ? "\(object.etag) \(object.size) \(Self.partDown(of: object.size))" : nil
        let (id, draft) = try leftovers.begin(
            { () throws(StorageError) in try drafts.draft(key, resuming: version) }, clear: { $0.discard() })
        do throws(StorageError) {
            let info = isLarge ? try fetchParts(object, draft) : try fetch(object, draft)
            var metadata = FileMetadata(info.attributes ?? ObjectAttributes())
            if let sourceFolder, keeping == .all { metadata.mode = try DirectoryReading(sourceFolder, object.key).mode }
            // Only who may read, write and run it: no bucket makes a program that runs as somebody else.
            let permissions = keeping == .all ? metadata.mode.map { $0 & 0o777 } : nil
            let written = metadata.modified.map { Timestamp(nanoseconds: $0.nanoseconds) }
            // Of two folders, the files' own times are compared.
            let known = sourceFolder == nil ? written ?? object.modified : object.modified
            let modified = keeping == .content ? nil : known
            try leftovers.settle(id) { () throws(StorageError) in
                try draft.finish(permissions: permissions, modified: modified)
            }
        } catch {
            if error.code == .corrupted { draft.reject() } else { draft.discard() }
            try? leftovers.settle(id)
            throw error
        }
    }

    /// Reads an object in one go.
    private func fetch(_ object: ObjectInfo, _ draft: DirectoryDraft) throws(StorageError) -> ObjectInfo {
        let stretch = DraftStretch(of: draft, from: 0, count: object.size)
        var failure: StorageError?
        var digest: RunningMD5? = object.etag.md5 == nil ? nil : RunningMD5()
        let info = try { () throws(StorageError) in
            do throws(StorageError) {
                let info = try source.read(object.key, range: nil, ifVersion: object.etag) { part in
                    do throws(StorageError) { try stretch.add(part) } catch { failure = error }
                    digest?.add(part)
                    report.add(part.count)
                    return failure == nil
                }
                try stretch.write()
                return info
            } catch { throw failure ?? error }
        }()
        guard stretch.end == object.size, info.size == object.size else { throw Self.wrongSize }
        if let told = info.contentMD5, let digest = digest.take(), digest.finish() != told { throw Self.wrongDigest }
        return info
    }

    /// Reads an object in parts, several at a time, but for those that an earlier attempt has brought.
    private func fetchParts(_ object: ObjectInfo, _ draft: DirectoryDraft) throws(StorageError) -> ObjectInfo {
        let part = Self.partDown(of: object.size)
        let indices = Self.indices(of: object.size, by: part)
        let told = Mutex<ObjectInfo?>(nil)
        let digest = verifies ? object.etag.md5.map { _ in FileDigest(draft, size: object.size) } : nil
        for index in indices where draft.finished.contains(index) { try digest?.add(index) }
        try team.each(indices.filter { !draft.finished.contains($0) }) { index throws(StorageError) in
            let info = try fetch(Self.range(index, of: object.size, by: part), of: object, draft)
            try draft.note(index)
            try digest?.add(index)
            told.withLock { $0 = info }
        }
        let answered = told.withLock { $0 }
        let info = answered == nil ? try source.info(object.key) : answered ?? object
        guard info.size == object.size else { throw Self.wrongSize }
        if let digest, let told = info.contentMD5, digest.finish() != told { throw Self.wrongDigest }
        return info
    }

    private func fetch(
        _ range: Range<Int64>, of object: ObjectInfo, _ draft: DirectoryDraft
    ) throws(StorageError) -> ObjectInfo {
        let stretch = DraftStretch(of: draft, from: range.lowerBound, count: Int64(range.count))
        var failure: StorageError?
        let info: ObjectInfo
        do throws(StorageError) {
            info = try source.read(object.key, range: range, ifVersion: object.etag) { part in
                do throws(StorageError) { try stretch.add(part) } catch { failure = error }
                report.add(part.count)
                return failure == nil
            }
            try stretch.write()
        } catch { throw failure ?? error }
        guard stretch.end == range.upperBound else { throw Self.wrongSize }
        return info
    }
}

/// The MD5 of a file whose parts arrive in any order: each part is added as soon as all before it are there.
///
/// One thread at a time adds; the others go on fetching.
private final class FileDigest: Sendable {
    fileprivate struct State {
        var arrived: Set<Int> = []
        var next = 0
        var isBeingAdded = false
    }

    private let draft: DirectoryDraft
    private let size: Int64
    private let state = Mutex(State())
    private let digest = Mutex<RunningMD5?>(RunningMD5())

    init(_ draft: DirectoryDraft, size: Int64) {
        self.draft = draft
        self.size = size
    }

    /// Adds a part, and those after it that have waited for it, unless another thread is about it.
    func add(_ index: Int) throws(StorageError) {
        state.withLock { _ = $0.arrived.insert(index) }
        while let next = state.withLock({ $0.begin() }) {
            let failure = digest.withLock { digest -> StorageError? in
                let range = Transfer.range(next, of: size, by: Transfer.partDown(of: size))
                do throws(StorageError) { try add(range, to: &digest) } catch { return error }
                return nil
            }
            if let failure { throw failure }
            state.withLock { state in
                state.isBeingAdded = false
                state.next += 1
            }
        }
    }

    private func add(_ range: Range<Int64>, to digest: inout RunningMD5?) throws(StorageError) {
        let buffer = Buffer(count: 256 << 10)
        var offset = range.lowerBound
        while offset < range.upperBound {
            let wanted = Int(min(Int64(buffer.count), range.upperBound - offset))
            let count = try draft.read(UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<wanted]), at: offset)
            guard count > 0 else { throw Transfer.wrongSize }
            digest?.add(UnsafeRawBufferPointer(rebasing: buffer.memory[..<count]))
            offset += Int64(count)
        }
    }

    /// The digest, when all parts were added.
    func finish() -> [UInt8] { digest.withLock { $0.take()?.finish() ?? [] } }
}

extension FileDigest.State {
    /// The part that comes next, if it is there and nobody adds it.
    fileprivate mutating func begin() -> Int? {
        guard !isBeingAdded, arrived.remove(next) != nil else { return nil }
        isBeingAdded = true
        return next
    }
}
