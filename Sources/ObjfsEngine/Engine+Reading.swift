package import Bytes
import Chunks
import Records
import Storage
import Synchronization
package import SystemPackage
import Threads
package import VFS

/// A file that is open.
final class OpenFile: Sendable {
    let inode: Inode
    let flags: OpenFlags
    /// What the file of a chunk consists of; `nil` for a whole file.
    let content: ChunkContent?
    /// Reads the version that was read last.
    private let reader: Mutex<Reader?>
    /// Why the store could not be read a moment ago, and until when that holds.
    private let failure = Mutex<(reason: Errno, end: ContinuousClock.Instant)?>(nil)

    init(_ inode: Inode, _ flags: OpenFlags, reader: Reader? = nil, content: ChunkContent? = nil) {
        self.inode = inode
        self.flags = flags
        self.content = content
        self.reader = Mutex(reader)
    }

    var mayWrite: Bool { flags.contains(.writing) }

    /// The reader of a version, made if the last one was for another.
    func reader(of object: ObjectVersion, in engine: Engine) -> Reader {
        let (reader, old): (Reader, Reader?) = self.reader.withLock { reader in
            if let reader, reader.object.isSame(as: object) { return (reader, nil) }
            let start = mayWrite ? nil : engine.filesAhead.begin(object)
            let new = Reader(
                object, end: object.info.size, budget: engine.budget, pool: engine.readers, start: start)
            let old = reader
            reader = new
            return (new, old)
        }
        old?.close()
        return reader
    }

    /// Reads, unless the store was waited for in vain until a moment ago.
    ///
    /// The kernel asks again at once for the first page of what it could not read ahead.
    func reading<Result>(_ body: () throws(Errno) -> Result) throws(Errno) -> Result {
        if let (reason, end) = failure.withLock({ $0 }), .now < end { throw reason }
        let begin = ContinuousClock.now
        do throws(Errno) {
            return try body()
        } catch {
            let isFailure = error == .ioError || error == .timedOut
            if isFailure, .now - begin > .seconds(1) { failure.withLock { $0 = (error, .now + .seconds(1)) } }
            throw error
        }
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
            // Who removes or replaces it from now on keeps its bytes for this.
            countOpen(inode, 1)
            defer { countOpen(inode, -1) }
            do throws(Errno) {
                return try using(inode) { () throws(Errno) in
                    try wantsWriting ? openForWriting(inode, flags) : openWhole(inode, flags)
                }
            } catch {
                if wantsWriting, case .file(let file) = inodes[inode] { storeLeft(of: file) }
                throw error
            }
        case .chunk(let folder, let number):
            guard !wantsWriting else { throw .readOnlyFileSystem }
            guard !folder.object.isRetired else { throw .staleNFSFileHandle }
            let (index, content) = try asking(folder.object, "open", folder.object.url) { () throws(StorageError) in
                (try folder.index(), try folder.content(of: number))
            }
            let reader = Reader(
                folder.object, in: index.store, end: index.object.size, budget: budget, pool: readers)
            return opened(OpenFile(inode, flags, reader: reader, content: content))
        }
    }

    private func openWhole(_ inode: Inode, _ flags: OpenFlags) throws(Errno) -> OpenedFile {
        // The kernel takes this for a reason to look the name up again, and opens the new version.
        switch try node(inode) {
        case .object(let object): guard !object.isRetired else { throw .staleNFSFileHandle }
        case .file(let file):
            guard file.canBeOpened else { throw .staleNFSFileHandle }
        case .account, .folder, .chunkFolder, .chunk: break
        }
        return opened(OpenFile(inode, flags))
    }

    /// Counts how often a file is open; when it is not any more and has no name, nothing of it is kept.
    private func countOpen(_ inode: Inode, _ change: Int) {
        let isOpen = opens.withLock { opens in
            let count = (opens[inode] ?? 0) + change
            opens[inode] = count > 0 ? count : nil
            return count > 0
        }
        if !isOpen, case .file(let live) = inodes[inode], live.isUnlinked { discardDraft(of: live) }
    }

    /// Gives an open file its number.
    func opened(_ file: OpenFile, isDirect: Bool = false) -> OpenedFile {
        countOpen(file.inode, 1)
        // An inode number is one version, or changes through the kernel alone: what that has of it stays right, but for
        // what could not be stored.
        let isRight = if case .file(let live) = inodes[file.inode] { !live.hasLostPages } else { true }
        return OpenedFile(handle: files.insert(file), keepsCache: !isDirect && isRight, isDirect: isDirect)
    }

    package func read(_ handle: FileHandle, at offset: Int64, count: Int) throws(Errno) -> [ByteSlice] {
        guard let file = files[handle] else { throw .badFileDescriptor }
        guard offset >= 0, count > 0 else { return [] }
        let (end, overflow) = offset.addingReportingOverflow(Int64(count))
        guard !overflow else { throw .invalidArgument }
        return try file.reading { () throws(Errno) in try read(offset..<end, through: file) }
    }

    private func read(_ wanted: Range<Int64>, through file: OpenFile) throws(Errno) -> [ByteSlice] {
        if let content = file.content { return try read(content, wanted, through: file) }
        switch try node(file.inode) {
        case .object(let object):
            do throws(Errno) {
                return try read(object, wanted, through: file)
            } catch {
                // What was removed or renamed here meanwhile can be read still.
                guard error == .staleNFSFileHandle, case .file(let live) = try node(file.inode) else { throw error }
                return try read(live, wanted, through: file)
            }
        case .file(let live): return try read(live, wanted, through: file)
        case .account, .folder, .chunkFolder, .chunk: throw .badFileDescriptor
        }
    }

    /// Reads bytes of a chunk; what is of the object is fetched ahead no farther than the chunk goes on there.
    private func read(
        _ content: ChunkContent, _ wanted: Range<Int64>, through file: OpenFile
    ) throws(Errno) -> [ByteSlice] {
        guard let reader = file.opened else { throw .badFileDescriptor }
        return try asking(reader.object, "read", reader.object.url) { () throws(StorageError) in
            var slices: [ByteSlice] = []
            let parts = content.parts(wanted)
            for (index, (part, end)) in parts.enumerated() {
                switch part {
                case .literal(let bytes): slices.append(bytes)
                case .object(let range):
                    let read = try reader.read(range, upTo: end)
                    // Nothing of the budget may be held while the next part waits for some.
                    slices += index == parts.count - 1 ? read : [ByteSlice(joining: read)]
                }
            }
            return slices
        }
    }

    /// Reads bytes of a version; fewer only at its end.
    private func read(
        _ object: ObjectVersion, _ wanted: Range<Int64>, through file: OpenFile
    ) throws(Errno) -> [ByteSlice] {
        let range = wanted.clamped(to: 0..<max(object.info.size, 0))
        guard !range.isEmpty else { return [] }
        let reader = file.reader(of: object, in: self)
        return try asking(object, "read", object.url) { () throws(StorageError) in try reader.read(range) }
    }

    /// Reads what was written, or what the store has.
    private func read(
        _ live: LiveFile, _ wanted: Range<Int64>, through file: OpenFile
    ) throws(Errno) -> [ByteSlice] {
        // What the draft is a change of may be replaced by that very change.
        live.waitForVersion()
        let source = live.source
        do throws(Errno) {
            return try readOnce(live, wanted, through: file)
        } catch {
            guard error == .staleNFSFileHandle else { throw error }
            // If it is replaced just now, whoever does that knows the new version by the end of their turn.
            live.inTurn {}
            guard live.source != source else { throw error }
            return try readOnce(live, wanted, through: file)
        }
    }

    private func readOnce(
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
        let written = storeLast(file)
        countOpen(file.inode, -1)
        // Letting a large draft go takes a while, in which whoever removes the file must not take it for open.
        written?.settle()
    }

    /// Stores what an open file wrote last, and counts it as a writer no more.
    ///
    /// - Returns: The file, whose draft may be of no more use.
    private func storeLast(_ open: OpenFile) -> LiveFile? {
        guard open.mayWrite else { return nil }
        defer { budget.countWriter(-1) }
        guard case .file(let file) = inodes[open.inode] else { return nil }
        // Pages that were written through a map come after `close` has asked.
        try? endWriting(file, "close", isClosed: true)
        return file
    }

    package func unmounted() {
        for file in files.removeAll() {
            file.close()
            storeLast(file)?.settle()
        }
        // What is known to be stored leaves nothing behind in the journal.
        unlearned.wait { $0 == 0 ? () : nil }
    }
}
