package import Bytes
package import SystemPackage

/// What a file system that cannot be written, and has neither links nor extended attributes, answers.
extension FileSystem {
    package func setAttributes(
        of inode: Inode, _ change: AttributeChange, handle: FileHandle?
    ) throws(Errno) -> Attributes { throw .readOnlyFileSystem }
    package func readLink(_ inode: Inode) throws(Errno) -> String { throw .invalidArgument }
    package func write(_ handle: FileHandle, at offset: Int64, _ bytes: ByteSlice) throws(Errno) {
        throw .readOnlyFileSystem
    }
    package func flush(_ handle: FileHandle, by caller: Caller) throws(Errno) {}
    package func synchronize(_ handle: FileHandle, dataOnly: Bool) throws(Errno) {}
    package func allocate(_ handle: FileHandle, mode: Int32, offset: Int64, length: Int64) throws(Errno) {
        throw .notSupportedOnSocket
    }
    package func copyRange(
        _ source: FileHandle, at offset: Int64, to target: FileHandle, at targetOffset: Int64, count: Int
    ) throws(Errno) -> Int { throw .notSupportedOnSocket }
    package func seek(_ handle: FileHandle, offset: Int64, whence: Int32) throws(Errno) -> Int64 {
        throw .noFunction
    }
    package func create(
        _ name: String, in parent: Inode, mode: UInt32, _ flags: OpenFlags, by caller: Caller
    ) throws(Errno) -> (entry: Entry, file: OpenedFile) { throw .readOnlyFileSystem }
    package func makeDirectory(
        _ name: String, in parent: Inode, mode: UInt32, by caller: Caller
    ) throws(Errno) -> Entry { throw .readOnlyFileSystem }
    package func makeSymbolicLink(
        _ name: String, in parent: Inode, to target: String, by caller: Caller
    ) throws(Errno) -> Entry { throw .readOnlyFileSystem }
    package func makeNode(
        _ name: String, in parent: Inode, type: FileType, permissions: UInt32, by caller: Caller
    ) throws(Errno) -> Entry { throw .readOnlyFileSystem }
    package func unlink(_ name: String, in parent: Inode) throws(Errno) { throw .readOnlyFileSystem }
    package func removeDirectory(_ name: String, in parent: Inode) throws(Errno) { throw .readOnlyFileSystem }
    package func rename(
        _ name: String, in parent: Inode, to newName: String, in newParent: Inode, flags: UInt32
    ) throws(Errno) { throw .readOnlyFileSystem }
    package func extendedAttribute(_ name: String, of inode: Inode) throws(Errno) -> [UInt8] {
        throw .noData
    }
    package func extendedAttributeNames(of inode: Inode) throws(Errno) -> [String] { [] }
    package func setExtendedAttribute(
        _ name: String, of inode: Inode, to value: [UInt8], flags: Int32
    ) throws(Errno) { throw .readOnlyFileSystem }
    package func removeExtendedAttribute(_ name: String, of inode: Inode) throws(Errno) { throw .readOnlyFileSystem }
    package func unmounted() {}
}
