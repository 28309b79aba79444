package import Bytes
import CLinux
import Glibc

/// A folder that stands for a bucket: its files are the objects, and their paths in it are the keys.
///
/// A file and a folder of one name can't both be there, so of the keys `a` and `a/b` it takes only one.
/// A folder is an object whose key ends in `/`, and is listed if it has nothing in it.
/// No key, and no link in the folder, leads out of it; links to folders, files that are no regular ones,
/// and names that are not UTF-8 are not shown.
package final class DirectoryStore: ObjectStore {
    /// The folder, as it was given.
    private let path: String
    private let listings = DirectoryListings()
    private let keeping: Keeping

    /// How files are kept.
    package enum Keeping: Sendable {
        /// As anybody's: by the mask of permissions of this process, and safe on the disk before a write returns.
        case shared
        /// For their owner alone, and not forced to the disk: a crash of the machine may cost the last of them.
        case own
    }

    package init(path: String, keeping: Keeping = .shared) {
        self.keeping = keeping
        var path = path
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.path = path
    }

    package var name: String { "file://\(path)" }
    package var sinkMayBlock: Bool { true }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        let root = try openRoot()
        return try root.info(key)
    }

    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage {
        try DirectoryWalk(root: openRoot(), request: request, listings: listings).page()
    }

    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        let root = try openRoot()
        let file = try root.open(key, O_RDONLY | O_NONBLOCK)
        let info = try file.info(key)
        guard version == nil || version == info.etag else { throw .changed() }
        guard !info.key.endsInSlash else { return info }
        let whole = 0..<info.size
        try file.read((range ?? whole).clamped(to: whole), unlessChanged: info, into: sink)
        return info
    }

    package func file(_ key: ObjectKey, ifVersion version: ETag) throws(StorageError) -> (any OpenObject)? {
        let file = try openRoot().open(key, O_RDONLY | O_NONBLOCK)
        let info = try file.info(key)
        guard version == info.etag else { throw .changed() }
        return DirectoryObject(file, info)
    }

    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        try openRoot().write(key, attributes: attributes, condition: condition) { (file) throws(StorageError) in
            try file.write(body)
        }
    }

    package func delete(_ key: ObjectKey) throws(StorageError) {
        guard try !openRoot().delete(key) else { return }
        // Where there are objects, their folder is there as well.
        let page = try list(ListingRequest(prefix: key.string, limit: 2))
        guard page.objects.allSatisfy({ $0.key == key }) else { return }
        // The last of them may have gone meanwhile.
        guard try !openRoot().delete(key) else { return }
        throw StorageError(.preconditionFailed, "there is something in the folder that is no object")
    }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        let root = try openRoot()
        let file = try root.open(source, O_RDONLY | O_NONBLOCK)
        let info = try file.info(source)
        guard version == nil || version == info.etag else { throw .changed() }
        let attributes = attributes ?? info.attributes ?? ObjectAttributes()
        return try root.write(target, attributes: attributes, condition: .always) { (copy) throws(StorageError) in
            var failure: StorageError?
            try file.read(0..<info.size, unlessChanged: info) { part in
                do throws(StorageError) { try copy.write(part) } catch { failure = error }
                return failure == nil
            }
            if let failure { throw failure }
        }
    }

    func openRoot() throws(StorageError) -> DirectoryRoot {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let number = errno
            guard number == ENOENT || number == ENOTDIR else { throw StorageError(errno: number) }
            throw StorageError(.noSuchBucket, number == ENOENT ? "no such folder" : "not a folder")
        }
        return DirectoryRoot(takingOwnershipOf: descriptor, keeping: keeping)
    }
}
