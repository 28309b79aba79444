import Chunks
import Records
import Storage
package import SystemPackage
import Threads
package import VFS

extension Engine {
    package func lookup(_ name: String, in parent: Inode) throws(Errno) -> Entry {
        guard name.utf8.count <= FileName.longest else { throw .fileNameTooLong }
        guard FileName.isPossible(name) else { throw .noSuchFileOrDirectory }
        switch try node(parent) {
        case .account: return try lookupBucket(name)
        case .folder(let folder):
            do throws(Errno) {
                return try lookup(name, in: folder)
            } catch {
                guard error == .noSuchFileOrDirectory else { throw error }
                // The folder may have been renamed meanwhile, or be half so.
                folder.bucket.folders.waitWhileChanging(ObjectKey(folder.prefix + name))
                guard case .folder(let now) = try node(parent), !sameBytes(now.prefix, folder.prefix) else {
                    throw error
                }
                return try lookup(name, in: parent)
            }
        case .chunkFolder(let folder): return try lookupChunk(name, in: folder)
        case .object, .file, .chunk: throw .notDirectory
        }
    }

    private func lookupBucket(_ name: String) throws(Errno) -> Entry {
        guard let buckets else { throw .noSuchFileOrDirectory }
        let found = try answering("lookup", "\(buckets.name)\(name)") { () throws(StorageError) in
            try buckets.find(name)
        }
        guard let (bucket, expires) = found else { throw .noSuchFileOrDirectory }
        return try entry(.folder(Folder(bucket: bucket, prefix: "")), expires: expires)
    }

    private func lookup(_ name: String, in folder: Folder) throws(Errno) -> Entry {
        let (chunks, plain) = (ChunkFolderName(name), PlainFileName(name))
        let stem = chunks?.file ?? plain?.file
        let key = ObjectKey(folder.prefix + name)
        let entry = try folder.bucket.names.whileUsing(key) { () throws(Errno) -> Entry? in
            // What is changed while the store is asked is asked for again, but not for ever.
            var tries = 8
            while true {
                tries -= 1
                switch try answer(name, key, in: folder, stem: stem, isLast: tries == 0) {
                case .entry(let entry): return entry
                case .nothing: return nil
                case .changed: continue
                }
            }
        }
        if let entry { return entry }
        if let chunks { return try lookup(chunks, called: name, in: folder) }
        if let plain { return try lookup(plain, in: folder) }
        throw .noSuchFileOrDirectory
    }

    /// What a name was found to be.
    private enum Answer {
        case entry(Entry)
        case nothing
        /// It was changed here after the store was asked.
        case changed
    }

    private func answer(
        _ name: String, _ key: ObjectKey, in folder: Folder, stem: String?, isLast: Bool
    ) throws(Errno) -> Answer {
        let bucket = folder.bucket
        let file = bucket.file(key)
        file?.waitForVersion()
        // What is being written is what it is, whatever the store has.
        if let file, file.stands(for: nil) {
            return .entry(try entry(.file(file), expires: .now + options.metadataTTL))
        }
        let finding = try answering("lookup", folder.url(name)) { () throws(StorageError) in
            try bucket.listings.find(name, in: folder.prefix, stem: stem)
        }
        func isChanged() -> Bool {
            // Who opens it to write it meanwhile changes it too.
            bucket.listings.isChanged(key.string, in: folder.prefix, since: finding.asked) || bucket.file(key) !== file
        }
        if case .object(let info) = finding.found, let file, file.stands(for: info), try isUpToDate(file, info) {
            // The store has just named it: it is not gone, whatever was thought.
            if !isChanged() { bucket.confirm(info) }
            return .entry(try entry(.file(file), expires: finding.expires))
        }
        guard isLast || !isChanged() else { return .changed }
        switch finding.found {
        case .object(let info):
            let object = try answering("lookup", folder.url(name)) { () throws(StorageError) in
                try described(ObjectVersion(bucket: bucket, info: info), alone: finding.isAlone)
            }
            guard isLast || !isChanged() else { return .changed }
            if let file { bucket.drop(file, from: key) }
            return .entry(try entry(.object(object), expires: finding.expires))
        case .folder:
            let found = Folder(bucket: bucket, prefix: key.string + "/")
            try answering("lookup", folder.url(name)) { () throws(StorageError) in
                try describe(found, alone: finding.isAlone)
            }
            return .entry(try entry(.folder(found), expires: finding.expires))
        case .file(let file): return .entry(try entry(.file(file), expires: finding.expires))
        case nil: break
        }
        if let file { bucket.drop(file, from: key) }
        guard bucket.hasFolder(key.string + "/") else { return .nothing }
        return .entry(try entry(.folder(Folder(bucket: bucket, prefix: key.string + "/")), expires: finding.expires))
    }

    /// Brings what is known of a file that was changed here up to date; `false` if it is another kind of file by now.
    private func isUpToDate(_ file: LiveFile, _ found: ObjectInfo) throws(Errno) -> Bool {
        guard options.permissions == .persist, file.mayCarryOther(than: found) else { return true }
        let object = ObjectVersion(bucket: file.bucket, info: found)
        return try answering("lookup", object.url) { () throws(StorageError) in
            guard let info = try asked(object) else { return true }
            return file.take(info.attributes ?? ObjectAttributes(), listed: found)
        }
    }

    /// What a name of a folder is; `nil` where there is nothing.
    ///
    /// - Parameter absence: How long ago the store may have been asked that said that the name is not there;
    ///   `nil` for as long as the user allows.
    func find(
        _ name: String, in folder: Folder, _ operation: String, absence: Duration? = nil
    ) throws(Errno) -> Found? {
        let key = ObjectKey(folder.prefix + name)
        let file = folder.bucket.file(key)
        file?.waitForVersion()
        if let file, file.stands(for: nil) { return .file(file) }
        let finding = try answering(operation, folder.url(name)) { () throws(StorageError) in
            try folder.bucket.listings.find(name, in: folder.prefix, absence: absence)
        }
        if case .object(let info) = finding.found, let file, file.stands(for: info) {
            return .file(file)
        }
        if finding.found == nil, folder.bucket.hasFolder(key.string + "/") { return .folder }
        return finding.found
    }

    /// Finds `F@chunks…`, where no key has that name.
    private func lookup(_ name: ChunkFolderName, called full: String, in folder: Folder) throws(Errno) -> Entry {
        let parameters: ChunkParameters
        do throws(ChunkParametersError) {
            parameters = try ChunkParameters(words: name.words, defaults: options.chunks)
        } catch {
            complaints.tell("lookup: \(folder.url(full)): \(error.description)")
            throw .noSuchFileOrDirectory
        }
        let (object, expires) = try version(name.file, in: folder)
        let chunks = ChunkFolder(
            object, parameters: parameters, borders: options.borders, pool: searchers,
            decompressing: decompressing)
        return try entry(.chunkFolder(chunks), expires: expires)
    }

    /// Finds `F@plain`, where no key has that name: the one chunk of all that the object decompresses to.
    private func lookup(_ name: PlainFileName, in folder: Folder) throws(Errno) -> Entry {
        let (object, expires) = try version(name.file, in: folder)
        let chunks = ChunkFolder(
            object, parameters: ChunkParameters(cut: .count(1)), borders: options.borders, pool: searchers,
            decompressing: decompressing)
        return try entry(.chunk(chunks, 0), expires: expires)
    }

    /// The version of an object that is to be shown in another way, and how long it is sure to be the newest.
    private func version(
        _ name: String, in folder: Folder
    ) throws(Errno) -> (ObjectVersion, expires: ContinuousClock.Instant) {
        let info: ObjectInfo
        let expires: ContinuousClock.Instant
        if let stored = try storedVersion(name, in: folder) {
            info = stored
            expires = .now + options.metadataTTL
        } else {
            let finding = try answering("lookup", folder.url(name)) { () throws(StorageError) in
                try folder.bucket.listings.find(name, in: folder.prefix)
            }
            guard case .object(let found) = finding.found else { throw .noSuchFileOrDirectory }
            info = found
            expires = finding.expires
        }
        folder.bucket.confirm(info)
        return (ObjectVersion(bucket: folder.bucket, info: info), expires)
    }

    /// The version that the store has of a file that was changed here.
    ///
    /// What somebody has half written is cut when they have closed it, and not stored for who merely asks.
    private func storedVersion(_ name: String, in folder: Folder) throws(Errno) -> ObjectInfo? {
        guard let file = folder.bucket.file(ObjectKey(folder.prefix + name)), file.stands(for: nil) else { return nil }
        if !file.isBeingWritten { try commit(file, "lookup") }
        file.waitForVersion()
        guard let info = file.state.withLock({ $0.info }) else { throw .noSuchFileOrDirectory }
        return info
    }

    private func lookupChunk(_ name: String, in folder: ChunkFolder) throws(Errno) -> Entry {
        let names = try asking(folder.object, "lookup", folder.object.url) { () throws(StorageError) in
            try folder.names()
        }
        guard let number = names.index(name) else { throw .noSuchFileOrDirectory }
        // The chunks of a version never change; how long there is that version, the folder's own name tells.
        return try entry(.chunk(folder, number), expires: .now + max(options.metadataTTL, .seconds(60)))
    }

    /// Counts a reference to a node, and says what `lookup` answers.
    func entry(_ node: Node, expires: ContinuousClock.Instant) throws(Errno) -> Entry {
        if case .object(let object) = node { object.bucket.confirm(object.info) }
        let (inode, node) = inodes.reference(node)
        // The kernel may just have forgotten it.
        if case .file(let file) = node { file.bucket.keep(file) }
        do throws(Errno) {
            let attributes = try attributes(of: node, inode)
            return Entry(attributes, timeout: max(expires - .now, .zero))
        } catch {
            inodes.forget(inode, references: 1)
            throw error
        }
    }
}

extension Folder {
    /// The URL of a name of the folder, for messages.
    func url(_ name: String) -> String { "\(bucket.store.name)/\(prefix)\(name)" }

    /// What stands for a name of the folder.
    func node(_ name: String, _ found: Found) -> Node {
        switch found {
        case .folder: .folder(Folder(bucket: bucket, prefix: prefix + name + "/"))
        case .object(let info):
            if let file = bucket.file(info.key), file.stands(for: info) {
                .file(file)
            } else {
                .object(ObjectVersion(bucket: bucket, info: info).withKnownAttributes)
            }
        case .file(let file): .file(file)
        }
    }
}

extension ObjectVersion {
    /// The same with what it carries, if that is known.
    var withKnownAttributes: ObjectVersion {
        bucket.attributes.attributes(of: info).map { carrying($0) } ?? self
    }

    /// The URL of the object.
    var url: String { "\(bucket.store.name)/\(key)" }
}
