import Bytes
import Chunks
import Records
import Storage
package import SystemPackage
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
        case .account, .folder: return folderAttributes(inode, started)
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
        try asking(folder.object, "stat", "\(folder.object.url)@chunks/\(folder.names.string(number))") {
            () throws(StorageError) in
            let chunk = try folder.chunk(number)
            return chunk.length + Int64(try folder.header(of: number).count)
        }
    }

    private func folderAttributes(_ inode: Inode, _ time: FileTime) -> Attributes {
        // A folder's number of links does not tell how many folders it has, which 1 makes known.
        Attributes(
            inode: inode, type: .directory, permissions: options.folderPermissions, linkCount: 1,
            owner: options.owner, group: options.group, size: 0, modified: time)
    }

    private func folderAttributes(_ inode: Inode, object: ObjectVersion) -> Attributes {
        var attributes = folderAttributes(inode, FileTime(nanoseconds: object.info.modifiedTime))
        attributes.permissions &= ~0o222
        return attributes
    }

    private func fileAttributes(
        _ inode: Inode, _ object: ObjectVersion, size: Int64, mask: UInt32 = ~0
    ) -> Attributes {
        Attributes(
            inode: inode, type: .regular, permissions: (object.info.permissions ?? options.filePermissions) & mask,
            owner: options.owner, group: options.group, size: size,
            modified: FileTime(nanoseconds: object.info.modifiedTime))
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
        // A bucket has no size: an exbibyte of blocks of 4 KiB, all used up as far as a program can tell.
        FileSystemStatistics(
            blockSize: 4096, blocks: 1 << 48, freeBlocks: 0, files: 1 << 32, freeFiles: 0,
            longestName: UInt64(FileName.longest))
    }
}

extension ObjectInfo {
    /// When the content was made, in nanoseconds since 1970: as s3fs or rclone noted it, or else as the store knows.
    fileprivate var modifiedTime: Int64 {
        guard let text = attributes?.metadata["mtime"] else { return modified.nanoseconds }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let seconds = parts.first.flatMap({ Int64($0) }) else { return modified.nanoseconds }
        let digits = parts.count == 2 ? parts[1].prefix(9) : ""
        guard let fraction = Int64(digits + String(repeating: "0", count: 9 - digits.count)), fraction >= 0 else {
            return modified.nanoseconds
        }
        let (sum, overflow) = Timestamp(seconds: seconds).nanoseconds.addingReportingOverflow(fraction)
        return overflow ? modified.nanoseconds : sum
    }

    /// The permission bits that s3fs noted, as a decimal number with the file's type; `nil` if there are none.
    fileprivate var permissions: UInt32? {
        attributes?.metadata["mode"].flatMap { UInt32($0) }.map { $0 & 0o777 }
    }
}
