import Bytes
import Logging
import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import VFS

/// An engine over a store in memory, used as a program uses a mount: by paths.
struct MountedStore: Sendable {
    let memory: InMemoryStore
    let counter: CountingStore
    let engine: Engine

    init(
        _ objects: [String: String] = [:], beforeRead: (@Sendable (Int) throws(StorageError) -> Void)? = nil,
        limits: UploadLimits = .s3, tellsVersions: Bool = true, namesContent: Bool = false,
        options change: (inout EngineOptions) -> Void = { _ in }
    ) throws {
        let memory = InMemoryStore(limits: limits, namesContent: namesContent)
        self.memory = memory
        for (key, content) in objects { try memory.write(ObjectKey(key), content.utf8) }
        counter =
            beforeRead.map { CountingStore(memory, tellsVersions: tellsVersions, beforeRead: $0) }
            ?? CountingStore(memory, tellsVersions: tellsVersions)
        var options = EngineOptions(owner: 1000, group: 100)
        change(&options)
        engine = Engine(
            .bucket(counter), options: options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Looks up each part of a path, without a cache like the kernel's.
    func lookup(_ path: String) throws(Errno) -> Attributes {
        var attributes = try engine.attributes(of: VFS.Inode.root)
        for name in path.split(separator: "/") {
            attributes = try engine.lookup(String(name), in: attributes.inode).attributes
        }
        return attributes
    }

    /// The names of a directory, with what they are.
    func list(_ path: String, withAttributes: Bool = false) throws(Errno) -> [DirectoryEntry] {
        let handle = try engine.openDirectory(try lookup(path).inode)
        defer { engine.releaseDirectory(handle) }
        var entries: [DirectoryEntry] = []
        var isFinished = false
        while !isFinished {
            // The kernel's buffer takes a few entries at a time.
            var room = 50
            isFinished = true
            try engine.readDirectory(handle, after: entries.last?.cookie ?? 0, withAttributes: withAttributes) {
                guard room > 0 else { return false }
                room -= 1
                entries.append($0)
                isFinished = false
                return true
            }
        }
        return entries.filter { $0.name != "." && $0.name != ".." }
    }

    func names(_ path: String) throws(Errno) -> [String] { try list(path).map(\.name).sorted() }

    /// Reads a whole file, some bytes at a time.
    func read(_ path: String, by count: Int = 1000) throws(Errno) -> [UInt8] {
        let file = try engine.open(try lookup(path).inode, .reading)
        defer { engine.release(file.handle) }
        var bytes: [UInt8] = []
        while true {
            let more = try engine.read(file.handle, at: Int64(bytes.count), count: count).flatMap(\.array)
            guard !more.isEmpty else { return bytes }
            bytes += more
        }
    }

    func text(_ path: String) throws(Errno) -> String { String(decoding: try read(path), as: UTF8.self) }
}
