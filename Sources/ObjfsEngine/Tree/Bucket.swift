import Storage
import Synchronization
import Threads
import VFS

/// One bucket that is mounted: its store, what is known of its keys, and its files that were changed here.
final class Bucket: Sendable {
    /// Its name in the account; empty where the bucket is the whole mount.
    let name: String
    let store: any ObjectStore
    let listings: Listings
    let attributes = AttributeCache()
    private let retired = Mutex<Set<Version>>([])
    private let changes = Mutex(Changes())
    private let lacksPartCopies = Atomic(false)
    private let namesVersions = Atomic(false)
    private let permission = Mutex(Permission())
    private let copies = Mutex<[LiveFile]>([])
    /// Kept by who looks names up, opens or changes what they stand for.
    let names = NameGate()
    /// Kept by who changes names in folders, and by who renames the folders.
    let folders = NameGate()

    /// Where the store was seen to take objects, and where not.
    private struct Permission {
        var wasGranted = false
        /// Folders, by their prefix, in which an object was refused.
        var refused: Set<ObjectKey> = []
    }

    private struct Version: Hashable {
        let key: ObjectKey
        let etag: ETag
    }

    /// What this mount knows that the store's listing may not.
    private struct Changes {
        /// The files that were changed here and have an inode number, by their folder and their key.
        private var filesByFolder: [ObjectKey: [ObjectKey: LiveFile]] = [:]
        /// Folders that were there and may have nothing in them by now, by the one that they are in.
        private var foldersByFolder: [ObjectKey: Set<ObjectKey>] = [:]
        /// The markers of folders that were asked for.
        var markers: [ObjectKey: FolderMarker] = [:]

        subscript(file key: ObjectKey) -> LiveFile? {
            get { filesByFolder[key.folder]?[key] }
            set {
                let folder = key.folder
                filesByFolder[folder, default: [:]][key] = newValue
                if filesByFolder[folder]?.isEmpty ?? false { filesByFolder[folder] = nil }
            }
        }

        func files(in folder: ObjectKey) -> [ObjectKey: LiveFile] { filesByFolder[folder] ?? [:] }
        var files: [LiveFile] { filesByFolder.values.flatMap(\.values) }

        func hasFolder(_ key: ObjectKey) -> Bool { foldersByFolder[key.folder]?.contains(key) ?? false }
        func folders(in folder: ObjectKey) -> Set<ObjectKey> { foldersByFolder[folder] ?? [] }
        mutating func keepFolder(_ key: ObjectKey) { foldersByFolder[key.folder, default: []].insert(key) }

        func folders(below prefix: String) -> [String] {
            foldersByFolder.values.flatMap { $0.map(\.string) }.filter { $0.beginsWithBytes(of: prefix) }
        }

        mutating func dropFolders(below prefix: String) {
            for (folder, keys) in foldersByFolder {
                let left = keys.filter { !$0.string.beginsWithBytes(of: prefix) }
                foldersByFolder[folder] = left.isEmpty ? nil : left
            }
        }
    }

    init(name: String, store: any ObjectStore, options: EngineOptions) {
        self.name = name
        self.store = store
        listings = Listings(store: store, ttl: options.metadataTTL, absenceTTL: options.absenceTTL)
    }

    /// Remembers that a version is no longer the one in the store, and forgets what was known of its folder.
    func retire(_ object: ObjectInfo) {
        retired.withLock { versions in
            // The kernel asks for a new version at once; what is long past need not be remembered.
            if versions.count >= 1024 { versions.removeAll() }
            versions.insert(Version(key: object.key, etag: object.etag))
        }
        listings.forget(object.key)
    }

    /// Notes that the store has just named a version; it may be an old one that was put back.
    func confirm(_ object: ObjectInfo) {
        retired.withLock { versions in
            guard !versions.isEmpty else { return }
            versions.remove(Version(key: object.key, etag: object.etag))
        }
    }

    /// Whether the store was seen to have another version since it named this one.
    func isRetired(_ object: ObjectInfo) -> Bool {
        retired.withLock { versions in
            !versions.isEmpty && versions.contains(Version(key: object.key, etag: object.etag))
        }
    }

    /// Whether the store said that it can't copy parts.
    var copiesNoParts: Bool { lacksPartCopies.load(ordering: .relaxed) }
    func noteNoPartCopies() { lacksPartCopies.store(true, ordering: .relaxed) }

    /// Whether a version is the one that the end of an upload named, as far as the store was seen to name them so.
    ///
    /// With services that name it by another word, another client's object of the same size is taken for it.
    func isVersion(_ version: ETag, named name: ETag) -> Bool {
        guard version != name else {
            namesVersions.store(true, ordering: .relaxed)
            return true
        }
        return !namesVersions.load(ordering: .relaxed)
    }

    // MARK: What may be written

    /// How many bytes a key has at most.
    var longestKey: Int { store.uploadLimits.longestKey }

    /// Whether it is worth asking, before a file is written, if the store will take it.
    func mayRefuse(_ key: ObjectKey) -> Bool {
        permission.withLock { !$0.wasGranted || $0.refused.contains(key.folder) }
    }

    /// Notes that the store took an object.
    func noteGranted(_ key: ObjectKey) {
        permission.withLock { permission in
            permission.wasGranted = true
            if !permission.refused.isEmpty { permission.refused.remove(key.folder) }
        }
    }

    /// Notes that the store refused an object.
    func noteRefused(_ key: ObjectKey) {
        permission.withLock { permission in
            if permission.refused.count >= 1000 { permission.refused.removeAll() }
            permission.refused.insert(key.folder)
        }
    }

    // MARK: Files that were changed here

    /// The file of a key that was changed here, if there is one.
    func file(_ key: ObjectKey) -> LiveFile? { changes.withLock { $0[file: key] } }

    /// The file of a key, made by `make` if there is none that `isRight`.
    func file(
        _ key: ObjectKey, if isRight: (LiveFile) -> Bool = { _ in true }, orMake make: () -> LiveFile
    ) -> LiveFile {
        changes.withLock { changes in
            if let file = changes[file: key], isRight(file) { return file }
            let file = make()
            changes[file: key] = file
            return file
        }
    }

    /// Forgets that a file was changed here.
    func drop(_ file: LiveFile) { drop(file, from: file.key) }

    /// Forgets that a file has a key, if it has it still.
    func drop(_ file: LiveFile, from key: ObjectKey) {
        changes.withLock { changes in
            if changes[file: key] === file { changes[file: key] = nil }
        }
    }

    /// Sees to it that a file has its name, unless it has none any more or another file has it.
    func keep(_ file: LiveFile) {
        let (key, isThere) = file.state.withLock { state in
            (state.key, !state.isUnlinked && (state.info != nil || state.draft != nil))
        }
        guard isThere else { return }
        changes.withLock { changes in
            if changes[file: key] == nil { changes[file: key] = file }
        }
    }

    /// Gives a file another key; one that had it loses it, and is returned.
    func move(_ file: LiveFile, to key: ObjectKey) -> LiveFile? {
        let old = file.key
        return changes.withLock { changes in
            if changes[file: old] === file { changes[file: old] = nil }
            let previous = changes[file: key]
            changes[file: key] = file
            file.state.update { $0.key = key }
            return previous === file ? nil : previous
        }
    }

    /// Notes that the content of a file is that of another object so far.
    func noteCopy(_ file: LiveFile) {
        copies.withLock { copies in
            if copies.count >= 64 { copies.removeAll { !$0.isCopy(of: .below("")) } }
            copies.append(file)
        }
    }

    /// The files whose content is that of some objects so far, which are others.
    func copies(of names: NameGate.Names) -> [LiveFile] {
        copies.withLock { $0.isEmpty ? [] : $0.filter { $0.isCopy(of: names) } }
    }

    /// All files that were changed here whose keys begin so.
    func files(below prefix: String) -> [LiveFile] {
        changes.withLock { changes in
            changes.files.filter { $0.key.string.beginsWithBytes(of: prefix) }
        }
    }

    /// Takes the turn of a file, at a time when no folder that it is in is being renamed.
    func takeTurn(of file: LiveFile) {
        while true {
            folders.waitWhileChanging(file.key)
            file.takeTurn()
            guard folders.isChanging(file.key) else { return }
            file.endTurn()
        }
    }

    /// Whether a file of that name, or a folder that it is in, may be about to get another name.
    func isRenaming(_ key: ObjectKey) -> Bool { names.isChanging(key) || folders.isChanging(key) }

    // MARK: Folders

    /// Remembers that a folder is there, whether or not the store has anything in it.
    func keepFolder(_ prefix: String) {
        guard !prefix.isEmpty else { return }
        changes.withLock { $0.keepFolder(ObjectKey(prefix)) }
    }

    func hasFolder(_ prefix: String) -> Bool { changes.withLock { $0.hasFolder(ObjectKey(prefix)) } }

    /// Forgets a folder and all that was in it.
    func dropFolder(_ prefix: String) {
        changes.withLock { changes in
            changes.dropFolders(below: prefix)
            changes.markers = changes.markers.filter { !$0.key.string.beginsWithBytes(of: prefix) }
        }
    }

    /// The folders below one that are there, whether or not the store has anything in them.
    func keptFolders(below prefix: String) -> [String] { changes.withLock { $0.folders(below: prefix) } }

    /// The marker of a folder, if it was asked for.
    func marker(ofFolder prefix: String) -> FolderMarker? { changes.withLock { $0.markers[ObjectKey(prefix)] } }

    /// The marker of a folder, if it was asked for a short while ago.
    func marker(ofFolder prefix: String, notOlderThan age: Duration) -> FolderMarker? {
        marker(ofFolder: prefix).flatMap { $0.learned + age > .now ? $0 : nil }
    }

    func note(_ marker: FolderMarker, ofFolder prefix: String) {
        changes.withLock { changes in
            if changes.markers.count >= 100_000 { changes.markers.removeAll() }
            changes.markers[ObjectKey(prefix)] = marker
        }
    }

    /// The names of a folder that the store's listing may lack: of files not stored yet, and of folders without keys.
    func unlisted(in prefix: String) -> [(name: String, file: LiveFile?)] {
        changes.withLock { changes in
            var names: [(name: String, file: LiveFile?)] = []
            for (key, file) in changes.files(in: ObjectKey(prefix)) where file.isUnstored {
                names.append((key.string.droppingBytes(prefix.utf8.count), file))
            }
            for key in changes.folders(in: ObjectKey(prefix)) {
                let path = String(decoding: key.string.utf8.dropLast(), as: UTF8.self)
                names.append((path.droppingBytes(prefix.utf8.count), nil))
            }
            return names.sorted { comesBefore($0.name, $1.name) }
        }
    }
}
