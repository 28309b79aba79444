import Bytes
import Chunks
import Records
import Storage
package import SystemPackage
import Threads
package import VFS

extension Engine {
    package func attributes(of inode: Inode) throws(Errno) -> Attributes {
        try attributes(of: try node(inode), inode)
    }

    /// What `stat` tells of a node; only the size of a chunk may have to be asked for.
    ///
    /// - Throws: `ESTALE` for a version of an object that is known to be replaced:
    ///   the kernel then looks the name up again.
    func attributes(of node: Node, _ inode: Inode) throws(Errno) -> Attributes {
        switch node {
        case .account: return folderAttributes(inode, started)
        case .folder(let folder): return folderAttributes(inode, folder)
        case .file(let file): return try attributes(of: file)
        case .object(let object):
            guard !object.isRetired else { throw .staleNFSFileHandle }
            return fileAttributes(inode, object, size: object.info.size)
        case .chunkFolder(let folder): return folderAttributes(inode, object: folder.object)
        case .chunk(let folder, let number):
            guard !folder.object.isRetired else { throw .staleNFSFileHandle }
            return fileAttributes(inode, folder.object, size: try size(of: number, in: folder), mask: ~0o222)
        }
    }

    private func size(of number: Int64, in folder: ChunkFolder) throws(Errno) -> Int64 {
        try asking(folder.object, "stat", "\(folder.object.url)@chunks/chunk-\(number)") {
            () throws(StorageError) in
            try folder.content(of: number).count
        }
    }

    private func folderAttributes(_ inode: Inode, _ time: FileTime) -> Attributes {
        // A folder's number of links does not tell how many folders it has, which 1 makes known.
        Attributes(
            inode: inode, type: .directory, permissions: options.folderPermissions, linkCount: 1,
            owner: options.owner, group: options.group, size: 0, modified: time)
    }

    private func folderAttributes(_ inode: Inode, _ folder: Folder) -> Attributes {
        var attributes = folderAttributes(inode, started)
        if let marker = folder.bucket.marker(ofFolder: folder.prefix) { attributes.take(marker.metadata) }
        return attributes
    }

    /// What `stat` tells of a file that was changed here.
    func attributes(of file: LiveFile) throws(Errno) -> Attributes {
        // A large file that was sent while it was written has the time at which the store made it.
        file.waitForVersion()
        let state = file.state.withLock { $0 }
        if state.draft == nil, !state.isUnlinked, let info = state.info, file.bucket.isRetired(info) {
            throw .staleNFSFileHandle
        }
        let modified = FileTime(nanoseconds: state.info?.modified.nanoseconds ?? started.nanoseconds)
        var attributes = Attributes(
            inode: file.inode, type: file.type, permissions: options.filePermissions,
            linkCount: state.isUnlinked ? 0 : 1, owner: options.owner, group: options.group,
            size: state.draft?.size ?? state.info?.size ?? 0, modified: modified)
        if options.permissions == .persist { attributes.take(state.metadata) }
        if let written = state.written {
            attributes.modified = written
            attributes.changed = written
        }
        return attributes
    }

    private func folderAttributes(_ inode: Inode, object: ObjectVersion) -> Attributes {
        var attributes = folderAttributes(inode, FileTime(nanoseconds: object.info.modified.nanoseconds))
        attributes.permissions &= ~0o222
        return attributes
    }

    private func fileAttributes(
        _ inode: Inode, _ object: ObjectVersion, size: Int64, mask: UInt32 = ~0
    ) -> Attributes {
        var attributes = Attributes(
            inode: inode, type: .regular, permissions: options.filePermissions,
            owner: options.owner, group: options.group, size: size,
            modified: FileTime(nanoseconds: object.info.modified.nanoseconds))
        if options.permissions == .persist, let carried = object.info.attributes {
            let metadata = FileMetadata(carried)
            if mask == ~0 { attributes.type = metadata.fileType }
            attributes.take(metadata)
        }
        attributes.permissions &= mask
        return attributes
    }

    /// Asks the store about a version of an object, and takes note if there is another by now.
    func asking<Result>(
        _ object: ObjectVersion, _ operation: String, _ name: @autoclosure () -> String,
        _ body: () throws(StorageError) -> Result
    ) throws(Errno) -> Result {
        try answering(operation, name()) { () throws(StorageError) in
            do throws(StorageError) {
                return try body()
            } catch {
                if error.code == .changed || error.code == .notFound { object.bucket.retire(object.info) }
                // The file was found before: that its object is gone by now is a change.
                guard error.code == .notFound else { throw error }
                throw StorageError(.changed, "the object is no longer there", cause: error)
            }
        }
    }

    package func statistics() throws(Errno) -> FileSystemStatistics {
        // A bucket has no size: an exbibyte of blocks of 4 KiB, so that whoever looks first finds room.
        FileSystemStatistics(
            blockSize: 4096, blocks: 1 << 48, freeBlocks: 1 << 48, files: 1 << 32, freeFiles: 1 << 32,
            longestName: UInt64(FileName.longest))
    }
}

extension Attributes {
    /// Shows what a file system noted of a file.
    mutating func take(_ metadata: FileMetadata) {
        if let mode = metadata.mode, mode & 0o7777 != 0 || metadata.type != nil { permissions = mode & 0o7777 }
        if let owner = metadata.owner { self.owner = owner }
        if let group = metadata.group { self.group = group }
        if let modified = metadata.modified {
            self.modified = modified
            accessed = modified
            changed = modified
        }
        if let accessed = metadata.accessed { self.accessed = accessed }
        if let changed = metadata.changed { self.changed = changed }
    }
}
