package import Bytes
import CLinux
import Glibc
import Synchronization

/// Makes files of a folder in pieces, none of them visible before it is whole.
///
/// It keeps the folder open in which the latest file was made, as the next one most often stands there too.
package final class DirectoryDrafts: Sendable {
    private let store: DirectoryStore
    private let latest = Mutex<(path: [String], folder: DirectoryFile)?>(nil)

    package init(_ store: DirectoryStore) { self.store = store }

    /// Begins a file.
    ///
    /// - Parameters:
    ///   - key: What it will be called; `/` in it makes folders. Nothing leads out of the folder.
    ///   - version: If not `nil`, what an earlier draft of the same key and version had is kept and gone on with.
    package func draft(_ key: ObjectKey, resuming version: String? = nil) throws(StorageError) -> DirectoryDraft {
        guard let path = DirectoryRoot.path(of: key), !key.endsInSlash, !DirectoryRoot.isTemporary(path)
        else {
            throw StorageError(.invalid, "a folder can't hold such a key")
        }
        let (folder, name) = try place(path)
        return try DirectoryDraft(in: folder, name, resuming: version)
    }

    private func place(_ path: String) throws(StorageError) -> (DirectoryFile, String) {
        let parts = path.pathParts
        let parent = parts.dropLast()
        let known = latest.withLock { latest in
            latest.flatMap { $0.path.elementsEqual(parent) { $0.utf8.elementsEqual($1.utf8) } ? $0.folder : nil }
        }
        if let known { return (known, parts.last ?? "") }
        let (folder, name) = try store.openRoot().makeParents(of: path)
        latest.withLock { $0 = (Array(parent), folder) }
        return (folder, name)
    }
}

/// A file that is being made, by several threads at once.
package final class DirectoryDraft: Sendable {
    private let folder: DirectoryFile
    private let name: String
    private let temporary: String
    private let file: DirectoryFile
    /// Which pieces are there, in a file of its own; `nil` if nothing is kept.
    private let log: DirectoryFile?
    /// The numbers of the pieces that an earlier draft had written.
    package let finished: Set<Int>

    fileprivate init(in folder: DirectoryFile, _ name: String, resuming version: String?) throws(StorageError) {
        self.folder = folder
        self.name = name
        guard let version else {
            temporary = DirectoryRoot.temporaryPrefix + "\(getpid())-\(UInt64.random(in: 0 ... .max))"
            let made = openat(folder.descriptor, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            guard made >= 0 else { throw StorageError(errno: errno) }
            file = DirectoryFile(takingOwnershipOf: made)
            log = nil
            finished = []
            return
        }
        temporary = DirectoryRoot.temporaryPrefix + "part-" + Self.word(name)
        let log = try Self.open(temporary + ".done", in: folder, O_APPEND)
        // Two that go on with one file would each believe the other's pieces.
        guard flock(log.descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw StorageError(.unavailable, "another process is writing this file")
        }
        let file = try Self.open(temporary, in: folder, 0)
        var lines = try log.text().split(separator: "\n", omittingEmptySubsequences: false)
        if lines.first.map(String.init) != version || lines.count < 2 {
            guard ftruncate(log.descriptor, 0) == 0, ftruncate(file.descriptor, 0) == 0 else {
                throw StorageError(errno: errno)
            }
            try log.write(ByteSlice((version + "\n").utf8))
            lines = []
        }
        // What stands behind the last newline was cut short.
        finished = Set(lines.dropFirst().dropLast().compactMap { Int($0) })
        self.file = file
        self.log = log
    }

    private static func open(_ name: String, in folder: DirectoryFile, _ flags: Int32) throws(StorageError)
        -> DirectoryFile
    {
        let made = openat(folder.descriptor, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0o666)
        guard made >= 0 else { throw StorageError(errno: errno) }
        return DirectoryFile(takingOwnershipOf: made)
    }

    /// A word for a name, so that the name of a draft is no longer than a name may be.
    private static func word(_ name: String) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return String(hash, radix: 16)
    }

    /// Writes bytes at a place in the file.
    ///
    /// The corresponding C function is `pwrite`.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StorageError) {
        var rest = bytes[...]
        var offset = offset
        while !rest.isEmpty {
            let count = pwrite(
                file.descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw StorageError(errno: errno) }
            rest = rest.dropFirst(count)
            offset += Int64(count)
        }
    }

    /// Reads back what was written; fewer bytes than asked for only at the end.
    ///
    /// The corresponding C function is `pread`.
    package func read(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(StorageError) -> Int {
        while true {
            let count = pread(file.descriptor, buffer.baseAddress, buffer.count, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StorageError(errno: errno) }
            return count
        }
    }

    /// Remembers, for a draft that goes on with this one, that a piece is there.
    package func note(_ piece: Int) throws(StorageError) {
        try log?.write(ByteSlice("\(piece)\n".utf8))
    }

    /// Puts the file in its place, whole.
    ///
    /// - Parameters:
    ///   - permissions: Its permission bits; `nil` leaves them to this process's mask.
    ///   - modified: When it was modified; `nil` is now.
    ///
    /// The corresponding C function is `rename`.
    package func finish(permissions: UInt32?, modified: Timestamp?) throws(StorageError) {
        if let permissions, fchmod(file.descriptor, permissions) != 0 { throw StorageError(errno: errno) }
        if let modified { try file.setModified(modified) }
        // A writer that insists on a version must not have the file replaced between its look and its rename.
        guard flock(folder.descriptor, LOCK_EX) == 0 else { throw StorageError(errno: errno) }
        defer { flock(folder.descriptor, LOCK_UN) }
        guard renameat(folder.descriptor, temporary, folder.descriptor, name) == 0 else {
            guard errno != EISDIR, errno != ENOTEMPTY else {
                throw StorageError(.invalid, "there is a folder of this name, and a folder can't hold both")
            }
            throw StorageError(errno: errno)
        }
        if log != nil { unlinkat(folder.descriptor, temporary + ".done", 0) }
    }

    /// Takes the draft away, unless it is one to go on with.
    package func discard() {
        guard log == nil else { return }
        unlinkat(folder.descriptor, temporary, 0)
    }

    /// Takes away what was kept, as it turned out to be wrong.
    package func reject() {
        unlinkat(folder.descriptor, temporary, 0)
        if log != nil { unlinkat(folder.descriptor, temporary + ".done", 0) }
    }
}

extension DirectoryFile {
    /// The whole content of a small file.
    fileprivate func text() throws(StorageError) -> String {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = pread(descriptor, &block, block.count, off_t(bytes.count))
            guard count >= 0 else { throw StorageError(errno: errno) }
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += block[..<count]
        }
    }
}

/// A file of a folder that is open to be read, and what the system says of it.
package final class DirectoryReading: Sendable {
    private let file: DirectoryFile
    package let info: ObjectInfo
    /// Type and permission bits, as `st_mode` has them.
    package let mode: UInt32
    package let owner: UInt32
    package let group: UInt32

    package init(_ store: DirectoryStore, _ key: ObjectKey) throws(StorageError) {
        file = try store.openRoot().open(key, O_RDONLY | O_NONBLOCK)
        info = try file.info(key)
        var status = stat()
        guard fstat(file.descriptor, &status) == 0 else { throw StorageError(errno: errno) }
        (mode, owner, group) = (status.st_mode, status.st_uid, status.st_gid)
    }

    /// Some of the bytes; if the file has changed since it was opened, that is an error.
    ///
    /// The corresponding C function is `pread`.
    package func read(_ range: Range<Int64>) throws(StorageError) -> ByteSlice {
        let buffer = Buffer(count: range.count)
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer.memory[filled...])
            let count = pread(file.descriptor, rest.baseAddress, rest.count, off_t(range.lowerBound) + filled)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StorageError(errno: errno) }
            guard count > 0 else { throw .changed() }
            filled += count
        }
        try refuseChange()
        return ByteSlice(buffer)
    }

    /// Throws if the file is no longer what it was when it was opened.
    package func refuseChange() throws(StorageError) { try file.refuseChange(since: info) }
}
