package import Storage
package import Threads

/// One version of a compressed object, as a store of the one object that it decompresses to.
///
/// A read fetches the compressed bytes from the last access point before it up to the first one behind it,
/// and decompresses them on the thread that asks.
package struct PlainStore: ReadOnlyStore {
    package let base: any ObjectStore
    /// The compressed object.
    package let compressed: ObjectInfo
    package let index: AccessIndex
    private let effort: Effort

    /// What a read may take to be fast.
    package enum Effort: Sendable {
        /// The pool's threads fetch ahead of the one that decompresses.
        case readingAhead(WorkerPool)
        /// Few threads decompress at a time, so that the memory that this takes is bounded.
        case inTurns(Turns)
        case none
    }

    /// Makes a store.
    ///
    /// - Parameters:
    ///   - base: Where the compressed object is.
    ///   - compressed: The object.
    ///   - index: Its access points.
    package init(_ base: any ObjectStore, _ compressed: ObjectInfo, _ index: AccessIndex, _ effort: Effort = .none) {
        self.base = base
        self.compressed = compressed
        self.index = index
        self.effort = effort
    }

    package var name: String { base.name }

    package var sinkMayBlock: Bool { true }

    /// The object, as long as its content is.
    package var object: ObjectInfo {
        ObjectInfo(
            key: compressed.key, size: index.size, etag: compressed.etag, modified: compressed.modified,
            attributes: compressed.attributes)
    }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        guard key == compressed.key else { throw StorageError(.notFound, "no such object") }
        return object
    }

    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        let object = try info(key)
        guard version == nil || version == compressed.etag else {
            throw StorageError(.changed, "the object has changed")
        }
        let wanted = (range ?? 0..<index.size).clamped(to: 0..<index.size)
        guard !wanted.isEmpty else { return object }
        if case .inTurns(let turns) = effort {
            try turns.take { () throws(StorageError) in try read(wanted, into: sink) }
        } else {
            try read(wanted, into: sink)
        }
        return object
    }

    private func read(
        _ wanted: Range<Int64>, into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) {
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: Decompression.outputCount, alignment: 4096)
        defer { output.deallocate() }
        var position = wanted.lowerBound
        while position < wanted.upperBound {
            position = try readStretch(position..<wanted.upperBound, output, sink)
        }
    }

    /// The threads that fetch ahead; a store from which reading costs no waiting needs none.
    private var pool: WorkerPool? {
        guard case .readingAhead(let pool) = effort, !base.sinkMayBlock else { return nil }
        return pool
    }

    /// Decompresses from one access point on, as far as that goes or as far as is wanted.
    ///
    /// - Returns: Up to where bytes were handed on.
    private func readStretch(
        _ wanted: Range<Int64>, _ output: UnsafeMutableRawBufferPointer, _ sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> Int64 {
        guard let number = index.points.last(before: wanted.lowerBound) else {
            throw .damagedIndex
        }
        let point = index.points[number]
        let input = Self.input(
            base, compressed, from: point.compressed,
            // The byte at a point may have the last bits of what lies before it.
            to: index.points.first(from: wanted.upperBound).map { $0.compressed + 1 }, pool: pool)
        let decompressor = try Decompression.format(index.compression).decompressor(input, at: number, of: index)
        var position = point.plain
        while position < wanted.upperBound {
            let count = try decompressor.next(into: output)
            guard count > 0 else { break }
            let part = (position..<position + Int64(count)).clamped(to: wanted)
            if !part.isEmpty {
                let bytes = output[Int(part.lowerBound - position)..<Int(part.upperBound - position)]
                guard sink(UnsafeRawBufferPointer(rebasing: bytes)) else { throw StorageError(.cancelled, "cancelled") }
            }
            position += Int64(count)
        }
        guard position > wanted.lowerBound else { throw input.damaged("its content is shorter than it was said to be") }
        return min(position, wanted.upperBound)
    }

    /// The compressed bytes of an object.
    ///
    /// - Parameters:
    ///   - position: Where to begin.
    ///   - end: Up to where bytes will be wanted; `nil` for the object's end.
    ///   - progress: Is told now and then how many bytes were used.
    package static func input(
        _ store: any ObjectStore, _ object: ObjectInfo, from position: Int64 = 0, to end: Int64? = nil,
        pool: WorkerPool?, progress: @escaping (Int64) -> Void = { _ in }
    ) -> CompressedInput {
        CompressedInput(size: object.size, from: position, to: end, pool: pool, progress: progress) {
            (range) throws(StorageError) in
            let bytes = try store.read(
                object.key, range: range, ifVersion: object.etag.string.isEmpty ? nil : object.etag)
            guard bytes.count == range.count else { throw StorageError(.corrupted, "the object ended before its end") }
            return bytes
        }
    }
}
