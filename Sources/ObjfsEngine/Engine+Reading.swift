package import Bytes
import Chunks
import Storage
import Synchronization
package import SystemPackage
import Threads
package import VFS

/// A file that is open.
final class OpenFile: Sendable {
    let inode: Inode
    let flags: OpenFlags
    /// What the file begins with before its bytes of the object; only chunks have that.
    let header: ByteSlice
    /// The bytes of the object that follow, the end excluded; `nil` for a whole file.
    let range: Range<Int64>?
    /// Reads the version that was read last.
    private let reader: Mutex<Reader?>

    init(
        _ inode: Inode, _ flags: OpenFlags, reader: Reader? = nil, header: ByteSlice = .empty,
        range: Range<Int64>? = nil
    ) {
        self.inode = inode
        self.flags = flags
        self.header = header
        self.range = range
        self.reader = Mutex(reader)
    }

    var mayWrite: Bool { flags.contains(.writing) }

    /// The reader of a version, made if the last one was for another.
    func reader(of object: ObjectVersion, budget: MemoryBudget, pool: WorkerPool) -> Reader {
        let (reader, old): (Reader, Reader?) = self.reader.withLock { reader in
            if let reader, reader.object.isSame(as: object) { return (reader, nil) }
            let new = Reader(object, end: object.info.size, budget: budget, pool: pool)
            let old = reader
            reader = new
            return (new, old)
        }
        old?.close()
        return reader
    }

    /// The reader of the version that was opened.
    var opened: Reader? { reader.withLock { $0 } }

    func close() {
        reader.withLock { reader -> Reader? in
            defer { reader = nil }
            return reader
        }?.close()
    }
}

extension Engine {
    package func open(_ inode: Inode, _ flags: OpenFlags) throws(Errno) -> OpenedFile {
        let wantsWriting = !flags.isDisjoint(with: [.writing, .appending, .truncating])
        switch try node(inode) {
        case .account, .folder, .chunkFolder: throw .isDirectory
        case .object, .file:
            if wantsWriting { return try openForWriting(inode, flags) }
            return try openWhole(inode, flags)
        case .chunk(let folder, let number):
            guard !wantsWriting else { throw .readOnlyFileSystem }
            guard !folder.object.isRetired else { throw .staleNFSFileHandle }
            let (header, range) = try asking(folder.object, "open", folder.object.url) { () throws(StorageError) in
                (try folder.header(of: number), try folder.chunk(number).range)
            }
            let reader = Reader(folder.object, end: range.upperBound, budget: budget, pool: readers)
            return opened(OpenFile(inode, flags, reader: reader, header: header, range: range))
        }
    }

    private func openWhole(_ inode: Inode, _ flags: OpenFlags) throws(Errno) -> OpenedFile {
        // The kernel takes this for a reason to look the name up again, and opens the new version.
        switch try node(inode) {
        case .object(let object): guard !object.isRetired else { throw .staleNFSFileHandle }
        case .file(let file):
            guard file.storedVersion.map({ !$0.isRetired }) ?? true else { throw .staleNFSFileHandle }
        case .account, .folder, .chunkFolder, .chunk: break
        }
        return opened(OpenFile(inode, flags))
    }

    /// Gives an open file its number.
    func opened(_ file: OpenFile, isDirect: Bool = false) -> OpenedFile {
        opens.withLock { $0[file.inode, default: 0] += 1 }
        // An inode number is one version, or changes through the kernel alone: what that has of it stays right.
        return OpenedFile(handle: files.insert(file), keepsCache: !isDirect, isDirect: isDirect)
    }

    package func read(_ handle: FileHandle, at offset: Int64, count: Int) throws(Errno) -> [ByteSlice] {
        guard let file = files[handle] else { throw .badFileDescriptor }
        guard offset >= 0, count > 0 else { return [] }
        let (end, overflow) = offset.addingReportingOverflow(Int64(count))
        guard !overflow else { throw .invalidArgument }
        if file.range != nil { return try readChunk(file, offset..<end) }
        switch try node(file.inode) {
        case .object(let object): return try read(object, offset..<end, through: file)
        case .file(let live): return try read(live, offset..<end, through: file)
        case .account, .folder, .chunkFolder, .chunk: throw .badFileDescriptor
        }
    }

    private func readChunk(_ file: OpenFile, _ wanted: Range<Int64>) throws(Errno) -> [ByteSlice] {
        guard let range = file.range, let reader = file.opened else { throw .badFileDescriptor }
        let header = Int64(file.header.count)
        let size = header + Int64(range.count)
        guard wanted.lowerBound < size else { return [] }
        let end = min(wanted.upperBound, size)
        var slices: [ByteSlice] = []
        if wanted.lowerBound < header {
            slices.append(file.header[Int(wanted.lowerBound)..<Int(min(end, header))])
        }
        let start = range.lowerBound + max(wanted.lowerBound - header, 0)
        let stop = range.lowerBound + max(end - header, 0)
        guard start < stop else { return slices }
        slices += try asking(reader.object, "read", reader.object.url) { () throws(StorageError) in
            try reader.read(start..<stop)
        }
        return slices
    }

    /// Reads bytes of a version; fewer only at its end.
    private func read(
        _ object: ObjectVersion, _ wanted: Range<Int64>, through file: OpenFile
    ) throws(Errno) -> [ByteSlice] {
        let range = wanted.clamped(to: 0..<max(object.info.size, 0))
        guard !range.isEmpty else { return [] }
        let reader = file.reader(of: object, budget: budget, pool: readers)
        return try asking(object, "read", object.url) { () throws(StorageError) in try reader.read(range) }
    }

    /// Reads what was written, or what the store has.
    private func read(
        _ live: LiveFile, _ wanted: Range<Int64>, through file: OpenFile
    ) throws(Errno) -> [ByteSlice] {
        let (draft, info) = live.state.withLock { ($0.draft, $0.info) }
        if let draft {
            return try draft.read(wanted) { (object, range) throws(Errno) in
                try read(object, range, through: file)
            }
        }
        guard let info else { return [] }
        return try read(ObjectVersion(bucket: live.bucket, info: info), wanted, through: file)
    }

    package func release(_ handle: FileHandle) {
        guard let file = files.remove(handle) else { return }
        file.close()
        if file.mayWrite { releaseWriter(file) }
        let isLast = opens.withLock { opens in
            let count = (opens[file.inode] ?? 1) - 1
            opens[file.inode] = count > 0 ? count : nil
            return count <= 0
        }
        if isLast, case .file(let live) = inodes[file.inode], live.state.withLock({ $0.isUnlinked }) {
            live.takeDraft()?.file.discard()
        }
    }

    package func unmounted() {
        for file in files.removeAll() {
            file.close()
            if file.mayWrite { releaseWriter(file) }
        }
    }
}
