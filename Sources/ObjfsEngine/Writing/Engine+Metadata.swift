import Bytes
import Storage
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

    /// Cuts a file, or makes it longer; who has no open file for it is answered when the store has it.
    private func resize(_ inode: Inode, to size: Int64) throws(Errno) {
        guard size >= 0 else { throw .invalidArgument }
        let file = try liveFile(inode)
        guard try attributes(of: inode).size != size || size == 0 else { return }
        try writing(file, "truncate") { () throws(Errno) in
            try file.changing(journal(), emptied: size == 0) { (draft) throws(Errno) in try draft.truncate(to: size) }
            file.state.update { state in
                state.written = .now
                state.metadata.modified = nil
                state.metadata.changed = nil
            }
        }
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
            var changed: FileMetadata?
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
        try answering("setattr", folder.url("")) { () throws(StorageError) in
            if folder.bucket.metadata(ofFolder: folder.prefix) == nil { try describe(folder, alone: true) }
        }
        let known = folder.bucket.metadata(ofFolder: folder.prefix) ?? FileMetadata()
        var metadata = known
        if metadata.mode == nil { metadata.setPermissions(options.folderPermissions, type: .directory) }
        try change(&metadata)
        // Who copies a tree gives each folder its owner, which it mostly has: the store is not asked to note that again.
        var unchanged = metadata
        unchanged.changed = known.changed
        let isFresh = folder.bucket.knowsMetadata(ofFolder: folder.prefix, notOlderThan: options.metadataTTL)
        guard unchanged != known || !isFresh else { return }
        try writeMarker(of: folder, metadata, "setattr")
    }

    /// Writes the marker of a folder: an object without bytes whose key ends in `/`.
    func writeMarker(of folder: Folder, _ metadata: FileMetadata, _ operation: String) throws(Errno) {
        // A request that failed may have been carried out.
        defer { folder.bucket.listings.forget(ObjectKey(folder.prefix)) }
        try answering(operation, folder.url("")) { () throws(StorageError) in
            let attributes = ObjectAttributes(contentType: "application/x-directory")
            try folder.bucket.store.write(
                ObjectKey(folder.prefix), .empty,
                attributes: options.permissions == .persist ? metadata.written(into: attributes) : attributes,
                condition: .always)
        }
        folder.bucket.note(metadata, ofFolder: folder.prefix)
    }
}

extension AttributeChange {
    fileprivate var isAboutMetadata: Bool {
        permissions != nil || owner != nil || group != nil || accessed != nil || modified != nil
    }
}
