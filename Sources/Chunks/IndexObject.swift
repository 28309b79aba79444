package import Decompression
package import Storage

/// The index of a compressed object, kept as another object beside it.
package enum IndexObject {
    /// What the name of an object's index ends with.
    package static let suffix = ".objfs-index"

    /// How large the index of a very small object may be, in bytes.
    private static let largestOfNothing: Int64 = 1 << 20

    /// The name of the index of an object.
    package static func key(for key: ObjectKey) -> ObjectKey { ObjectKey(key.string + suffix) }

    /// The index that somebody has kept beside an object; `nil` if there is none, or it is that of another version.
    static func read(for bytes: ObjectBytes) throws(StorageError) -> AccessIndex? {
        do throws(StorageError) {
            var content: [UInt8] = []
            // No index is much larger than its object, and what is comes from somebody else.
            let limit = bytes.size + largestOfNothing
            try bytes.store.read(key(for: bytes.object.key), range: 0..<limit, ifVersion: nil) { part in
                content.append(contentsOf: part)
                return true
            }
            return AccessIndex(content: content, identity: AccessIndex.identity(of: bytes.object))
        } catch {
            switch error.code {
            // Who may read an object may be forbidden to read others; the index is then found out as if there were none.
            case .notFound, .accessDenied: return nil
            default: throw error
            }
        }
    }
}

extension AccessIndex {
    /// What tells a version of an object from others, wherever its index is kept.
    package static func identity(of object: ObjectInfo) -> String { "\(object.size) \(object.etag)" }
}
