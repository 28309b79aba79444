import CFUSE
import Glibc
import VFS

/// Names of a directory, packed as the kernel reads them, as many as there is room for.
struct DirectoryBuffer: ~Copyable {
    private let request: fuse_req_t
    private let bytes: UnsafeMutableRawBufferPointer
    private var used = 0
    /// What the kernel refers to once it has these names.
    private var references: [Inode] = []

    init(_ request: fuse_req_t, room: Int) {
        self.request = request
        bytes = .allocate(byteCount: max(room, 0), alignment: 8)
    }

    deinit { bytes.deallocate() }

    /// Adds a name; `false` if there is no room for it.
    ///
    /// The corresponding C function is `fuse_add_direntry`.
    mutating func add(_ entry: DirectoryEntry) -> Bool {
        var status = stat()
        status.st_ino = ino_t(entry.inode.rawValue)
        status.st_mode = entry.type.mode
        let request = request
        return add { fuse_add_direntry(request, $0, $1, entry.name, &status, off_t(bitPattern: entry.cookie)) }
    }

    /// Adds a name with its attributes.
    ///
    /// The corresponding C function is `fuse_add_direntry_plus`.
    mutating func addWithAttributes(_ entry: DirectoryEntry) -> Bool {
        var parameters = entry.entry.map { fuse_entry_param($0) } ?? fuse_entry_param()
        if entry.entry == nil {
            // The inode 0 tells the kernel that this is a name only; type and number are shown all the same.
            parameters.attr.st_ino = ino_t(entry.inode.rawValue)
            parameters.attr.st_mode = entry.type.mode
        }
        let request = request
        let isAdded = add {
            fuse_add_direntry_plus(request, $0, $1, entry.name, &parameters, off_t(bitPattern: entry.cookie))
        }
        if isAdded, let entry = entry.entry { references.append(entry.attributes.inode) }
        return isAdded
    }

    private mutating func add(_ pack: (UnsafeMutablePointer<CChar>?, Int) -> Int) -> Bool {
        let room = bytes.count - used
        let size = pack(bytes.baseAddress.map { ($0 + used).assumingMemoryBound(to: CChar.self) }, room)
        guard size <= room else { return false }
        used += size
        return true
    }

    /// Answers the request; what the kernel did not take, it will not forget either.
    consuming func reply(_ files: any FileSystem) {
        let status = fuse_reply_buf(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), used)
        if status == -ENOENT { for inode in references { files.forget(inode, references: 1) } }
    }
}

extension off_t {
    fileprivate init(bitPattern cookie: UInt64) { self = off_t(truncatingIfNeeded: cookie) }
}
