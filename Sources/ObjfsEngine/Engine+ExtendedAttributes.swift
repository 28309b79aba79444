import Chunks
import Storage
package import SystemPackage
import VFS

extension Engine {
    private static let prefix = "user.objfs."

    package func extendedAttributeNames(of inode: Inode) throws(Errno) -> [String] {
        let names =
            switch try node(inode) {
            case .account, .folder: [String]()
            case .object: ["object", "etag", "content-type"]
            case .chunkFolder: ["object", "etag", "count"]
            case .chunk: ["object", "etag", "index", "count", "offset", "length"]
            }
        return names.map { Self.prefix + $0 }
    }

    package func extendedAttribute(_ name: String, of inode: Inode) throws(Errno) -> [UInt8] {
        guard name.beginsWithBytes(of: Self.prefix) else { throw .noData }
        let name = name.droppingBytes(Self.prefix.utf8.count)
        let value: String? =
            switch try node(inode) {
            case .account, .folder: nil
            case .object(let object): try value(of: name, object)
            case .chunkFolder(let folder):
                name == "count" ? String(folder.index.count) : Self.identity(name, folder.object)
            case .chunk(let folder, let number): try value(of: name, number, in: folder)
            }
        guard let value else { throw .noData }
        return Array(value.utf8)
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

    private func value(of name: String, _ number: Int64, in folder: ChunkFolder) throws(Errno) -> String? {
        switch name {
        case "index": return String(number)
        case "count": return String(folder.index.count)
        case "offset", "length":
            let chunk = try asking(folder.object, "getxattr", folder.object.url) { () throws(StorageError) in
                try folder.chunk(number)
            }
            return String(name == "offset" ? chunk.offset : chunk.length)
        default: return Self.identity(name, folder.object)
        }
    }
}
