/// The number of a file in a mounted file system.
package struct Inode: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The directory at the mount point.
    package static let root = Inode(rawValue: 1)
}

/// The number of an open file or directory, given by the file system that opened it.
package struct FileHandle: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// What a file is.
package enum FileType: Hashable, Sendable {
    case regular, directory, symbolicLink, fifo, socket
}

/// A moment, in nanoseconds since 1970-01-01 00:00:00 UTC.
package struct FileTime: Hashable, Sendable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
}

/// What `stat` tells of a file.
package struct Attributes: Hashable, Sendable {
    package var inode: Inode
    package var type: FileType
    /// The twelve permission bits.
    package var permissions: UInt32
    package var linkCount: UInt32
    package var owner: UInt32
    package var group: UInt32
    /// The length in bytes.
    package var size: Int64
    package var accessed: FileTime
    package var modified: FileTime
    package var changed: FileTime

    package init(
        inode: Inode, type: FileType, permissions: UInt32, linkCount: UInt32 = 1, owner: UInt32, group: UInt32,
        size: Int64, modified: FileTime
    ) {
        self.inode = inode
        self.type = type
        self.permissions = permissions
        self.linkCount = linkCount
        self.owner = owner
        self.group = group
        self.size = size
        accessed = modified
        self.modified = modified
        changed = modified
    }
}

/// Which attributes should change, and to what; `nil` leaves one as it is.
package struct AttributeChange: Hashable, Sendable {
    package var permissions: UInt32?
    package var owner: UInt32?
    package var group: UInt32?
    package var size: Int64?
    package var accessed: FileTime?
    package var modified: FileTime?

    package init() {}
}

/// A name that was found, and for how long the kernel may believe it.
package struct Entry: Hashable, Sendable {
    package var attributes: Attributes
    package var timeout: Duration

    package init(_ attributes: Attributes, timeout: Duration) {
        self.attributes = attributes
        self.timeout = timeout
    }
}

/// One name of a directory.
package struct DirectoryEntry: Sendable {
    package let name: String
    package let inode: Inode
    package let type: FileType
    /// Where a later call goes on after this entry; never 0.
    package let cookie: UInt64
    /// What `lookup` would have answered, where it was asked for and is known.
    package let entry: Entry?

    package init(name: String, inode: Inode, type: FileType, cookie: UInt64, entry: Entry? = nil) {
        self.name = name
        self.inode = inode
        self.type = type
        self.cookie = cookie
        self.entry = entry
    }
}

/// A file that was opened.
package struct OpenedFile: Hashable, Sendable {
    package let handle: FileHandle
    /// Whether the kernel may keep the pages that it has of this file.
    package let keepsCache: Bool
    /// Whether reads and writes pass by the kernel's page cache.
    package let isDirect: Bool

    package init(handle: FileHandle, keepsCache: Bool = false, isDirect: Bool = false) {
        self.handle = handle
        self.keepsCache = keepsCache
        self.isDirect = isDirect
    }
}

/// How a file is opened, as in `open(2)`.
package struct OpenFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let reading = OpenFlags(rawValue: 1 << 0)
    package static let writing = OpenFlags(rawValue: 1 << 1)
    package static let appending = OpenFlags(rawValue: 1 << 2)
    package static let truncating = OpenFlags(rawValue: 1 << 3)
    package static let exclusive = OpenFlags(rawValue: 1 << 4)
    package static let synchronous = OpenFlags(rawValue: 1 << 5)
}

/// Who asks.
package struct Caller: Hashable, Sendable {
    package let user: UInt32
    package let group: UInt32
    package let umask: UInt32
    /// Its process number; 0 if the kernel asks by itself.
    package let process: Int32

    package init(user: UInt32, group: UInt32, umask: UInt32, process: Int32 = 0) {
        self.user = user
        self.group = group
        self.umask = umask
        self.process = process
    }
}

/// What `statfs` tells.
package struct FileSystemStatistics: Hashable, Sendable {
    /// The size of a block, in bytes; the next three count in it.
    package var blockSize: UInt64
    package var blocks: UInt64
    package var freeBlocks: UInt64
    package var files: UInt64
    package var freeFiles: UInt64
    /// The longest name, in bytes.
    package var longestName: UInt64

    package init(
        blockSize: UInt64, blocks: UInt64, freeBlocks: UInt64, files: UInt64, freeFiles: UInt64, longestName: UInt64
    ) {
        self.blockSize = blockSize
        self.blocks = blocks
        self.freeBlocks = freeBlocks
        self.files = files
        self.freeFiles = freeFiles
        self.longestName = longestName
    }
}
