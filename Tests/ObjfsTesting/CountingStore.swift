package import Bytes
package import Storage
import Synchronization

/// A store that counts what it is asked, and can be told to fail or to do something at each read.
package final class CountingStore: ObjectStore {
    /// How often each operation was asked for, and how many bytes were read.
    package struct Counts: Sendable {
        package var infos = 0
        package var lists = 0
        package var reads = 0
        package var bytesRead: Int64 = 0
        package var writes = 0
    }

    private let base: any ObjectStore
    private let state = Mutex(Counts())
    private let beforeRead: @Sendable (Int) throws(StorageError) -> Void

    /// Wraps a store.
    ///
    /// - Parameters:
    ///   - base: The store that answers.
    ///   - beforeRead: Is called before each read with its number, from 1; what it throws is what the read throws.
    package init(_ base: any ObjectStore, beforeRead: @escaping @Sendable (Int) throws(StorageError) -> Void = { _ in })
    {
        self.base = base
        self.beforeRead = beforeRead
    }

    package var name: String { base.name }
    package var counts: Counts { state.withLock { $0 } }
    package func reset() { state.withLock { $0 = Counts() } }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        state.withLock { $0.infos += 1 }
        return try base.info(key)
    }

    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage {
        state.withLock { $0.lists += 1 }
        return try base.list(request)
    }

    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?, into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        let number = state.withLock { counts in
            counts.reads += 1
            return counts.reads
        }
        try beforeRead(number)
        return try base.read(key, range: range, ifVersion: version) { part in
            state.withLock { $0.bytesRead += Int64(part.count) }
            return sink(part)
        }
    }

    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        state.withLock { $0.writes += 1 }
        return try base.write(key, body, attributes: attributes, condition: condition)
    }

    package func delete(_ key: ObjectKey) throws(StorageError) { try base.delete(key) }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        try base.copy(source, ifVersion: version, to: target, attributes: attributes)
    }
}
