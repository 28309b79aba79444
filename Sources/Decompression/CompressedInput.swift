package import Storage
package import Threads

/// Compressed bytes that are read in order, in parts, with the next parts on their way.
package final class CompressedInput {
    /// Fetches exactly a range of the compressed bytes; the end is excluded.
    package typealias Fetch = @Sendable (Range<Int64>) throws(StorageError) -> [UInt8]

    /// The number of all compressed bytes.
    package let size: Int64
    /// The position of the next byte.
    package private(set) var position: Int64

    private let fetch: Fetch
    private let pool: WorkerPool?
    private let progress: (Int64) -> Void
    /// Up to where bytes will be wanted, as far as is known; no more than needed is read behind it.
    private let end: Int64
    /// Bytes that are there; those before `consumed` were used.
    private var window: [UInt8] = []
    private var consumed = 0
    /// Parts on their way, and where the next one begins.
    private var parts: [Pending<Result<[UInt8], StorageError>>] = []
    private var frontier: Int64
    private var partSize: Int64 = 64 << 10

    private static let largestPart: Int64 = 1 << 20
    private static let partsAhead = 4
    /// Skipping more than this is done by asking anew, and not by reading on.
    private static let nearby: Int64 = 4 << 20

    /// Makes an input.
    ///
    /// - Parameters:
    ///   - size: The number of all compressed bytes.
    ///   - position: Where to begin.
    ///   - end: Up to where bytes will be wanted; excluded. More can be read.
    ///   - pool: Its threads read ahead; without one nothing is read ahead.
    ///   - progress: Is told the position now and then.
    ///   - fetch: Fetches bytes.
    package init(
        size: Int64, from position: Int64 = 0, to end: Int64? = nil, pool: WorkerPool? = nil,
        progress: @escaping (Int64) -> Void = { _ in }, fetch: @escaping Fetch
    ) {
        self.size = size
        self.position = position
        self.end = min(end ?? size, size)
        self.pool = pool
        self.progress = progress
        self.fetch = fetch
        frontier = position
    }

    /// How many bytes there are from the position on.
    package var remaining: Int64 { size - position }

    /// Lends bytes from the position on, and goes on behind those that were used.
    ///
    /// - Parameters:
    ///   - count: How many bytes are lent at least; fewer only where there are no more.
    ///   - body: Returns how many of them it used.
    package func consume(
        atLeast count: Int = 1, _ body: (UnsafeRawBufferPointer) throws(StorageError) -> Int
    ) throws(StorageError) {
        try fill(count)
        let consumed = consumed
        let used = try window.withUnsafeBufferPointer { (bytes) throws(StorageError) -> Int in
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[consumed...])))
        }
        advance(min(used, window.count - consumed))
    }

    /// A copy of the next bytes, without going on; fewer only where there are no more.
    package func peek(_ count: Int) throws(StorageError) -> [UInt8] {
        try fill(count)
        return Array(window[consumed..<min(consumed + count, window.count)])
    }

    /// Goes on behind some bytes; the end is a position too.
    package func skip(_ count: Int64) throws(StorageError) {
        guard count <= remaining else { throw damaged("it ends too early") }
        let there = Int64(window.count - consumed)
        guard count > there else { return advance(Int(count)) }
        guard position + count - frontier < Self.nearby else { return seek(to: position + count) }
        var rest = count
        while rest > 0 {
            try fill(1)
            let step = Int(min(rest, Int64(window.count - consumed)))
            advance(step)
            rest -= Int64(step)
        }
    }

    /// Goes to any position.
    package func seek(to position: Int64) {
        let start = self.position - Int64(consumed)
        if start...start + Int64(window.count) ~= position {
            consumed = Int(position - start)
        } else {
            window = []
            consumed = 0
            parts = []
            frontier = position
            partSize = 64 << 10
        }
        self.position = position
    }

    private func advance(_ count: Int) {
        consumed += count
        position += Int64(count)
    }

    /// Sees to it that so many bytes are there, if there are so many.
    private func fill(_ count: Int) throws(StorageError) {
        guard window.count - consumed < count, frontier < size || !parts.isEmpty else { return }
        window.removeFirst(consumed)
        consumed = 0
        progress(position)
        while window.count < count {
            guard let part = try nextPart() else { return }
            if window.isEmpty { window = part } else { window += part }
        }
    }

    private func nextPart() throws(StorageError) -> [UInt8]? {
        guard let pool else { return try nextRange().map { (range) throws(StorageError) in try fetch(range) } }
        while parts.count < Self.partsAhead, parts.isEmpty || frontier < end, let range = nextRange() {
            let fetch = fetch
            parts.append(
                Pending(pool) { Result { () throws(StorageError) in try fetch(range) } })
        }
        return parts.isEmpty ? nil : try parts.removeFirst().value.get()
    }

    /// The next bytes to be fetched; each part is larger than the last one, as far as bytes are wanted.
    private func nextRange() -> Range<Int64>? {
        guard frontier < size else { return nil }
        let known = frontier < end ? min(frontier + partSize, end) : min(frontier + (64 << 10), size)
        defer {
            frontier = known
            partSize = min(partSize * 2, Self.largestPart)
        }
        return frontier..<known
    }

    /// The error of compressed bytes that are not what they should be, at the position.
    package func damaged(_ reason: String) -> StorageError {
        StorageError(.damaged, "the compressed object is damaged near byte \(position): \(reason)")
    }
}
