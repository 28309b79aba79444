import CLinux
import Chunks
import Glibc
import Storage
package import SystemPackage
import Threads
import VFS

/// Extended attributes: objfs's own tell what a file is, `user.*` are kept with the object, others are not offered.
extension Engine {
    private static let prefix = "user.objfs."

    package func extendedAttributeNames(of inode: Inode) throws(Errno) -> [String] {
        let node = try node(inode)
        let names =
            switch node {
            // Those of whole files can be asked for, but are not listed: who copies a file with all its
            // attributes must not take along what only this mount can know.
            case .account, .folder, .object, .file: [String]()
            case .chunkFolder: ["object", "etag", "count"]
            case .chunk: ["object", "etag", "index", "count", "offset", "length"]
            }
        return names.map { Self.prefix + $0 } + userAttributes(of: node).keys.sorted(by: comesBefore)
    }

    package func extendedAttribute(_ name: String, of inode: Inode) throws(Errno) -> [UInt8] {
        let node = try node(inode)
        guard name.beginsWithBytes(of: Self.prefix) else {
            // The kernel asks for the capabilities of a file at each write, and must be told that it has none.
            guard let value = userAttributes(of: node)[name] else { throw .noData }
            return value
        }
        let name = name.droppingBytes(Self.prefix.utf8.count)
        let value: String? =
            switch node {
            case .account: daemon(name)
            case .folder: inode == .root ? daemon(name) : nil
            case .object(let object): try value(of: name, object)
            case .file(let file):
                try value(of: name, file)
            case .chunkFolder(let folder):
                name == "count" ? String(try count(of: folder)) : Self.identity(name, folder.object)
            case .chunk(let folder, let number): try value(of: name, number, in: folder)
            }
        guard let value else { throw .noData }
        return Array(value.utf8)
    }

    /// What the root tells of the process that serves the mount.
    private func daemon(_ name: String) -> String? {
        switch name {
        case "process": String(getpid())
        case "journal": options.journal?.path
        default: nil
        }
    }

    private static func identity(_ name: String, _ object: ObjectVersion) -> String? {
        switch name {
        case "object": object.url
        case "etag": object.info.etag.string
        default: nil
        }
    }

    private func value(of name: String, _ object: ObjectVersion) throws(Errno) -> String? {
        guard name == "content-type" else { return Self.identity(name, object) }
        if let known = object.info.attributes { return known.contentType }
        let info = try asking(object, "getxattr", object.url) { () throws(StorageError) in
            try object.bucket.store.info(object.key)
        }
        return info.attributes?.contentType
    }

    private func value(of name: String, _ file: LiveFile) throws(Errno) -> String? {
        file.waitForVersion()
        guard let object = file.storedVersion else { return nil }
        return try value(of: name, object)
    }

    private func count(of folder: ChunkFolder) throws(Errno) -> Int64 {
        try asking(folder.object, "getxattr", folder.object.url) { () throws(StorageError) in try folder.count() }
    }

    private func value(of name: String, _ number: Int64, in folder: ChunkFolder) throws(Errno) -> String? {
        switch name {
        case "index": return String(number)
        case "count": return String(try count(of: folder))
        case "offset", "length":
            let chunk = try asking(folder.object, "getxattr", folder.object.url) { () throws(StorageError) in
                try folder.chunk(number)
            }
            return String(name == "offset" ? chunk.offset : chunk.length)
        default: return Self.identity(name, folder.object)
        }
    }

    // MARK: The user's own

    private func userAttributes(of node: Node) -> [String: [UInt8]] {
        guard options.permissions == .persist else { return [:] }
        return switch node {
        case .object(let object): object.info.attributes.map { FileMetadata($0).extended } ?? [:]
        case .file(let file): file.state.withLock { $0.metadata.extended }
        case .folder(let folder): folder.bucket.marker(ofFolder: folder.prefix)?.metadata.extended ?? [:]
        case .account, .chunkFolder, .chunk: [:]
        }
    }

    package func setExtendedAttribute(
        _ name: String, of inode: Inode, to value: [UInt8], flags: Int32
    ) throws(Errno) {
        guard value.count <= ExtendedAttributeText.longest else { throw .noSpace }
        try changeAttributes(name, of: inode) { (values) throws(Errno) in
            if flags & Int32(XATTR_CREATE) != 0, values[name] != nil { throw .fileExists }
            if flags & Int32(XATTR_REPLACE) != 0, values[name] == nil { throw .noData }
            values[name] = value
            // What is called set must not be what the file can't be stored for.
            let taken = ExtendedAttributeText.write(values).utf8.count
            guard taken <= ExtendedAttributeText.longest else { throw .noSpace }
        }
    }

    package func removeExtendedAttribute(_ name: String, of inode: Inode) throws(Errno) {
        try changeAttributes(name, of: inode) { (values) throws(Errno) in
            guard values.removeValue(forKey: name) != nil else { throw .noData }
        }
    }

    private func changeAttributes(
        _ name: String, of inode: Inode, _ change: (inout [String: [UInt8]]) throws(Errno) -> Void
    ) throws(Errno) {
        guard name.beginsWithBytes(of: "user."), !name.beginsWithBytes(of: Self.prefix),
            options.permissions == .persist
        else {
            throw .notSupportedOnSocket
        }
        try changeMetadata(of: inode) { (metadata) throws(Errno) in
            try change(&metadata.extended)
            metadata.changed = .now
        }
    }
}
