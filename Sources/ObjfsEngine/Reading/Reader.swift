import Bytes
import Storage
import Synchronization
import Threads

/// Reads one version of an object for one open file.
///
/// The first read of a place fetches what it asks for and no more, on the thread that asks.
/// Each read that goes on where the last one ended makes the reader fetch farther ahead, on other threads:
/// a multiple of what has been read in a row, which the memory of all files together bounds.
final class Reader: MemoryBudget.Holder {
    fileprivate struct State {
        var streams: [ReadStream] = []
        var reads: UInt64 = 0
        var lastUse: ContinuousClock.Instant = .now
        var isCounted = false
        var isClosed = false
    }

    let object: ObjectVersion
    /// Where the bytes are read from: the object's own store, or what decompresses it.
    private let store: any ObjectStore
    /// Where nothing is fetched any more ahead of who reads, unless a read says less.
    private let end: Int64
    private let budget: MemoryBudget
    private let pool: WorkerPool
    private let state = Mutex(State())

    /// How many places of one file are kept apart.
    private static let streams = 8
    /// How far ahead is fetched at most.
    private static let farthest = ReadStream.largestPart * Int64(ReadStream.partsInFlight)

    /// Makes a reader.
    ///
    /// - Parameter start: The beginning of the object, if it was fetched before.
    init(
        _ object: ObjectVersion, in store: (any ObjectStore)? = nil, end: Int64, budget: MemoryBudget, pool: WorkerPool,
        start: Part? = nil
    ) {
        self.object = object
        self.store = store ?? object.bucket.store
        self.end = end
        self.budget = budget
        self.pool = pool
        if let start { state.withLock { $0.streams = [ReadStream(from: start)] } }
        budget.join(self)
    }

    /// Gives up everything; nothing is read after this.
    func close() {
        let wasCounted = state.withLock { state in
            state.isClosed = true
            state.shrink(to: 0)
            state.streams = []
            defer { state.isCounted = false }
            return state.isCounted
        }
        if wasCounted { budget.countStream(-1) }
        budget.leave(self)
    }

    /// Reads some bytes of the object, which it must have.
    ///
    /// - Parameter limit: Where nothing is fetched any more ahead of this read; `nil` for the reader's own end.
    func read(_ wanted: Range<Int64>, upTo limit: Int64? = nil) throws(StorageError) -> [ByteSlice] {
        guard !wanted.isEmpty else { return [] }
        let end = min(limit ?? end, end)
        let (stream, wish) = state.withLock { $0.begin(wanted, streams: Self.streams) }
        defer { state.withLock { $0.end(stream) } }
        let ahead = wish == 0 ? 0 : reach(wish)
        let pieces = try claimPieces(wanted, stream, ahead: ahead, upTo: end)
        defer { for piece in pieces { piece.part.unclaim() } }
        if ahead > 0 { readAhead(stream, ahead, upTo: end) }
        var slices: [ByteSlice] = []
        for piece in pieces { slices.append(try piece.part.bytes(piece.range)) }
        return slices
    }

    /// How far ahead of the reader to fetch, with the memory that there is for each.
    private func reach(_ wish: Int64) -> Int64 {
        let isNew = state.withLock { state in
            defer { state.isCounted = !state.isClosed }
            return !state.isCounted && !state.isClosed
        }
        if isNew { budget.countStream(1) }
        return min(wish, Self.farthest, Int64(budget.share))
    }
}

// MARK: What a read waits for

extension Reader {
    /// Sees to it that parts have all bytes of a range or will have them, and claims these parts.
    private func claimPieces(
        _ wanted: Range<Int64>, _ stream: UInt64, ahead: Int64, upTo end: Int64
    ) throws(StorageError) -> [Piece] {
        while true {
            switch state.withLock({ $0.claim(wanted, stream) }) {
            case .pieces(let pieces): return pieces
            case .gap(let gap, let next):
                let limit = min(next ?? end, end, gap.lowerBound + ReadStream.largestPart)
                let far = gap.lowerBound..<max(gap.upperBound, min(gap.upperBound + ahead, limit))
                if ahead > 0, let buffer = budget.bufferAhead(far.count) {
                    let part = Part(far, in: buffer, isExact: false)
                    if insert(part, stream) { submit(part) }
                } else {
                    let part = try fetchExactly(gap, stream)
                    if gap == wanted { return [Piece(part: part, range: gap)] }
                    // Nothing may be held while the next gap waits for memory.
                    part.unclaim()
                }
            // Whoever reads the next version through the same file has closed this one.
            case nil: throw .changed()
            }
        }
    }

    /// Fetches a range on this thread, and claims it; this holds nothing of the budget while it waits for memory.
    private func fetchExactly(_ gap: Range<Int64>, _ stream: UInt64) throws(StorageError) -> Part {
        let part = Part(gap, in: budget.buffer(gap.count), isExact: true)
        part.claim()
        // Another thread may be fetching the same by now; who needs the bytes at once still fetches them.
        _ = insert(part, stream)
        part.fill(from: object, in: store)
        guard part.hasFailed else { return part }
        part.unclaim()
        _ = try part.bytes(gap)
        return part
    }

    /// Adds a part, unless another thread has meanwhile added one for the same bytes.
    private func insert(_ part: Part, _ stream: UInt64) -> Bool {
        state.withLock { state in
            guard !state.parts.contains(where: { $0.range.overlaps(part.range) }) else { return false }
            return state.stream(stream) { $0.insert(part) } != nil
        }
    }

    private func submit(_ part: Part) {
        let (object, store) = (object, store)
        pool.submit { part.fill(from: object, in: store) }
    }
}

// MARK: Reading ahead

extension Reader {
    /// Starts to fetch what will be read next, as far as there is memory.
    private func readAhead(_ stream: UInt64, _ ahead: Int64, upTo end: Int64) {
        let parts = state.withLock { state in
            let others = state.othersInUse(than: stream)
            return state.stream(stream) { stream in
                stream.dropRead()
                let start = stream.frontier
                guard !others.contains(where: { $0.contains(start) }) else { return ([Part](), false) }
                let end = min(end, others.map(\.lowerBound).filter { $0 >= start }.min() ?? end)
                var parts: [Part] = []
                while let range = stream.nextAhead(ahead, end: end) {
                    guard let buffer = budget.bufferAhead(range.count) else { return (parts, true) }
                    let part = Part(range, in: buffer, isExact: false)
                    stream.insert(part)
                    parts.append(part)
                }
                return (parts, false)
            }
        }
        guard let (parts, isShort) = parts else { return }
        for part in parts { submit(part) }
        if isShort { budget.balance() }
    }

    var held: Int { state.withLock { $0.streams.reduce(0) { $0 + $1.held } } }

    var lastUse: ContinuousClock.Instant { state.withLock { $0.lastUse } }

    func shrink(to bytes: Int) {
        let isIdle = state.withLock { state in
            state.shrink(to: bytes)
            guard bytes == 0, state.isCounted else { return false }
            state.isCounted = false
            return true
        }
        if isIdle { budget.countStream(-1) }
    }
}

// MARK: Streams

/// Some bytes, and the part that has them or will.
private struct Piece {
    let part: Part
    let range: Range<Int64>
}

private enum Claim {
    case pieces([Piece])
    /// Bytes that no part has, and where those begin that somebody else has fetched or is about to.
    case gap(Range<Int64>, next: Int64?)
}

extension Reader.State {
    /// Finds the stream that a read goes on with, or makes one, and takes note of the read.
    ///
    /// - Returns: Which stream it is, and how far ahead it would fetch.
    fileprivate mutating func begin(_ wanted: Range<Int64>, streams limit: Int) -> (stream: UInt64, ahead: Int64) {
        reads += 1
        lastUse = .now
        let index: Int
        let known = streams.indices.filter { streams[$0].goesOn(with: wanted) }
        if let nearest = known.min(by: { streams[$0].distance(to: wanted) < streams[$1].distance(to: wanted) }) {
            index = nearest
            streams[index].dropFailed()
        } else {
            if streams.count >= limit { removeOne() }
            index = streams.count
            streams.append(ReadStream(at: wanted.lowerBound, read: reads))
        }
        streams[index].readers += 1
        return (streams[index].id, streams[index].note(wanted, read: reads))
    }

    /// Takes note that a read has ended.
    fileprivate mutating func end(_ id: UInt64) {
        stream(id) { stream in
            stream.readers -= 1
            stream.dropRead()
        }
    }

    /// Gives up a stream that nobody is reading: one that has fetched nothing, or else the one not used for longest.
    private mutating func removeOne() {
        let idle = streams.indices.filter { streams[$0].readers == 0 }
        let last = idle.min { left, right in
            let (first, second) = (streams[left], streams[right])
            if first.parts.isEmpty != second.parts.isEmpty { return first.parts.isEmpty }
            return first.lastRead < second.lastRead
        }
        guard let last else { return }
        streams[last].shrink(to: 0)
        streams.remove(at: last)
    }

    /// Lends a stream, if it is still there.
    @discardableResult
    fileprivate mutating func stream<Result>(_ id: UInt64, _ body: (inout ReadStream) -> Result) -> Result? {
        guard let index = streams.firstIndex(where: { $0.id == id }) else { return nil }
        return body(&streams[index])
    }

    /// What was fetched for all places.
    fileprivate var parts: some Sequence<Part> { streams.lazy.flatMap(\.parts) }

    /// Where others are reading: what stands there is theirs to fetch.
    ///
    /// Who has not read for a while, as many reads as all streams would take turns twice, is left out:
    /// a program that has once looked at a place doesn't keep another from reading ahead over it.
    fileprivate func othersInUse(than id: UInt64) -> [Range<Int64>] {
        streams.filter { $0.id != id && reads - $0.lastRead <= 16 }.map(\.territory)
    }

    /// Claims the parts that have a range, whichever stream they are of, or says which bytes are missing.
    fileprivate mutating func claim(_ wanted: Range<Int64>, _ id: UInt64) -> Claim? {
        guard streams.contains(where: { $0.id == id }) else { return nil }
        // What has failed for others is tried again here; what has failed for this read is its failure.
        for index in streams.indices where streams[index].id != id { streams[index].dropFailed() }
        var pieces: [Piece] = []
        var start = wanted.lowerBound
        while start < wanted.upperBound {
            let having = parts.filter { $0.range.contains(start) }
            guard let part = having.max(by: { $0.range.upperBound < $1.range.upperBound }) else {
                let next = parts.map(\.range.lowerBound).filter { $0 > start }.min()
                let gap = start..<min(wanted.upperBound, next ?? .max)
                let others = othersInUse(than: id).map(\.lowerBound) + (next.map { [$0] } ?? [])
                return .gap(gap, next: others.filter { $0 >= gap.upperBound }.min())
            }
            let end = min(part.range.upperBound, wanted.upperBound)
            pieces.append(Piece(part: part, range: start..<end))
            start = end
        }
        for piece in pieces { piece.part.claim() }
        return .pieces(pieces)
    }

    /// Gives up what was fetched ahead, until so many bytes are kept.
    fileprivate mutating func shrink(to bytes: Int) {
        for index in streams.indices { streams[index].shrink(to: bytes / max(streams.count, 1)) }
    }
}
