import Bytes
import Logging
import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import VFS

/// A store in memory that is written through an engine, with parts of a few bytes.
final class WritableStore {
    let mount: MountedStore
    let folder: TemporaryFolder
    static let small = UploadLimits(smallestPart: 64, largestPart: 640, parts: 10_000, largestObject: 1 << 30)
    static let caller = Caller(user: 1000, group: 100, umask: 0)

    init(
        _ objects: [String: String] = [:], tellsVersions: Bool = true, reserve: Int64 = 0, limits: UploadLimits = small,
        namesContent: Bool = false, service: String = "",
        options change: (inout EngineOptions) -> Void = { _ in }
    ) throws {
        let folder = TemporaryFolder()
        let journal = try Journal(root: folder.path, reserve: reserve, service: service)
        self.folder = folder
        mount = try MountedStore(
            objects, limits: limits, tellsVersions: tellsVersions, namesContent: namesContent
        ) { options in
            options.journal = journal
            change(&options)
        }
    }

    var engine: Engine { mount.engine }

    func split(_ path: String) -> (String, String) {
        let parts = path.split(separator: "/")
        return (parts.dropLast().joined(separator: "/"), String(parts.last ?? ""))
    }

    /// Opens a file as `open(2)` does, making it if it is not there.
    func open(_ path: String, _ flags: OpenFlags = [.reading, .writing]) throws(Errno) -> FileHandle {
        do throws(Errno) {
            let inode = try mount.lookup(path).inode
            guard !flags.contains(.exclusive) else { throw .fileExists }
            return try engine.open(inode, flags).handle
        } catch {
            guard error == .noSuchFileOrDirectory, flags.contains(.writing) else { throw error }
            let (parent, name) = split(path)
            return try engine.create(
                name, in: try mount.lookup(parent).inode, mode: 0o644, flags, by: Self.caller
            ).file.handle
        }
    }

    func close(_ handle: FileHandle) throws(Errno) {
        defer { engine.release(handle) }
        try engine.flush(handle, by: Self.caller)
    }

    func write(_ handle: FileHandle, _ text: String, at offset: Int64 = 0) throws(Errno) {
        try engine.write(handle, at: offset, ByteSlice(text.utf8))
    }

    /// Makes or replaces a whole file.
    func put(_ path: String, _ text: String) throws(Errno) {
        let handle = try open(path, [.writing, .truncating])
        do throws(Errno) {
            try write(handle, text)
        } catch {
            try? close(handle)
            throw error
        }
        try close(handle)
    }

    func truncate(_ path: String, to size: Int64) throws(Errno) {
        var change = AttributeChange()
        change.size = size
        _ = try engine.setAttributes(of: try mount.lookup(path).inode, change, handle: nil)
    }

    func setPermissions(_ path: String, to permissions: UInt32) throws(Errno) {
        var change = AttributeChange()
        change.permissions = permissions
        _ = try engine.setAttributes(of: try mount.lookup(path).inode, change, handle: nil)
    }

    func makeFolder(_ path: String) throws(Errno) {
        let (parent, name) = split(path)
        _ = try engine.makeDirectory(name, in: try mount.lookup(parent).inode, mode: 0o755, by: Self.caller)
    }

    func link(_ path: String, to target: String) throws(Errno) {
        let (parent, name) = split(path)
        _ = try engine.makeSymbolicLink(name, in: try mount.lookup(parent).inode, to: target, by: Self.caller)
    }

    func unlink(_ path: String) throws(Errno) {
        let (parent, name) = split(path)
        try engine.unlink(name, in: try mount.lookup(parent).inode)
    }

    func removeFolder(_ path: String) throws(Errno) {
        let (parent, name) = split(path)
        try engine.removeDirectory(name, in: try mount.lookup(parent).inode)
    }

    func rename(_ old: String, _ new: String, flags: UInt32 = 0) throws(Errno) {
        let (parent, name) = split(old)
        let (newParent, newName) = split(new)
        try engine.rename(
            name, in: try mount.lookup(parent).inode, to: newName, in: try mount.lookup(newParent).inode, flags: flags)
    }

    /// What the store has of a key, as text; `nil` if nothing.
    func stored(_ key: String) -> String? {
        (try? mount.memory.read(ObjectKey(key))).map { String(decoding: $0, as: UTF8.self) }
    }

    /// What a daemon leaves in the journal that is killed now: nobody holds its lock.
    func copyOfJournal() throws -> TemporaryFolder {
        let copy = TemporaryFolder()
        for daemon in TemporaryFolder.names(in: folder.path) {
            for name in TemporaryFolder.names(in: folder.path + "/" + daemon) {
                copy.write("1-dead/" + name, TemporaryFolder.bytes(of: folder.path + "/" + daemon + "/" + name))
            }
        }
        return copy
    }

    /// What is found of that.
    func leftByKill() throws -> [LeftBehind] {
        let copy = try copyOfJournal()
        return withExtendedLifetime(copy) { LeftBehind.all(in: copy.path) }
    }

    /// What a mount that has ended should not leave.
    func remains() throws -> [String] {
        engine.unmounted()
        var notes: [String] = []
        if try !mount.memory.uploads(prefix: "").isEmpty { notes.append("an upload is left") }
        if !journal.isEmpty { notes.append("the journal has \(journal)") }
        return notes
    }

    /// What the data files of the journal have, but for what was given back to the disk.
    var staged: [UInt8] {
        TemporaryFolder.names(in: folder.path).flatMap { daemon in
            TemporaryFolder.names(in: folder.path + "/" + daemon).filter { $0.hasSuffix(".data") }
                .flatMap { TemporaryFolder.bytes(of: folder.path + "/" + daemon + "/" + $0) }
        }.filter { $0 != 0 }
    }

    /// The names in the journal that are not the lock.
    var journal: [String] {
        TemporaryFolder.names(in: folder.path).flatMap { TemporaryFolder.names(in: folder.path + "/" + $0) }
            .filter { $0 != "lock" }
    }
}

extension Errno {
    /// What something throws; `nil` if it succeeds.
    static func thrown(_ body: () throws(Errno) -> Void) -> Errno? {
        do throws(Errno) {
            try body()
            return nil
        } catch {
            return error
        }
    }
}
