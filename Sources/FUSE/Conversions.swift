import CFUSE
import Glibc
import VFS

extension stat {
    /// What `stat` tells, as the kernel wants it.
    init(_ attributes: Attributes) {
        self.init()
        st_ino = ino_t(attributes.inode.rawValue)
        st_mode = mode_t(attributes.permissions & 0o7777) | attributes.type.mode
        st_nlink = nlink_t(attributes.linkCount)
        st_uid = attributes.owner
        st_gid = attributes.group
        st_size = off_t(attributes.size)
        st_blksize = 1 << 20
        st_blocks = blkcnt_t(attributes.size / 512 + (attributes.size % 512 == 0 ? 0 : 1))
        st_atim = timespec(attributes.accessed)
        st_mtim = timespec(attributes.modified)
        st_ctim = timespec(attributes.changed)
    }
}

extension FileType {
    /// The bits of `st_mode` that say what a file is.
    var mode: mode_t {
        switch self {
        case .regular: Glibc.S_IFREG
        case .directory: Glibc.S_IFDIR
        case .symbolicLink: Glibc.S_IFLNK
        case .fifo: Glibc.S_IFIFO
        case .socket: Glibc.S_IFSOCK
        }
    }
}

extension timespec {
    init(_ time: FileTime) {
        let seconds = time.nanoseconds / 1_000_000_000
        let rest = time.nanoseconds % 1_000_000_000
        self.init(
            tv_sec: Int(rest < 0 ? seconds - 1 : seconds), tv_nsec: Int(rest < 0 ? rest + 1_000_000_000 : rest))
    }
}

extension FileTime {
    init(_ time: timespec) {
        let (product, overflow) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = product.addingReportingOverflow(Int64(time.tv_nsec))
        self.init(nanoseconds: overflow || carry ? (time.tv_sec < 0 ? .min : .max) : sum)
    }

    static var now: FileTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return FileTime(time)
    }
}

extension fuse_entry_param {
    init(_ entry: Entry) {
        self.init()
        ino = entry.attributes.inode.rawValue
        generation = 0
        attr = stat(entry.attributes)
        attr_timeout = entry.timeout.seconds
        entry_timeout = entry.timeout.seconds
    }
}

extension Duration {
    var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

extension OpenFlags {
    /// The flags of `open(2)`.
    init(_ flags: Int32) {
        self = []
        switch flags & O_ACCMODE {
        case O_RDONLY: insert(.reading)
        case O_WRONLY: insert(.writing)
        default: formUnion([.reading, .writing])
        }
        if flags & O_APPEND != 0 { insert(.appending) }
        if flags & O_TRUNC != 0 { insert(.truncating) }
        if flags & O_EXCL != 0 { insert(.exclusive) }
        if flags & (O_SYNC | O_DSYNC) != 0 { insert(.synchronous) }
    }
}

extension AttributeChange {
    /// Which attributes `setattr` should change.
    init(_ status: stat, _ which: Int32) {
        self.init()
        func has(_ flag: Int32) -> Bool { which & flag != 0 }
        if has(FUSE_SET_ATTR_MODE) { permissions = UInt32(status.st_mode) & 0o7777 }
        if has(FUSE_SET_ATTR_UID) { owner = status.st_uid }
        if has(FUSE_SET_ATTR_GID) { group = status.st_gid }
        if has(FUSE_SET_ATTR_SIZE) { size = Int64(status.st_size) }
        if has(FUSE_SET_ATTR_ATIME) { accessed = FileTime(status.st_atim) }
        if has(FUSE_SET_ATTR_MTIME) { modified = FileTime(status.st_mtim) }
        if has(FUSE_SET_ATTR_ATIME_NOW) { accessed = .now }
        if has(FUSE_SET_ATTR_MTIME_NOW) { modified = .now }
    }
}

extension statvfs {
    init(_ statistics: FileSystemStatistics) {
        self.init()
        f_bsize = UInt(statistics.blockSize)
        f_frsize = UInt(statistics.blockSize)
        f_blocks = UInt(statistics.blocks)
        f_bfree = UInt(statistics.freeBlocks)
        f_bavail = UInt(statistics.freeBlocks)
        f_files = UInt(statistics.files)
        f_ffree = UInt(statistics.freeFiles)
        f_favail = UInt(statistics.freeFiles)
        f_namemax = UInt(statistics.longestName)
    }
}
