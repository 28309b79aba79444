package import Bytes
import Chunks
import Storage
package import SystemPackage
package import VFS

/// A file that is open for reading.
struct OpenFile: Sendable {
    let reader: Reader
    /// What the file begins with before its bytes of the object; only chunks have that.
    let header: ByteSlice
    /// The bytes of the object that follow; the end is excluded.
    let range: Range<Int64>
}

extension Engine {
    package func open(_ inode: Inode, _ flags: OpenFlags) throws(Errno) -> OpenedFile {
        let node = try node(inode)
        if case .account = node { throw .isDirectory }
        guard flags.isDisjoint(with: [.writing, .appending, .truncating]) else { throw .readOnlyFileSystem }
        switch node {
        case .account, .folder, .chunkFolder: throw .isDirectory
        case .object(let object):
            return try open(object, header: .empty, range: 0..<max(object.info.size, 0))
        case .chunk(let folder, let number):
            let (header, range) = try asking(folder.object, "open", folder.object.url) { () throws(StorageError) in
                (try folder.header(of: number), try folder.chunk(number).range)
            }
            return try open(folder.object, header: header, range: range)
        }
    }

    private func open(
        _ object: ObjectVersion, header: ByteSlice, range: Range<Int64>
    ) throws(Errno) -> OpenedFile {
        // The kernel takes this for a reason to look the name up again, and opens the new version.
        guard !object.isRetired else { throw .staleNFSFileHandle }
        let reader = Reader(object, end: range.upperBound, budget: budget, pool: readers)
        let handle = files.insert(OpenFile(reader: reader, header: header, range: range))
        // An inode number is one version, so what the kernel has of it stays right.
        return OpenedFile(handle: handle, keepsCache: true)
    }

    package func read(_ handle: FileHandle, at offset: Int64, count: Int) throws(Errno) -> [ByteSlice] {
        guard let file = files[handle] else { throw .badFileDescriptor }
        guard offset >= 0, count > 0 else { return [] }
        let size = Int64(file.header.count) + Int64(file.range.count)
        guard offset < size else { return [] }
        let end = offset + min(Int64(count), size - offset)
        let header = Int64(file.header.count)
        var slices: [ByteSlice] = []
        if offset < header { slices.append(file.header[Int(offset)..<Int(min(end, header))]) }
        let start = file.range.lowerBound + max(offset - header, 0)
        let stop = file.range.lowerBound + max(end - header, 0)
        guard start < stop else { return slices }
        let object = file.reader.object
        slices += try asking(object, "read", object.url) { () throws(StorageError) in
            try file.reader.read(start..<stop)
        }
        return slices
    }

    package func release(_ handle: FileHandle) { files.remove(handle)?.reader.close() }

    package func unmounted() {
        for file in files.removeAll() { file.reader.close() }
    }
}
