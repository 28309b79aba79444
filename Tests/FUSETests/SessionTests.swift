import Bytes
import FUSE
import Glibc
import ObjfsTesting
import Synchronization
import Testing
import Threads
import VFS

import struct SystemPackage.Errno

/// A file system of one folder, whose files hold their own name, many times over.
private final class NamesFileSystem: FileSystem {
    let names: [String]
    private let references = Mutex<[Inode: Int64]>([:])

    init(count: Int) { names = (0..<count).map { "file-\($0)" } }

    var outstanding: [Inode: Int64] { references.withLock { $0.filter { $0.value != 0 } } }

    private func attributes(_ index: Int) -> Attributes {
        Attributes(
            inode: Inode(rawValue: UInt64(index) + 2), type: .regular, permissions: 0o644, owner: getuid(),
            group: getgid(), size: Int64((names[index].utf8.count + 1) * 50_000),
            modified: FileTime(nanoseconds: 1_500_000_000))
    }

    func content(_ index: Int) -> [UInt8] { Array(String(repeating: "\(names[index])\n", count: 50_000).utf8) }

    func lookup(_ name: String, in parent: Inode) throws(Errno) -> Entry {
        guard parent == .root, let index = names.firstIndex(of: name) else { throw .noSuchFileOrDirectory }
        references.withLock { $0[Inode(rawValue: UInt64(index) + 2), default: 0] += 1 }
        return Entry(attributes(index), timeout: .seconds(1))
    }

    func forget(_ inode: Inode, references count: UInt64) {
        references.withLock { $0[inode, default: 0] -= Int64(count) }
    }

    func attributes(of inode: Inode) throws(Errno) -> Attributes {
        guard inode != .root else {
            return Attributes(
                inode: .root, type: .directory, permissions: 0o755, owner: getuid(), group: getgid(), size: 0,
                modified: FileTime(nanoseconds: 0))
        }
        return attributes(Int(inode.rawValue) - 2)
    }

    func open(_ inode: Inode, _ flags: OpenFlags) throws(Errno) -> OpenedFile {
        guard !flags.contains(.writing) else { throw .readOnlyFileSystem }
        return OpenedFile(handle: FileHandle(rawValue: inode.rawValue), keepsCache: true)
    }

    func read(_ handle: FileHandle, at offset: Int64, count: Int) throws(Errno) -> [ByteSlice] {
        let whole = ByteSlice(content(Int(handle.rawValue) - 2))
        let part = whole[Int(offset)..<min(Int(offset) + count, whole.count)]
        // In two slices, as a reader may give them.
        return [part[0..<part.count / 2], part[part.count / 2..<part.count]]
    }

    func release(_ handle: FileHandle) {}

    func openDirectory(_ inode: Inode) throws(Errno) -> FileHandle { FileHandle(rawValue: 1) }

    func readDirectory(
        _ handle: FileHandle, after cookie: UInt64, withAttributes attributes: Bool, _ body: (DirectoryEntry) -> Bool
    ) throws(Errno) {
        for index in names.indices.dropFirst(Int(cookie)) {
            let file = self.attributes(index)
            let entry = DirectoryEntry(
                name: names[index], inode: file.inode, type: .regular, cookie: UInt64(index) + 1,
                entry: attributes ? Entry(file, timeout: .seconds(1)) : nil)
            guard body(entry) else { return }
            if attributes { references.withLock { $0[file.inode, default: 0] += 1 } }
        }
    }

    func releaseDirectory(_ handle: FileHandle) {}

    func statistics() throws(Errno) -> FileSystemStatistics {
        FileSystemStatistics(blockSize: 4096, blocks: 1, freeBlocks: 0, files: 1, freeFiles: 0, longestName: 255)
    }
}

@Suite(.serialized) struct SessionTests {
    /// Mounts a file system for the time of a test.
    private func mounted(_ files: NamesFileSystem, _ body: (String) throws -> Void) throws {
        let folder = TemporaryFolder()
        let point = folder.makeFolder("mount")
        let ready = Monitor(false)
        let session = try Session(
            files, at: point, options: SessionOptions(source: "na,me\\s", subtype: "test")
        ) { ready.update { $0 = true } }
        let loop = try #require(Thread.start("session") { session.run(handlesSignals: false) })
        defer {
            session.stop()
            loop.join()
        }
        try #require(ready.wait(atMost: .seconds(30)) { $0 ? true : nil } == true)
        try body(point)
    }

    private func read(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 300_000)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            guard count > 0 else { return bytes }
            bytes += block[..<count]
        }
    }

    @Test func `files of a mount are read whole, by many threads`() throws {
        let files = NamesFileSystem(count: 8)
        try mounted(files) { point in
            let right = Monitor(0)
            let threads = (0..<8).compactMap { index in
                Thread.start("reader") {
                    if read(point + "/file-\(index)") == files.content(index) { right.update { $0 += 1 } }
                }
            }
            for thread in threads { thread.join() }
            #expect(right.withLock { $0 } == 8)
            #expect(open(point + "/absent", O_RDONLY) == -1)
            #expect(errno == ENOENT)
            #expect(open(point + "/file-1", O_RDWR) == -1)
            #expect(errno == EROFS)
        }
    }

    @Test func `a folder of ten thousand names is listed whole, with attributes, and forgotten`() throws {
        let files = NamesFileSystem(count: 10_000)
        try mounted(files) { point in
            let directory = try #require(opendir(point))
            var names: Set<String> = []
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                names.insert(name)
            }
            closedir(directory)
            #expect(names == Set(files.names))
            var status = stat()
            #expect(stat(point + "/file-77", &status) == 0)
            #expect(status.st_size == files.content(77).count)
        }
        // The kernel owes a forget for each reference, but for those that end with the mount.
        #expect(files.outstanding.values.allSatisfy { $0 > 0 })
    }

    @Test func `a mount point that is not there is an error`() {
        #expect(throws: SessionError.self) {
            _ = try Session(
                NamesFileSystem(count: 1), at: "/nonexistent/mount",
                options: SessionOptions(source: "x", subtype: "test"))
        }
    }
}
