import Glibc
import ObjfsConfiguration
import ObjfsMount
import Storage

/// A place that somebody named, by a URL or a path: a store, and a key or the beginning of keys in it.
struct Location {
    let store: any ObjectStore
    /// The key; empty for the whole bucket or folder.
    let key: String
    /// The name of its bucket; `nil` for a folder of this machine.
    let bucket: String?
    /// What stands before a key of this store where people read it.
    private let prefix: String

    /// Finds the place that a text names.
    ///
    /// A path in a mount of objfs means what is mounted there, and is not read through the mount.
    ///
    /// - Parameter isPath: Whether people call its objects by paths rather than by URLs.
    private init(_ text: String, _ stores: StoreFactory, isPath: Bool = false) throws(StorageError) {
        guard ObjectURL.isURL(text) else { throw StorageError(.invalid, "not a URL") }
        let url = try ObjectURL(text)
        switch url.scheme {
        case .s3:
            guard !url.bucket.isEmpty else {
                throw StorageError(.invalid, "no bucket is named", hint: "write s3://BUCKET/KEY")
            }
            store = try stores.store(url)
            key = url.key
            bucket = url.bucket
            prefix = "s3://\(url.bucket)/"
        case .file:
            let (folder, rest) = Self.split(url.bucket)
            store = try stores.store(ObjectURL(scheme: .file, bucket: folder, key: ""))
            key = rest
            bucket = nil
            prefix = (isPath ? "" : "file://") + (folder == "/" ? "" : folder) + "/"
        }
    }

    /// Finds the place that a URL or a path names.
    static func find(_ text: String, _ stores: StoreFactory) throws(StorageError) -> Location {
        if ObjectURL.isURL(text) { return try Location(text, stores) }
        guard !text.isEmpty else { throw StorageError(.invalid, "no name") }
        // What looks like a URL and is none of ours should not be taken for a path that happens to be missing.
        if text.contains("://") { _ = try ObjectURL(text) }
        if let (mount, rest) = MountTable.find(text) {
            let source = mount.source
            let isBare = source.hasSuffix("/") || rest.isEmpty
            return try Location(source == "s3:" ? "s3://" + rest : source + (isBare ? "" : "/") + rest, stores)
        }
        return try Location("file://" + AbsolutePath.of(text) + (text.hasSuffix("/") ? "/" : ""), stores, isPath: true)
    }

    /// The beginning of all keys in the folder that this names: empty for all, else with a `/` at its end.
    var folder: String { key.isEmpty || key.hasSuffix("/") ? key : key + "/" }

    /// Whether its objects are files of this machine.
    var isLocal: Bool { bucket == nil }

    /// The folder of this machine in which its files are, with what only a folder can do.
    func localFolder() throws(StorageError) -> DirectoryStore {
        let scheme = "file://"
        guard isLocal, store.name.hasPrefix(scheme) else { throw StorageError(.unsupported, "not a folder here") }
        return DirectoryStore(path: String(store.name.dropFirst(scheme.count)))
    }

    /// Where an object is, the same for every way to name it.
    func address(_ key: ObjectKey) -> String {
        (store.name.hasSuffix("/") ? String(store.name.dropLast()) : store.name) + "/" + key.string
    }

    /// What people call an object of this store.
    func name(_ key: ObjectKey) -> String { prefix + key.string }

    /// The folder that is there in a path, and the rest: the key of a file in it.
    private static func split(_ path: String) -> (folder: String, key: String) {
        var parts = path.pathParts.filter { !$0.isEmpty }
        var rest: [String] = []
        while true {
            let folder = "/" + parts.joined(separator: "/")
            var status = stat()
            if stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
                return (folder, rest.joined(separator: "/"))
            }
            guard let last = parts.popLast() else { return ("/", rest.joined(separator: "/")) }
            rest.insert(last, at: 0)
        }
    }
}
