import Records
import Storage

/// The bytes of one version of an object, which every read insists on.
struct ObjectBytes: Sendable {
    let store: any ObjectStore
    let object: ObjectInfo

    /// The number of bytes.
    var size: Int64 { object.size }

    /// Reads exactly a range; the end is excluded.
    func read(_ range: Range<Int64>) throws(StorageError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        try read(range) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// Hands on exactly the bytes of a range, in order and in pieces of any size.
    func read(_ range: Range<Int64>, into sink: (UnsafeRawBufferPointer) -> Void) throws(StorageError) {
        var count = 0
        try store.read(object.key, range: range, ifVersion: object.etag) { part in
            count += part.count
            sink(part)
            return true
        }
        guard count == range.count else { throw StorageError(.corrupted, "the object ended before its end") }
    }

    /// Gives a search the bytes that it asks for, until it has found a record or `isEnough` of it.
    func run(
        _ search: inout any RecordSearch, until isEnough: (any RecordSearch) -> Bool = { _ in false }
    ) throws(StorageError) -> Int64? {
        while true {
            switch search.step {
            case .found(let border): return border
            case .read(let range):
                if isEnough(search) { return nil }
                let bytes = try read(range)
                bytes.withUnsafeBytes { search.take(RecordWindow(offset: range.lowerBound, bytes: $0)) }
            }
        }
    }
}
