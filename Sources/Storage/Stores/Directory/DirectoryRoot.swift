import CLinux
import Glibc

/// An open folder that stands for a bucket.
struct DirectoryRoot: ~Copyable {
    let descriptor: Int32

    /// What the names of files begin with that are not objects yet.
    static let temporaryPrefix = ".objfs-new-"

    private let keeping: DirectoryStore.Keeping

    init(takingOwnershipOf descriptor: Int32, keeping: DirectoryStore.Keeping = .shared) {
        self.descriptor = descriptor
        self.keeping = keeping
    }

    deinit { close(descriptor) }

    /// Opens the file of an object.
    func open(_ key: ObjectKey, _ flags: Int32) throws(StorageError) -> DirectoryFile {
        guard let path = Self.path(of: key) else { throw .notFound() }
        let file = clinux_open_beneath(descriptor, path, flags, 0)
        guard file >= 0 else { throw Self.failure(errno) }
        return DirectoryFile(takingOwnershipOf: file)
    }

    func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        try open(key, O_RDONLY | O_NONBLOCK).info(key)
    }

    /// Creates or replaces an object: a new file is filled, made safe on the disk, and put in its place by one call.
    ///
    /// The corresponding C functions are `fsync` and `rename`.
    func write(
        _ key: ObjectKey, attributes: ObjectAttributes, condition: WriteCondition,
        fill: (DirectoryFile) throws(StorageError) -> Void
    ) throws(StorageError) -> ObjectInfo {
        guard let path = Self.path(of: key), !Self.isTemporary(path) else {
            throw StorageError(.invalid, "a folder can't hold such a key")
        }
        if key.endsInSlash { return try makeFolder(path, key, attributes, condition) }
        let (parent, name) = try makeParents(of: path)
        let temporary = Self.temporaryPrefix + "\(getpid())-\(UInt64.random(in: 0 ... .max))"
        // Nobody may read what replaces a file who could not read that.
        var status = stat()
        let replaces = keeping == .shared && fstatat(parent.descriptor, name, &status, 0) == 0
        let isPrivate = keeping == .own || replaces
        let created = openat(
            parent.descriptor, temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, isPrivate ? 0o600 : 0o666)
        guard created >= 0 else { throw StorageError(errno: errno) }
        let file = DirectoryFile(takingOwnershipOf: created)
        do throws(StorageError) {
            if replaces { try file.takeOwner(status, try? open(key, O_RDONLY | O_NONBLOCK)) }
            try file.set(attributes)
            try fill(file)
            guard keeping == .own || fsync(created) == 0 else { throw StorageError(errno: errno) }
            try put(temporary, in: parent, as: name, key, condition)
        } catch {
            unlinkat(parent.descriptor, temporary, 0)
            throw error
        }
        if keeping == .shared { fsync(parent.descriptor) }
        return try file.info(key)
    }

    /// Puts a finished file in its place, if the condition holds; the lock keeps other writers of objfs out meanwhile.
    private func put(
        _ temporary: String, in parent: DirectoryFile, as name: String, _ key: ObjectKey,
        _ condition: WriteCondition
    ) throws(StorageError) {
        switch condition {
        case .absent:
            guard clinux_rename_if_absent(parent.descriptor, temporary, parent.descriptor, name) == 0 else {
                guard errno == EEXIST else { throw StorageError(errno: errno) }
                throw StorageError(.preconditionFailed, "there is such an object already")
            }
            return
        case .unchanged(let version):
            guard flock(parent.descriptor, LOCK_EX) == 0 else { throw StorageError(errno: errno) }
            let current = try? info(key)
            guard current?.etag == version else { throw StorageError(.preconditionFailed, "the object has changed") }
        case .always:
            // A writer that insists on a version must not have the file replaced between its look and its rename.
            guard flock(parent.descriptor, LOCK_EX) == 0 else { throw StorageError(errno: errno) }
        }
        guard renameat(parent.descriptor, temporary, parent.descriptor, name) == 0 else {
            guard errno != EISDIR, errno != ENOTEMPTY else {
                throw StorageError(.invalid, "there is a folder of this name, and a folder can't hold both")
            }
            throw StorageError(errno: errno)
        }
    }

    /// Makes a folder, or lets one that is there carry something else.
    ///
    /// The corresponding C functions are `mkdir` and `fsetxattr`.
    private func makeFolder(
        _ path: String, _ key: ObjectKey, _ attributes: ObjectAttributes, _ condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        let (parent, name) = try makeParents(of: path)
        let isNew = mkdirat(parent.descriptor, name, keeping == .own ? 0o700 : 0o777) == 0
        guard isNew || errno == EEXIST else { throw StorageError(errno: errno) }
        guard isNew || condition != .absent else {
            throw StorageError(.preconditionFailed, "there is such an object already")
        }
        let folder = try openFolder(path)
        if case .unchanged(let version) = condition {
            guard !isNew, try folder.info(key).etag == version else {
                throw StorageError(.preconditionFailed, "the object has changed")
            }
        }
        do throws(StorageError) {
            try folder.replace(attributes)
        } catch {
            if isNew { unlinkat(parent.descriptor, name, AT_REMOVEDIR) }
            throw error
        }
        if keeping == .shared {
            fsync(folder.descriptor)
            fsync(parent.descriptor)
        }
        return try folder.info(key)
    }

    /// Makes the folders above a path; the last of them, open, and the last part of the path.
    func makeParents(of path: String) throws(StorageError) -> (DirectoryFile, String) {
        var folder = "."
        let parts = path.pathParts
        for part in parts.dropLast() {
            let next = folder == "." ? part : folder + "/" + part
            let parent = try openFolder(folder)
            if mkdirat(parent.descriptor, part, keeping == .own ? 0o700 : 0o777) != 0 {
                guard errno == EEXIST else { throw StorageError(errno: errno) }
            } else if keeping == .shared {
                fsync(parent.descriptor)
            }
            folder = next
        }
        return (try openFolder(folder), parts.last ?? "")
    }

    private func openFolder(_ path: String) throws(StorageError) -> DirectoryFile {
        let folder = clinux_open_beneath(descriptor, path, O_RDONLY | O_DIRECTORY, 0)
        guard folder >= 0 else {
            guard errno != ENOTDIR else {
                throw StorageError(.invalid, "there is a file of a folder's name, and a folder can't hold both")
            }
            throw Self.failure(errno)
        }
        return DirectoryFile(takingOwnershipOf: folder)
    }

    /// Deletes an object, a folder only if it has nothing in it, and says whether it is gone.
    ///
    /// The corresponding C function is `unlinkat`.
    func delete(_ key: ObjectKey) throws(StorageError) -> Bool {
        guard let path = Self.path(of: key) else { return true }
        let parts = path.pathParts
        let name = parts.last ?? ""
        let parent = clinux_open_beneath(
            descriptor, parts.count > 1 ? parts.dropLast().joined(separator: "/") : ".", O_RDONLY | O_DIRECTORY, 0)
        guard parent >= 0 else {
            guard errno != ENOENT, errno != ENOTDIR else { return true }
            throw Self.failure(errno)
        }
        defer { close(parent) }
        let flags = key.endsInSlash ? AT_REMOVEDIR : 0
        guard unlinkat(parent, name, flags) != 0 else { return true }
        if errno == ENOTEMPTY {
            try removeLeftovers(in: openFolder(path))
            guard unlinkat(parent, name, flags) != 0 else { return true }
        }
        switch errno {
        case ENOENT, ENOTDIR, EISDIR: return true
        case ENOTEMPTY: return false
        default: throw StorageError(errno: errno)
        }
    }

    /// Removes what a writer has left in a folder that ended more than a day ago.
    private func removeLeftovers(in folder: DirectoryFile) throws(StorageError) {
        for name in try DirectoryListings.read(folder, where: Self.isTemporary) {
            var status = stat()
            guard fstatat(folder.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
                time(nil) - status.st_mtim.tv_sec > 86_400
            else { continue }
            unlinkat(folder.descriptor, name, 0)
        }
    }

    /// The path of an object's file; `nil` for a key that no path can be.
    static func path(of key: ObjectKey) -> String? {
        var parts = key.string.pathParts
        if parts.count > 1, parts.last == "" { parts.removeLast() }
        guard !parts.isEmpty, parts.allSatisfy(isPossible) else { return nil }
        return parts.joined(separator: "/")
    }

    private static func isPossible(_ part: String) -> Bool {
        !part.isEmpty && part != "." && part != ".." && part.utf8.count <= 255 && !part.utf8.contains(0)
    }

    static func isTemporary(_ path: String) -> Bool {
        path.pathParts.last?.utf8.starts(with: temporaryPrefix.utf8) ?? false
    }

    private static func failure(_ number: Int32) -> StorageError {
        number == EXDEV || number == ELOOP
            ? StorageError(.accessDenied, "a link there leads out of the folder") : StorageError(errno: number)
    }
}

extension StorageError {
    /// What a system call on a file says.
    ///
    /// See: `man 3 errno`.
    init(errno number: Int32) {
        let reason = String(cString: strerror(number)).lowercased()
        switch number {
        case ENOENT, ENOTDIR, EISDIR: self = .notFound()
        case EACCES, EPERM, EROFS: self.init(.accessDenied, reason)
        case ENOSPC, EDQUOT: self.init(.noSpace, reason)
        case ENAMETOOLONG, EINVAL, EILSEQ: self.init(.invalid, reason)
        case ENOTSUP, ENOSYS: self.init(.unsupported, reason)
        default: self.init(.unavailable, reason)
        }
    }
}
