import Chunks
import Records
import Storage
package import SystemPackage
package import VFS

/// A directory that somebody is going through.
enum OpenFolder: Sendable {
    case account
    case folder(OpenDirectory)
    case chunkFolder(ChunkFolder)
}

/// An entry that may be handed on: its name, what it is, and whether its attributes are known.
private struct Candidate {
    let name: String
    let node: Node
    let expires: ContinuousClock.Instant?
}

extension Engine {
    package func openDirectory(_ inode: Inode) throws(Errno) -> FileHandle {
        switch try node(inode) {
        case .account: directories.insert(.account)
        case .folder(let folder):
            directories.insert(.folder(OpenDirectory(folder)))
        case .chunkFolder(let folder): directories.insert(.chunkFolder(folder))
        case .object, .file, .chunk: throw .notDirectory
        }
    }

    package func releaseDirectory(_ handle: FileHandle) { _ = directories.remove(handle) }

    package func readDirectory(
        _ handle: FileHandle, after cookie: UInt64, withAttributes attributes: Bool, _ body: (DirectoryEntry) -> Bool
    ) throws(Errno) {
        guard let directory = directories[handle] else { throw .badFileDescriptor }
        guard handOnDots(after: cookie, body) else { return }
        let index = Int(clamping: cookie < 2 ? 0 : cookie - 2)
        switch directory {
        case .account: try readAccount(from: index, attributes, body)
        case .folder(let directory): try read(directory, from: index, cookie, attributes, body)
        case .chunkFolder(let folder): try read(folder, from: index, body)
        }
    }

    /// Hands on `.` and `..`, whose cookies are 1 and 2; `false` if no more is wanted.
    private func handOnDots(after cookie: UInt64, _ body: (DirectoryEntry) -> Bool) -> Bool {
        for (name, own) in [(".", UInt64(1)), ("..", 2)] where own > cookie {
            let entry = DirectoryEntry(name: name, inode: .root, type: .directory, cookie: own)
            guard body(entry) else { return false }
        }
        return true
    }

    private func readAccount(
        from index: Int, _ withAttributes: Bool, _ body: (DirectoryEntry) -> Bool
    ) throws(Errno) {
        guard let buckets else { return }
        let list = try answering("readdir", buckets.name) { () throws(StorageError) in try buckets.list().buckets }
        for (index, info) in list.enumerated().dropFirst(index) where FileName.isPossible(info.name) {
            // Their attributes cost the opening of each bucket: who wants them looks the name up.
            let entry = DirectoryEntry(
                name: info.name, inode: Inode(rawValue: UInt64(index) + 2), type: .directory,
                cookie: UInt64(index) + 3)
            guard body(entry) else { return }
        }
    }

    private func read(
        _ directory: OpenDirectory, from index: Int, _ cookie: UInt64, _ withAttributes: Bool,
        _ body: (DirectoryEntry) -> Bool
    ) throws(Errno) {
        if cookie == 0 { directory.rewind() }
        // One page at a time: what is known is answered before the store is asked for more.
        let names = try answering("readdir", directory.folder.url("")) { () throws(StorageError) in
            try directory.names(from: index)
        }
        warnOfHidden(directory.hidden, in: directory.folder)
        try answering("readdir", directory.folder.url("")) { () throws(StorageError) in
            try describe(names, in: directory.folder)
        }
        for (index, listed) in names.enumerated().map({ ($0.offset + index, $0.element) }) {
            let candidate = Candidate(
                name: listed.name, node: directory.folder.node(listed.name, listed.found),
                expires: expires(listed, in: directory.folder))
            guard handOn(candidate, cookie: UInt64(index) + 3, withAttributes, body) else { return }
        }
    }

    /// Until when a name is what the listing says; `nil` if it may be something else by now.
    private func expires(_ listed: ListedName, in folder: Folder) -> ContinuousClock.Instant? {
        let expires = listed.asked + options.metadataTTL
        guard expires > .now,
            !folder.bucket.listings.isChanged(folder.prefix + listed.name, in: folder.prefix, since: listed.asked)
        else { return nil }
        return expires
    }

    /// Lists chunks without asking for their borders: sizes are asked for by who wants them.
    private func read(
        _ folder: ChunkFolder, from index: Int, _ body: (DirectoryEntry) -> Bool
    ) throws(Errno) {
        let (count, names) = try asking(folder.object, "readdir", folder.object.url) { () throws(StorageError) in
            (try folder.count(), try folder.names())
        }
        for number in Int64(index)..<max(count, Int64(index)) {
            let entry = DirectoryEntry(
                name: names.string(number), inode: inodes.number(for: .chunk(folder, number)),
                type: .regular, cookie: UInt64(number) + 3)
            guard body(entry) else { return }
        }
    }

    /// Hands on one entry; with attributes, it is counted as a reference if it was taken.
    private func handOn(
        _ candidate: Candidate, cookie: UInt64, _ withAttributes: Bool, _ body: (DirectoryEntry) -> Bool
    ) -> Bool {
        // Of what can't be told, whoever wants it looks the name up.
        var entry: Entry?
        if withAttributes, let expires = candidate.expires {
            entry = try? self.entry(candidate.node, expires: expires)
        }
        let inode = entry?.attributes.inode ?? inodes.number(for: candidate.node)
        let isTaken = body(
            DirectoryEntry(
                name: candidate.name, inode: inode, type: candidate.node.type, cookie: cookie, entry: entry))
        if !isTaken, entry != nil { inodes.forget(inode, references: 1) }
        return isTaken
    }
}

extension Node {
    fileprivate var type: FileType {
        switch self {
        case .account, .folder, .chunkFolder: .directory
        case .object(let object):
            object.info.attributes.map { FileMetadata($0).fileType } ?? .regular
        case .file(let file): file.type
        case .chunk: .regular
        }
    }
}
