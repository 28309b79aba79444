package import Bytes
package import SystemPackage

/// What a mounted file system answers.
///
/// Every call may block and may be made by many threads at once.
/// A failure is the number that the calling program sees in `errno`.
/// What a file system does not offer, it need not implement: see `FileSystem+Defaults.swift`.
///
/// An inode that was handed out by `lookup`, by an entry of `readDirectoryPlus` or by a creation
/// stays valid until the kernel has forgotten it as often as it was handed out.
package protocol FileSystem: Sendable {
    /// Finds an entry of a directory; it counts as one reference to the inode. FUSE: `LOOKUP`.
    func lookup(_ name: String, in parent: Inode) throws(Errno) -> Entry
    /// Gives back references that were handed out. FUSE: `FORGET`.
    func forget(_ inode: Inode, references: UInt64)
    /// FUSE: `GETATTR`.
    func attributes(of inode: Inode) throws(Errno) -> Attributes
    /// FUSE: `SETATTR`.
    func setAttributes(
        of inode: Inode, _ change: AttributeChange, handle: FileHandle?
    ) throws(Errno) -> Attributes
    /// FUSE: `READLINK`.
    func readLink(_ inode: Inode) throws(Errno) -> String

    /// FUSE: `OPEN`.
    func open(_ inode: Inode, _ flags: OpenFlags) throws(Errno) -> OpenedFile
    /// Reads exactly `count` bytes, fewer only at the end of the file, as slices in order. FUSE: `READ`.
    func read(_ handle: FileHandle, at offset: Int64, count: Int) throws(Errno) -> [ByteSlice]
    /// Writes all the bytes or fails. FUSE: `WRITE`.
    func write(_ handle: FileHandle, at offset: Int64, _ bytes: ByteSlice) throws(Errno)
    /// A descriptor of the file was closed; its error is what `close` reports. FUSE: `FLUSH`.
    func flush(_ handle: FileHandle, by caller: Caller) throws(Errno)
    /// FUSE: `FSYNC`.
    func synchronize(_ handle: FileHandle, dataOnly: Bool) throws(Errno)
    /// The last descriptor of an open file is gone. FUSE: `RELEASE`.
    func release(_ handle: FileHandle)
    /// FUSE: `FALLOCATE`.
    func allocate(_ handle: FileHandle, mode: Int32, offset: Int64, length: Int64) throws(Errno)
    /// Copies bytes of one open file to another, and says how many. FUSE: `COPY_FILE_RANGE`.
    func copyRange(
        _ source: FileHandle, at offset: Int64, to target: FileHandle, at targetOffset: Int64, count: Int
    ) throws(Errno) -> Int
    /// FUSE: `LSEEK`, with `SEEK_DATA` or `SEEK_HOLE`.
    func seek(_ handle: FileHandle, offset: Int64, whence: Int32) throws(Errno) -> Int64

    /// FUSE: `OPENDIR`.
    func openDirectory(_ inode: Inode) throws(Errno) -> FileHandle
    /// Hands on entries, beginning after the one whose cookie is `cookie` (0: from the start), until `body` says `false`.
    ///
    /// With `attributes`, entries carry theirs, and each that `body` took counts as a reference
    /// (`.` and `..` carry none). FUSE: `READDIR`, `READDIRPLUS`.
    func readDirectory(
        _ handle: FileHandle, after cookie: UInt64, withAttributes attributes: Bool, _ body: (DirectoryEntry) -> Bool
    ) throws(Errno)
    /// FUSE: `RELEASEDIR`.
    func releaseDirectory(_ handle: FileHandle)

    /// FUSE: `CREATE`.
    func create(
        _ name: String, in parent: Inode, mode: UInt32, _ flags: OpenFlags, by caller: Caller
    ) throws(Errno) -> (entry: Entry, file: OpenedFile)
    /// FUSE: `MKDIR`.
    func makeDirectory(_ name: String, in parent: Inode, mode: UInt32, by caller: Caller) throws(Errno) -> Entry
    /// FUSE: `SYMLINK`.
    func makeSymbolicLink(
        _ name: String, in parent: Inode, to target: String, by caller: Caller
    ) throws(Errno) -> Entry
    /// Makes a file that is opened by nobody, a FIFO or a socket. FUSE: `MKNOD`.
    func makeNode(
        _ name: String, in parent: Inode, type: FileType, permissions: UInt32, by caller: Caller
    ) throws(Errno) -> Entry
    /// FUSE: `UNLINK`.
    func unlink(_ name: String, in parent: Inode) throws(Errno)
    /// FUSE: `RMDIR`.
    func removeDirectory(_ name: String, in parent: Inode) throws(Errno)
    /// FUSE: `RENAME`; the flags are those of `renameat2`.
    func rename(
        _ name: String, in parent: Inode, to newName: String, in newParent: Inode, flags: UInt32
    ) throws(Errno)

    /// FUSE: `GETXATTR`.
    func extendedAttribute(_ name: String, of inode: Inode) throws(Errno) -> [UInt8]
    /// FUSE: `LISTXATTR`.
    func extendedAttributeNames(of inode: Inode) throws(Errno) -> [String]
    /// FUSE: `SETXATTR`; the flags are `XATTR_CREATE` and `XATTR_REPLACE`.
    func setExtendedAttribute(_ name: String, of inode: Inode, to value: [UInt8], flags: Int32) throws(Errno)
    /// FUSE: `REMOVEXATTR`.
    func removeExtendedAttribute(_ name: String, of inode: Inode) throws(Errno)

    /// FUSE: `STATFS`.
    func statistics() throws(Errno) -> FileSystemStatistics
    /// The mount has ended; nothing is asked after this. FUSE: `DESTROY`.
    func unmounted()
}
