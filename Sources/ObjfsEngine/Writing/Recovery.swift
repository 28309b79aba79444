import Glibc
package import Storage
import SystemPackage
import Threads

/// A file that was written, is not in the store, and that no daemon cares for any more.
package struct LeftBehind: Sendable {
    /// The folder of the daemon and the number of the file in it.
    package let id: String
    /// The URL of the bucket, or of the part of it, that was mounted; empty if the log can't be read.
    package let store: String
    /// Where its service is: empty if that is AWS, `nil` if it is not known.
    package let service: String?
    package let key: ObjectKey
    /// How long the file was, in bytes.
    package let size: Int64
    /// How many bytes of it were written and not stored.
    package let written: Int64
    /// When something was last written to it.
    package let modified: Timestamp
    /// Why it is not stored, as far as somebody tried.
    package let failure: String?
    /// Whether an upload may have been begun that nobody has ended.
    package var mayHaveUpload: Bool { log.upload != nil || log.beginning != nil }

    /// Whether it is known what it was to be.
    package var isReadable: Bool { !store.isEmpty }
    /// The file that has what was written, each byte at its own offset.
    package var data: String { path + ".data" }

    /// Whether nobody wants it any more, but an upload may have been begun for it.
    package let isDiscarded: Bool

    fileprivate let path: String
    fileprivate let log: StagedLog

    /// Whether nothing is to be done about it: it is stored, nobody wants it, or there is not a byte of it.
    private var isNothing: Bool {
        log.isStored || isDiscarded && !mayHaveUpload || !isReadable && size == 0
    }

    /// Everything in a journal that was left behind.
    ///
    /// Folders of daemons that are gone and left nothing are removed.
    package static func all(in root: String) -> [LeftBehind] {
        var found: [LeftBehind] = []
        for folder in names(in: root).sorted() where Journal.isName(folder) {
            let path = root + "/" + folder
            // Without a lock it is nobody's journal, whatever it is called.
            let lock = open(path + "/" + Journal.lockName, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            guard lock >= 0 else { continue }
            defer { close(lock) }
            let isAlive = flock(lock, LOCK_EX | LOCK_NB) != 0
            let files = numbers(of: names(in: path))
            for name in files {
                if !isAlive { unlink(path + "/" + name + StagedFile.newLog) }
                guard let file = LeftBehind(id: folder + "/" + name, path: path + "/" + name) else { continue }
                // A daemon that lives has done only with what it says so of.
                guard !isAlive || file.log.isKept else { continue }
                // It was stored or removed, and the daemon ended before it had cleared up.
                if file.isNothing {
                    file.discard()
                } else {
                    if file.log.isUnlinked { unlink(file.path + ".data") }
                    found.append(file)
                }
            }
            if !isAlive, files.isEmpty {
                unlink(path + "/" + Journal.lockName)
                rmdir(path)
            }
        }
        return found
    }

    /// How many files one daemon, which has ended, left behind in its folder.
    package static func count(in folder: String) -> Int {
        numbers(of: names(in: folder)).count { name in
            guard let file = LeftBehind(id: "", path: folder + "/" + name) else { return false }
            return !file.isDiscarded && !file.isNothing
        }
    }

    /// What the files of a daemon's folder are called, without the ends of their names: numbers.
    private static func numbers(of names: [String]) -> [String] {
        let numbers = names.compactMap { name -> String? in
            let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, ["log", "data"].contains(parts[1]), UInt64(parts[0]) != nil else { return nil }
            return String(parts[0])
        }
        return Set(numbers).sorted()
    }

    private init?(id: String, path: String) {
        // What can't be read just now may say all the same what it is.
        guard let bytes = StagedLog.bytes(of: path + ".log") else { return nil }
        let log = StagedLog(String(decoding: bytes, as: UTF8.self)) ?? .none
        var status = stat()
        let hasData = stat(path + ".data", &status) == 0
        let dataSize = hasData ? Int64(status.st_size) : 0
        guard hasData || stat(path + ".log", &status) == 0 else { return nil }
        isDiscarded = !hasData || log.isUnlinked
        self.id = id
        self.path = path
        self.log = log
        store = log.store
        service = log.service
        key = ObjectKey(log.key)
        size = store.isEmpty ? dataSize : log.size
        written = store.isEmpty ? dataSize : log.dirty.ranges.reduce(0) { $0 + Int64($1.count) }
        modified = Timestamp(seconds: Int64(status.st_mtim.tv_sec))
        failure = log.failure
    }

    private static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    // MARK: What can be done

    /// Makes the object of it, as `close` would have.
    ///
    /// - Parameters:
    ///   - store: The store that ``store`` names.
    ///   - replaces: Whether the object may have changed since.
    /// - Throws: ``StorageError/Code/preconditionFailed`` if it has and must not have, ``StorageError/Code/changed`` if
    ///   what was not written is in a version that is no longer there.
    package func upload(to store: any ObjectStore, replacing replaces: Bool) throws(StorageError) {
        guard isReadable else {
            throw StorageError(.corrupted, "its log can't be read: nobody knows what it was to be")
        }
        guard replaces || !log.isDamaged else { throw StorageError(.corrupted, "some of its log can't be read") }
        let bucket = Bucket(name: "", store: store, options: EngineOptions(owner: 0, group: 0))
        let draft: Draft
        do throws(Errno) {
            draft = try Draft(recovering: path, log, bucket: bucket)
        } catch {
            throw StorageError(.unavailable, "the journal can't be read: \(error)")
        }
        let condition: WriteCondition =
            log.base.flatMap { log.baseKey == log.key ? .unchanged($0.etag) : nil } ?? .absent
        _ = try Commit(
            draft: draft, key: key, attributes: log.attributes, condition: replaces ? .always : condition,
            budget: MemoryBudget(limit: 64 << 20), pool: WorkerPool("objfs-recover", limit: 4)
        ).run()
        discard()
    }

    /// Gives up the upload that was begun for it.
    package func abort(in store: any ObjectStore) throws(StorageError) {
        guard mayHaveUpload else { return }
        if let id = log.upload { try store.abort(Upload(key: key, id: id)) }
        if let beginning = log.beginning {
            // The daemon ended before it knew the name. Clocks may differ by a minute.
            for pending in try store.uploads(prefix: key.string) where pending.key == key {
                let begun = pending.begun?.nanoseconds ?? 0
                let distance = begun.subtractingReportingOverflow(beginning.nanoseconds).partialValue.magnitude
                if distance < 60_000_000_000 {
                    try store.abort(pending.upload)
                }
            }
        }
        let file = open(path + ".log", O_RDWR | O_APPEND | O_CLOEXEC)
        guard file >= 0 else { return }
        // A last line that a crash cut short must not become one with what is added.
        if let end = StagedLog.bytes(of: path + ".log")?.lastIndex(of: UInt8(ascii: "\n")) {
            ftruncate(file, off_t(end + 1))
        }
        let line = "upload -\n"
        // An upload whose request was still on its way is begun later: of that, something must be left to know.
        if log.beginning == nil { _ = Glibc.write(file, line, line.utf8.count) }
        close(file)
        let age = Complaints.now / 1_000_000_000 - modified.nanoseconds / 1_000_000_000
        if isDiscarded, age > 600 { unlink(path + ".log") }
    }

    /// Removes it for good.
    package func discard() {
        unlink(path + ".data")
        if log.beginning == nil { unlink(path + ".log") }
    }
}

extension Draft {
    /// Makes a draft of what a daemon left behind.
    convenience init(recovering path: String, _ log: StagedLog, bucket: Bucket) throws(Errno) {
        let base = log.base.map { base in
            ObjectVersion(
                bucket: bucket,
                info: ObjectInfo(
                    key: ObjectKey(log.baseKey ?? log.key), size: base.size, etag: base.etag,
                    modified: Timestamp(nanoseconds: 0)))
        }
        var state = State(grid: PartGrid(bucket.store.uploadLimits))
        state.base = base
        state.baseEnd = min(log.baseEnd, base?.info.size ?? 0)
        state.size = log.size
        let file = try StagedFile(opening: path)
        // Without a restart of the system, all that was written is there.
        let lost = log.boot == Journal.boot ? RangeSet() : file.holes(in: log.staged)
        state.staged = log.staged.subtracting(lost)
        state.dirty = log.dirty
        state.gone = log.gone.union(lost)
        state.generation = 1
        self.init(file, journal: nil, bucket: bucket, state: state)
    }
}
