import Chunks
import Records
import Storage
package import SystemPackage
package import VFS

extension Engine {
    package func lookup(_ name: String, in parent: Inode) throws(Errno) -> Entry {
        guard name.utf8.count <= FileName.longest else { throw .fileNameTooLong }
        guard FileName.isPossible(name) else { throw .noSuchFileOrDirectory }
        switch try node(parent) {
        case .account: return try lookupBucket(name)
        case .folder(let folder): return try lookup(name, in: folder)
        case .chunkFolder(let folder): return try lookupChunk(name, in: folder)
        case .object, .chunk: throw .notDirectory
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
        let chunks = ChunkFolderName(name)
        let finding = try answering("lookup", folder.url(name)) { () throws(StorageError) in
            try folder.bucket.listings.find(name, in: folder.prefix, stem: chunks?.file)
        }
        if let found = finding.found { return try entry(folder.node(name, found), expires: finding.expires) }
        if let chunks { return try lookup(chunks, called: name, in: folder) }
        throw .noSuchFileOrDirectory
    }

    /// Finds `F@chunks…`, where no key has that name.
    private func lookup(_ name: ChunkFolderName, called full: String, in folder: Folder) throws(Errno) -> Entry {
        let finding = try answering("lookup", folder.url(name.file)) { () throws(StorageError) in
            try folder.bucket.listings.find(name.file, in: folder.prefix)
        }
        guard case .object(let info) = finding.found else { throw .noSuchFileOrDirectory }
        let parameters: ChunkParameters
        do throws(ChunkParametersError) {
            parameters = try ChunkParameters(words: name.words, defaults: options.chunks)
        } catch {
            complaints.tell("lookup: \(folder.url(full)): \(error.description)")
            throw .noSuchFileOrDirectory
        }
        let object = ObjectVersion(bucket: folder.bucket, info: info)
        folder.bucket.confirm(info)
        let chunks = ChunkFolder(object, parameters: parameters, borders: options.borders, pool: searchers)
        return try entry(.chunkFolder(chunks), expires: finding.expires)
    }

    private func lookupChunk(_ name: String, in folder: ChunkFolder) throws(Errno) -> Entry {
        guard let number = folder.names.index(name) else { throw .noSuchFileOrDirectory }
        // The chunks of a version never change; how long there is that version, the folder's own name tells.
        return try entry(.chunk(folder, number), expires: .now + max(options.metadataTTL, .seconds(60)))
    }

    /// Counts a reference to a node, and says what `lookup` answers.
    func entry(_ node: Node, expires: ContinuousClock.Instant) throws(Errno) -> Entry {
        if case .object(let object) = node { object.bucket.confirm(object.info) }
        let (inode, node) = inodes.reference(node)
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
        case .object(let info): .object(ObjectVersion(bucket: bucket, info: info))
        }
    }
}

extension ObjectVersion {
    /// The URL of the object.
    var url: String { "\(bucket.store.name)/\(key)" }
}
