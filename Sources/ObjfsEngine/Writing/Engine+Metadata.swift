package import Bytes
package import Storage
package import SystemPackage
import Threads
package import VFS

extension Engine {
    package func setAttributes(
        of inode: Inode, _ change: AttributeChange, handle: FileHandle?
    ) throws(Errno) -> Attributes {
        _ = try journal()
        if let size = change.size {
            try resize(inode, to: size)
        }
        var rest = change
        rest.size = nil
        if rest.isAboutMetadata { try setMetadata(of: inode, rest) }
        return try attributes(of: inode)
    }

    /// Cuts a file, or makes it longer; this is answered when the store has it, unless somebody goes on to write it.
    private func resize(_ inode: Inode, to size: Int64) throws(Errno) {
        guard size >= 0 else { throw .invalidArgument }
        let file = try liveFile(inode)
        try checkOpening(file)
        guard try attributes(of: inode).size != size || size == 0 else { return }
        try writing(file, "truncate") { () throws(Errno) in try cut(file, journal(), to: size) }
    }

    private func setMetadata(of inode: Inode, _ change: AttributeChange) throws(Errno) {
        switch options.permissions {
        case .ignore: return
        case .refuse:
            // Times are noted by every program that copies; refusing those would let them all fail.
            guard change.permissions == nil, change.owner == nil, change.group == nil else { throw .notPermitted }
            return
        case .persist: break
        }
        let shown = try attributes(of: inode)
        try changeMetadata(of: inode) { (metadata) throws(Errno) in
            metadata.apply(change, type: shown.type, permissions: shown.permissions)
        }
    }

    /// Changes what is kept of a file or folder, and brings it to the store unless the file is being written.
    func changeMetadata(
        of inode: Inode, _ change: (inout FileMetadata) throws(Errno) -> Void
    ) throws(Errno) {
        _ = try journal()
        switch try node(inode) {
        case .folder(let folder): try changeMetadata(of: folder, change)
        case .account: throw .notPermitted
        case .chunkFolder, .chunk: throw .readOnlyFileSystem
        case .object, .file:
            let file = try liveFile(inode)
            var changed: LiveFile.MetadataChange?
            do throws(Errno) {
                // What is being written takes them along when it is closed.
                try writing(file, "setattr") { () throws(Errno) in changed = try file.changeMetadata(change) }
            } catch {
                if let changed { file.withdraw(changed) }
                throw error
            }
        }
    }

    private func changeMetadata(
        of folder: Folder, _ change: (inout FileMetadata) throws(Errno) -> Void
    ) throws(Errno) {
        guard !folder.prefix.isEmpty else { throw .notPermitted }
        // Another program may change it meanwhile, but not for ever.
        for attempt in 0..<5 {
            let marker = try answering("setattr", folder.url("")) { () throws(StorageError) in
                try readMarker(of: folder, mayBeKnown: attempt == 0)
            }
            var metadata = marker.metadata
            if metadata.mode == nil { metadata.setPermissions(options.folderPermissions, type: .directory) }
            try change(&metadata)
            // Who copies a tree gives each folder its owner, which it mostly has: the store is not asked to note that
            // again.
            var unchanged = metadata
            unchanged.changed = marker.metadata.changed
            guard unchanged != marker.metadata else { return }
            if try writeMarker(of: folder, metadata, over: marker, "setattr") { return }
        }
        throw .staleNFSFileHandle
    }

    /// The marker of a folder, asked for unless it was a short while ago.
    private func readMarker(of folder: Folder, mayBeKnown: Bool) throws(StorageError) -> FolderMarker {
        let known = folder.bucket.marker(ofFolder: folder.prefix, notOlderThan: options.metadataTTL)
        // That nothing was found may mean that it was not asked for.
        if mayBeKnown, let known, known.info != nil { return known }
        return try askMarker(of: folder)
    }

    /// Writes the marker of a folder; what another program has put there stays.
    ///
    /// - Parameter marker: What there is.
    /// - Returns: Whether it did; not if there is something else by now.
    func writeMarker(
        of folder: Folder, _ metadata: FileMetadata, over marker: FolderMarker, _ operation: String
    ) throws(Errno) -> Bool {
        let key = ObjectKey(folder.prefix)
        var attributes = marker.info?.attributes ?? ObjectAttributes(contentType: "application/x-directory")
        if options.permissions == .persist { attributes = metadata.written(into: attributes) }
        // A request that failed may have been carried out.
        defer { folder.bucket.listings.forget(key) }
        let info = try answering(operation, folder.url("")) { () throws(StorageError) -> ObjectInfo? in
            do throws(StorageError) {
                return try write(marker, key, attributes, in: folder.bucket.store)
            } catch {
                guard [.preconditionFailed, .changed, .notFound].contains(error.code) else { throw error }
                return nil
            }
        }
        guard let info else { return false }
        let written = ObjectVersion(bucket: folder.bucket, info: info).carrying(attributes)
        folder.bucket.note(FolderMarker(written.info), ofFolder: folder.prefix)
        return true
    }

    private func write(
        _ marker: FolderMarker, _ key: ObjectKey, _ attributes: ObjectAttributes, in store: any ObjectStore
    ) throws(StorageError) -> ObjectInfo {
        if let version = marker.versionWithBytes {
            return try store.copy(key, ifVersion: version, to: key, attributes: attributes)
        }
        let condition = marker.info.map { WriteCondition.unchanged($0.etag) } ?? .absent
        return try store.write(key, .empty, attributes: attributes, lookedAt: condition)
    }
}

extension AttributeChange {
    fileprivate var isAboutMetadata: Bool {
        permissions != nil || owner != nil || group != nil || accessed != nil || modified != nil
    }
}

extension ObjectStore {
    /// Writes an object under a condition; where the store can't check it, it was looked at just before.
    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, lookedAt condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            return try write(key, body, attributes: attributes, condition: condition)
        } catch {
            guard error.code == .unsupported else { throw error }
        }
        return try write(key, body, attributes: attributes, condition: .always)
    }
}
