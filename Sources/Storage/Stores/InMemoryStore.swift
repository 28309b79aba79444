package import Bytes
import Synchronization

/// A bucket in memory: the plainest store that keeps every promise, for tests and as a model of the others.
package final class InMemoryStore: ObjectStore {
    fileprivate struct Object {
        var info: ObjectInfo
        var body: ByteSlice
    }

    fileprivate struct State {
        var objects: [ObjectKey: Object] = [:]
        /// Keys in order, or `nil` after one was added or removed.
        var order: [ObjectKey]?
        var versions: UInt64 = 0
    }

    package let name: String
    package var sinkMayBlock: Bool { true }
    private let state = Mutex(State())

    package init(name: String = "memory://bucket") { self.name = name }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        try object(key).info
    }

    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage {
        state.withLock { state in
            let keys = state.order ?? state.objects.keys.sorted()
            state.order = keys
            var roll = ListingRoll(request)
            for key in keys[roll.start(in: keys)...] {
                guard let object = state.objects[key], roll.add(object.info) else { break }
            }
            return roll.page
        }
    }

    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        let object = try object(key)
        guard version == nil || version == object.info.etag else { throw .changed() }
        let whole = 0..<object.info.size
        let range = (range ?? whole).clamped(to: whole)
        let bytes = object.body[Int(range.lowerBound)..<Int(range.upperBound)]
        guard bytes.isEmpty || bytes.withUnsafeBytes({ sink($0) }) else { throw StorageError(.cancelled, "called off") }
        return object.info
    }

    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        try state.withLock { state throws(StorageError) in
            try state.check(condition, of: key)
            return state.put(key, body, attributes)
        }
    }

    package func delete(_ key: ObjectKey) throws(StorageError) {
        state.withLock { state in
            if state.objects.removeValue(forKey: key) != nil { state.order = nil }
        }
    }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        try state.withLock { state throws(StorageError) in
            guard let object = state.objects[source] else { throw .notFound() }
            guard version == nil || version == object.info.etag else { throw .changed() }
            return state.put(target, object.body, attributes ?? object.info.attributes ?? ObjectAttributes())
        }
    }

    private func object(_ key: ObjectKey) throws(StorageError) -> Object {
        guard let object = state.withLock({ $0.objects[key] }) else { throw .notFound() }
        return object
    }
}

extension InMemoryStore.State {
    fileprivate func check(_ condition: WriteCondition, of key: ObjectKey) throws(StorageError) {
        switch condition {
        case .always: return
        case .absent:
            guard objects[key] == nil else {
                throw StorageError(.preconditionFailed, "there is such an object already")
            }
        case .unchanged(let version):
            guard objects[key]?.info.etag == version else {
                throw StorageError(.preconditionFailed, "the object has changed")
            }
        }
    }

    fileprivate mutating func put(_ key: ObjectKey, _ body: ByteSlice, _ attributes: ObjectAttributes) -> ObjectInfo {
        versions &+= 1
        let info = ObjectInfo(
            key: key, size: Int64(body.count), etag: ETag("v\(versions)"),
            modified: Timestamp(seconds: 1_700_000_000 + Int64(truncatingIfNeeded: versions)), attributes: attributes)
        if objects.updateValue(InMemoryStore.Object(info: info, body: body), forKey: key) == nil { order = nil }
        return info
    }
}

extension StorageError {
    /// There is no such object.
    package static func notFound() -> StorageError { StorageError(.notFound, "no such object") }

    /// The object is no longer the version that was asked for.
    package static func changed() -> StorageError { StorageError(.changed, "the object has changed") }
}
