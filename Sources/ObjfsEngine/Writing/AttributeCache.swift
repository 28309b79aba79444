import Storage
import Synchronization

/// What objects carry, as far as it was asked for: listings do not tell it.
final class AttributeCache: Sendable {
    private struct Version: Hashable {
        let key: ObjectKey
        let etag: ETag
    }

    private struct Carried {
        let attributes: ObjectAttributes
        /// When the store says that they were written: another time means that they may be others by now.
        var modified: Timestamp
        /// Whether that is what listings say, which may be finer than the answer to a write.
        var isListed: Bool
    }

    private struct State {
        var known: [Version: Carried] = [:]
        /// Whether the objects of a folder carry what file systems write, by its prefix.
        var folders: [ObjectKey: Bool] = [:]

        mutating func note(_ folder: ObjectKey, isAttributed: Bool) {
            if folders.count >= AttributeCache.limit { folders.removeAll() }
            folders[folder] = isAttributed
        }
    }

    private let state = Mutex(State())
    private static let limit = 200_000

    /// What a version carries, if it is known.
    func attributes(of object: ObjectInfo) -> ObjectAttributes? {
        if let attributes = object.attributes { return attributes }
        let version = Version(key: object.key, etag: object.etag)
        return state.withLock { state in
            guard let carried = state.known[version] else { return nil }
            if carried.modified == object.modified { return carried.attributes }
            guard !carried.isListed, object.modified.isAlmost(carried.modified) else { return nil }
            state.known[version]?.modified = object.modified
            state.known[version]?.isListed = true
            return carried.attributes
        }
    }

    /// Remembers what the store said.
    ///
    /// - Parameter isListed: Whether the time of the object is that of a listing.
    func remember(_ object: ObjectInfo, isListed: Bool) {
        guard let attributes = object.attributes else { return }
        state.withLock { state in
            if state.known.count >= Self.limit { state.known.removeAll() }
            state.known[Version(key: object.key, etag: object.etag)] = Carried(
                attributes: attributes, modified: object.modified, isListed: isListed)
            if attributes.metadata["mode"] != nil { state.note(object.key.folder, isAttributed: true) }
        }
    }

    /// Whether the objects of a folder carry what file systems write; `nil` if none was asked for yet.
    func isAttributed(_ folder: ObjectKey) -> Bool? { state.withLock { $0.folders[folder] } }

    /// Notes that an object of a folder carries nothing that file systems write.
    func notePlain(_ folder: ObjectKey) {
        state.withLock { state in
            if state.folders[folder] == nil { state.note(folder, isAttributed: false) }
        }
    }
}

extension Timestamp {
    /// Whether two times may be the same in a listing and in the answer to a write, which tells whole seconds.
    func isAlmost(_ other: Timestamp) -> Bool {
        let (distance, overflow) = nanoseconds.subtractingReportingOverflow(other.nanoseconds)
        return !overflow && distance.magnitude <= 2_000_000_000
    }
}

extension ObjectKey {
    /// What the keys of the folder begin with that this key is in; a marker is in the folder above its own.
    var folder: ObjectKey {
        let bytes = string.utf8.hasSlashAtEnd ? string.utf8.dropLast() : string.utf8[...]
        let end = bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes.index(after: $0) } ?? bytes.startIndex
        return ObjectKey(String(decoding: bytes[..<end], as: UTF8.self))
    }
}

extension String.UTF8View {
    fileprivate var hasSlashAtEnd: Bool { last == UInt8(ascii: "/") }
}
