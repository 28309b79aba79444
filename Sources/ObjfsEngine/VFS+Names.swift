package import VFS

// SystemPackage has an `Inode` and a `FileType` of its own; in here, the words are those of a mounted file system.
package typealias Inode = VFS.Inode
package typealias FileType = VFS.FileType
