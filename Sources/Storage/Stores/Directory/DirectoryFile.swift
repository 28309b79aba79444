import Bytes
import CLinux
import Glibc

/// An open file or folder of a ``DirectoryStore``.
final class DirectoryFile: Sendable {
    let descriptor: Int32

    /// How many bytes are read and handed on at a time; they stay in a core's cache meanwhile.
    private static let block = 256 << 10

    private static let typeAttribute = "user.mime_type"
    private static let metadataPrefix = "user.objfs."

    init(takingOwnershipOf descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// What is known of the object; its key has a `/` at the end exactly if this is a folder.
    ///
    /// The corresponding C function is `fstat`.
    func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw StorageError(errno: errno) }
        guard let info = ObjectInfo(key, status, attributes: attributes()) else { throw .notFound() }
        return info
    }

    /// Hands on some bytes; if the file has changed meanwhile, they may be of two versions, and that is an error.
    ///
    /// The corresponding C function is `pread`.
    func read(
        _ range: Range<Int64>, unlessChanged info: ObjectInfo, into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) {
        guard !range.isEmpty else { return }
        posix_fadvise(descriptor, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_SEQUENTIAL)
        let buffer = Buffer(count: min(Self.block, range.count))
        var offset = range.lowerBound
        while offset < range.upperBound {
            let wanted = Int(min(Int64(buffer.count), range.upperBound - offset))
            let count = pread(descriptor, buffer.memory.baseAddress, wanted, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StorageError(errno: errno) }
            // Asked before the bytes are handed on, so that none of another version ever is.
            try refuseChange(since: info)
            guard count > 0 else { throw .changed() }
            guard sink(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer.memory)[..<count])) else {
                throw StorageError(.cancelled, "called off")
            }
            offset += Int64(count)
        }
    }

    func refuseChange(since info: ObjectInfo) throws(StorageError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw StorageError(errno: errno) }
        guard ETag(status) == info.etag else { throw .changed() }
    }

    /// Adds bytes at the end of what was written.
    ///
    /// The corresponding C function is `write`.
    func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw StorageError(errno: errno) }
            rest = rest.dropFirst(count)
        }
    }

    func write(_ bytes: ByteSlice) throws(StorageError) {
        try bytes.withUnsafeBytes { (bytes) throws(StorageError) in try write(bytes) }
    }

    /// Keeps what an object carries in extended attributes of its file.
    ///
    /// The corresponding C function is `fsetxattr`.
    func set(_ attributes: ObjectAttributes) throws(StorageError) {
        if let type = attributes.contentType { try set(Self.typeAttribute, Array(type.utf8)) }
        for (name, value) in attributes.metadata { try set(Self.metadataPrefix + name, Array(value.utf8)) }
    }

    /// Keeps what an object carries, and nothing that was kept before.
    ///
    /// The corresponding C functions are `fsetxattr` and `fremovexattr`.
    func replace(_ attributes: ObjectAttributes) throws(StorageError) {
        let old = self.attributes().metadata.keys
        try set(attributes)
        for name in old where attributes.metadata[name] == nil {
            guard fremovexattr(descriptor, Self.metadataPrefix + name) == 0 || errno == ENODATA else {
                throw StorageError(errno: errno)
            }
        }
    }

    /// Takes over to whom a file belongs that this one is to replace, and what others keep in its attributes.
    ///
    /// The corresponding C functions are `fchown`, `fchmod` and `fsetxattr`.
    ///
    /// - Parameter old: The file; `nil` if it can't be read.
    func takeOwner(_ status: stat, _ old: DirectoryFile?) throws(StorageError) {
        var mode = status.st_mode & 0o7777
        if fchown(descriptor, status.st_uid, status.st_gid) != 0 {
            // Who may not give files away keeps it. Another group gets no right that not everybody has.
            mode &= 0o777
            if fchown(descriptor, uid_t.max, status.st_gid) != 0 { mode &= 0o707 | (mode & 0o7) << 3 }
        }
        let rights = old?.bytes(Self.rightsAttribute)
        // With a list of rights, the group's bits are what all of the list may have at most.
        if old == nil || rights != nil { mode &= 0o7707 }
        guard fchmod(descriptor, mode) == 0 else { throw StorageError(errno: errno) }
        if let rights { fsetxattr(descriptor, Self.rightsAttribute, rights, rights.count, 0) }
        for name in old?.names() ?? [] where name.hasPrefix("user.") && !Self.isOwn(name) {
            if let value = old?.bytes(name) { try set(name, value) }
        }
    }

    /// Where Linux keeps the rights of single users and groups; see `acl(5)`.
    private static let rightsAttribute = "system.posix_acl_access"

    private static func isOwn(_ name: String) -> Bool { name == typeAttribute || name.hasPrefix(metadataPrefix) }

    /// Whether an object carries something beside its content and the type of that.
    var hasMetadata: Bool { names().contains { $0.hasPrefix(Self.metadataPrefix) } }

    private func set(_ name: String, _ bytes: [UInt8]) throws(StorageError) {
        guard fsetxattr(descriptor, name, bytes, bytes.count, 0) != 0 else { return }
        switch errno {
        case ENOTSUP: throw StorageError(.unsupported, "this file system keeps no metadata")
        case ENOSPC, E2BIG, ERANGE: throw StorageError(.unsupported, "this file system keeps no so large metadata")
        default: throw StorageError(errno: errno)
        }
    }

    /// What the object carries.
    func attributes() -> ObjectAttributes {
        var attributes = ObjectAttributes()
        for name in names() {
            if name == Self.typeAttribute { attributes.contentType = value(name) }
            guard name.hasPrefix(Self.metadataPrefix), let value = value(name) else { continue }
            attributes.metadata[String(name.dropFirst(Self.metadataPrefix.count))] = value
        }
        return attributes
    }

    /// The names of its extended attributes.
    ///
    /// The corresponding C function is `flistxattr`.
    private func names() -> [String] {
        let count = flistxattr(descriptor, nil, 0)
        guard count > 0 else { return [] }
        var names = [CChar](repeating: 0, count: count)
        guard flistxattr(descriptor, &names, names.count) == count else { return [] }
        return names.split(separator: 0).map { String(decoding: $0.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
    }

    private func value(_ name: String) -> String? { bytes(name).map { String(decoding: $0, as: UTF8.self) } }

    private func bytes(_ name: String) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: 64 << 10)
        let count = fgetxattr(descriptor, name, &value, value.count)
        return count < 0 ? nil : Array(value.prefix(count))
    }
}

/// A file of a ``DirectoryStore`` that was opened as one version of an object.
final class DirectoryObject: OpenObject {
    private let file: DirectoryFile
    private let info: ObjectInfo

    init(_ file: DirectoryFile, _ info: ObjectInfo) {
        self.file = file
        self.info = info
    }

    var descriptor: Int32 { file.descriptor }

    func refuseChange() throws(StorageError) { try file.refuseChange(since: info) }
}

extension ObjectInfo {
    /// What `stat` says of an object; `nil` if it is no regular file and no folder, or not what the key says.
    init?(_ key: ObjectKey, _ status: stat, attributes: ObjectAttributes?) {
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        guard isFolder || status.st_mode & S_IFMT == S_IFREG, isFolder == key.endsInSlash else { return nil }
        self.init(
            key: key, size: isFolder ? 0 : Int64(status.st_size), etag: ETag(status),
            modified: Timestamp(status.st_mtim), attributes: attributes)
    }
}

extension ETag {
    /// The version of a file: whatever is written to it, or put in its place, changes one of these.
    fileprivate init(_ status: stat) {
        let numbers: [UInt64] = [
            UInt64(status.st_dev), UInt64(status.st_ino), UInt64(bitPattern: Int64(status.st_size)),
            UInt64(bitPattern: Timestamp(status.st_mtim).nanoseconds),
            UInt64(bitPattern: Timestamp(status.st_ctim).nanoseconds),
        ]
        // A folder's times change with what is in it, which is not its content as an object.
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        self.init(numbers.prefix(isFolder ? 2 : 5).map { String($0, radix: 16) }.joined(separator: "-"))
    }
}

extension Timestamp {
    fileprivate init(_ time: timespec) {
        let (sum, overflow) = Timestamp(seconds: Int64(time.tv_sec)).nanoseconds
            .addingReportingOverflow(Int64(time.tv_nsec))
        self.init(nanoseconds: overflow ? .max : sum)
    }
}
