import CLinux
import Glibc
import Synchronization

/// Builds one page of a listing by walking the folders of a ``DirectoryStore`` in the order of keys.
struct DirectoryWalk: ~Copyable {
    private let root: DirectoryRoot
    private let request: ListingRequest
    private let listings: DirectoryListings
    private var roll: ListingRoll
    /// The readings of names that this page is made of.
    private var walked: Set<UInt64> = []

    init(root: consuming DirectoryRoot, request: ListingRequest, listings: DirectoryListings) {
        self.root = root
        self.request = request
        self.listings = listings
        roll = ListingRoll(request)
    }

    consuming func page() throws(StorageError) -> ListingPage {
        // Nothing above the last folder of the prefix has keys that begin with it.
        let folder = request.prefix.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(request.prefix[...$0]) } ?? ""
        guard folder.isEmpty || DirectoryRoot.path(of: ObjectKey(folder)) != nil else { return ListingPage() }
        _ = try walk(folder)
        if let next = roll.page.next { listings.note(next, after: walked) }
        return roll.page
    }

    /// Adds what is in a folder, which is named with its `/` or empty for the root; `false` if the page is done.
    private mutating func walk(_ folder: String) throws(StorageError) -> Bool {
        let path = folder.isEmpty ? "." : String(decoding: folder.utf8.dropLast(), as: UTF8.self)
        let descriptor = clinux_open_beneath(root.descriptor, path, O_RDONLY | O_DIRECTORY, 0)
        // A folder that is gone, or that a link has taken the place of, has no keys; of any other nobody knows.
        guard descriptor >= 0 else {
            switch errno {
            case ENOENT, ENOTDIR, ELOOP, EXDEV: return true
            case EACCES: throw StorageError(.accessDenied, "the folder '\(folder)' may not be read")
            default: throw StorageError(errno: errno)
            }
        }
        let directory = DirectoryFile(takingOwnershipOf: descriptor)
        let (names, number) = try listings.names(of: folder, directory, after: request.token)
        if let number { walked.insert(number) }
        // A folder with nothing in it has no other key.
        if !folder.isEmpty, roll.mayTake(ObjectKey(folder)),
            names.isEmpty || request.showsFolders && directory.hasMetadata
        {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { return true }
            guard ObjectInfo(ObjectKey(folder), status, attributes: nil).map({ roll.add($0) }) ?? true else {
                return false
            }
        }
        for name in names {
            guard try add(name, in: folder, directory) else { return false }
        }
        return true
    }

    /// Adds a file, or what is in a folder, whose name has its `/`.
    private mutating func add(
        _ name: String, in folder: String, _ directory: DirectoryFile
    ) throws(StorageError) -> Bool {
        let key = ObjectKey(folder + name)
        if name.utf8.last == UInt8(ascii: "/") {
            switch roll.relevance(ofFolder: key.string) {
            case .skip: return true
            case .rolledUp: return roll.add(ObjectInfo(placeholder: ObjectKey(key.string + "x")))
            case .enter: return try walk(key.string)
            }
        }
        guard roll.mayTake(key) else { return true }
        var status = stat()
        guard fstatat(directory.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return true }
        if status.st_mode & S_IFMT == S_IFLNK { return follow(key) }
        return ObjectInfo(key, status, attributes: nil).map { roll.add($0) } ?? true
    }

    /// Adds the file that a link leads to, if that is in the folder.
    private mutating func follow(_ key: ObjectKey) -> Bool {
        guard let info = try? root.info(key) else { return true }
        return roll.add(info)
    }
}

extension ObjectInfo {
    /// A key that stands for all that are rolled up with it.
    fileprivate init(placeholder key: ObjectKey) {
        self.init(key: key, size: 0, etag: ETag(""), modified: Timestamp(nanoseconds: 0))
    }
}

/// The names in folders, in the order of keys, kept for a while so that the next page need not read them again.
final class DirectoryListings: Sendable {
    private struct Listing {
        let number: UInt64
        let folder: String
        let names: [String]
        /// With what the page after this one begins; `nil` as long as nobody has read to its end.
        var next: ListingToken?
    }

    private let recent = Mutex<[Listing]>([])
    private let count = Atomic<UInt64>(0)

    /// The names in a folder, those of folders with a `/` at the end.
    ///
    /// - Parameter token: With what a later page begins, for which the names that the page before saw will do.
    /// - Returns: The names, and the number of this reading of them if it is kept.
    func names(
        of folder: String, _ directory: DirectoryFile, after token: ListingToken?
    ) throws(StorageError) -> ([String], number: UInt64?) {
        let known = recent.withLock { recent in
            // What another walk saw a while ago is not what is there; of two at the same place, the later saw more.
            token.flatMap { token in recent.first { $0.folder == folder && $0.next == token } }
        }
        if let known { return (known.names, known.number) }
        let names = try Self.read(directory)
        // Only a folder of more than a page is worth it.
        guard names.count >= 1000 else { return (names, nil) }
        let number = count.wrappingAdd(1, ordering: .relaxed).newValue
        recent.withLock { recent in
            recent.insert(Listing(number: number, folder: folder, names: names), at: 0)
            if recent.count > 8 { recent.removeLast() }
        }
        return (names, number)
    }

    /// Notes with what the page begins that comes after one of some readings.
    func note(_ next: ListingToken, after readings: Set<UInt64>) {
        recent.withLock { recent in
            for index in recent.indices where readings.contains(recent[index].number) { recent[index].next = next }
        }
    }

    /// The names in a folder that are wanted, those of folders with a `/` at the end.
    ///
    /// The corresponding C function is `readdir`.
    static func read(
        _ directory: DirectoryFile, where isWanted: (String) -> Bool = { !DirectoryRoot.isTemporary($0) }
    ) throws(StorageError) -> [String] {
        let copy = openat(directory.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { throw StorageError(errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard let name = String(validating: bytes, as: UTF8.self), name != ".", name != "..",
                isWanted(name)
            else { continue }
            names.append(isFolder(entry.pointee, in: copy, name) ? name + "/" : name)
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func isFolder(_ entry: dirent, in directory: Int32, _ name: String) -> Bool {
        guard Int(entry.d_type) == DT_UNKNOWN else { return Int(entry.d_type) == DT_DIR }
        var status = stat()
        return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
