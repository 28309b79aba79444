import Bytes
import Records
import Storage
import Threads

/// What is inside of quotes in one version of an object, found out once by reading it from its start.
///
/// It is read as far as somebody asks, in parts, many at a time, in any order: each part is summarised by itself,
/// and the state before a part follows from the summaries before it.
/// Who waits for parts reads parts too; so nobody waits for a thread of a pool whose threads all wait.
final class ObjectScan: Sendable {
    fileprivate struct State {
        /// The summaries of a part's blocks, if it was read.
        var parts: [[QuoteSummary]?]
        /// The states before the first parts, as far as they are known.
        var before: [QuoteState] = [.start]
        /// Which parts some thread reads.
        var isRunning: [Bool]
        var runningCount = 0
        /// All parts before this one were read or are being read.
        var firstOpen = 0
        /// How many parts are asked for, counted from the object's start.
        var demand = 0
        var helpers = 0
        var failures = 0
        var lastFailure: StorageError?
    }

    private let bytes: ObjectBytes
    private let scan: QuoteScan
    private let layout: ScanLayout
    private let file: FactFile?
    private let pool: WorkerPool
    private let state: Monitor<State>
    private let progress: BorderCache.Progress?

    /// How many parts are read at a time.
    private static let limit = 8

    /// Makes a scan; this asks the store nothing.
    init(
        _ bytes: ObjectBytes, _ scan: QuoteScan, file: FactFile?, pool: WorkerPool,
        progress: BorderCache.Progress? = nil
    ) {
        self.progress = progress
        self.bytes = bytes
        self.scan = scan
        self.file = file
        self.pool = pool
        let layout = ScanLayout(size: bytes.size)
        self.layout = layout
        var parts = [[QuoteSummary]?](repeating: nil, count: layout.count)
        for (number, word) in file?.load() ?? [] {
            guard let part = Int(exactly: number), parts.indices.contains(part) else { continue }
            parts[part] = Self.summaries(word, count: layout.blockCount(of: part))
        }
        var state = State(parts: parts, isRunning: [Bool](repeating: false, count: parts.count))
        state.advance()
        self.state = Monitor(state)
    }

    /// The state at a position, or a little before it; waits until the object has been read so far.
    func point(before position: Int64) throws(StorageError) -> ScanPoint {
        let part = Int(clamping: position / layout.partSize)
        let block = Int(position % layout.partSize / layout.blockSize)
        let needed = min(part + (block > 0 ? 1 : 0), layout.count)
        let failures = state.withLock { state in
            state.demand = max(state.demand, needed)
            return state.failures
        }
        callHelpers()
        while true {
            let turn = state.wait { state -> Turn? in
                if state.before.count > needed { return .point(state.point(part, block, layout)) }
                if state.failures > failures, let failure = state.lastFailure { return .failed(failure) }
                return state.takeOn(before: needed, limit: Self.limit).map { .read($0) }
            }
            switch turn {
            case .point(let point): return point
            case .failed(let failure): throw failure
            case .read(let part): try read(part)
            }
        }
    }

    private enum Turn {
        case point(ScanPoint)
        case failed(StorageError)
        case read(Int)
    }

    /// Lets threads of the pool read parts that are asked for.
    private func callHelpers() {
        let count = state.withLock { state in
            let wanted = min(state.demand - state.firstOpen, Self.limit - 1) - state.helpers
            state.helpers += max(wanted, 0)
            return wanted
        }
        for _ in 0..<max(count, 0) { pool.submit { self.help() } }
    }

    /// Reads one part, and lines up again behind the pool's other jobs.
    private func help() {
        let part = state.withLock { state -> Int? in
            let part = state.takeOn(before: state.demand, limit: Self.limit)
            if part == nil { state.helpers -= 1 }
            return part
        }
        guard let part else { return }
        do throws(StorageError) {
            try read(part)
            pool.submit { self.help() }
        } catch {
            // Those who wait have been told; they or who comes next try again.
            state.withLock { $0.helpers -= 1 }
        }
    }

    private func read(_ part: Int) throws(StorageError) {
        do throws(StorageError) {
            var summary = PartScan(scan, layout)
            try bytes.read(layout.range(of: part)) { summary.take($0) }
            let blocks = summary.blocks
            let count = state.update { state in
                state.finish(part, blocks)
                return state.before.count - 1
            }
            progress?(bytes.object, min(Int64(count) * layout.partSize, bytes.size))
            file?.add(Int64(part), Hex.string(blocks.map(\.rawValue)))
        } catch {
            state.update { state in
                state.fail(part)
                state.lastFailure = error
            }
            throw error
        }
    }

    private static func summaries(_ word: Substring, count: Int) -> [QuoteSummary]? {
        guard let bytes = Hex.bytes(word), bytes.count == count else { return nil }
        let blocks = bytes.compactMap { QuoteSummary(rawValue: $0) }
        return blocks.count == count ? blocks : nil
    }
}

extension ObjectScan.State {
    /// Takes on the first part that nobody has read or reads.
    fileprivate mutating func takeOn(before end: Int, limit: Int) -> Int? {
        guard runningCount < limit else { return nil }
        while firstOpen < parts.count, parts[firstOpen] != nil || isRunning[firstOpen] { firstOpen += 1 }
        guard firstOpen < min(end, parts.count) else { return nil }
        isRunning[firstOpen] = true
        runningCount += 1
        firstOpen += 1
        return firstOpen - 1
    }

    fileprivate mutating func finish(_ part: Int, _ blocks: [QuoteSummary]) {
        isRunning[part] = false
        runningCount -= 1
        parts[part] = blocks
        advance()
    }

    fileprivate mutating func fail(_ part: Int) {
        isRunning[part] = false
        runningCount -= 1
        firstOpen = min(firstOpen, part)
        failures += 1
    }

    /// Works out the states that follow from the parts that were read.
    fileprivate mutating func advance() {
        while before.count <= parts.count, let last = before.last, let blocks = parts[before.count - 1] {
            before.append(last.after(blocks.reduce(.empty) { $0.followed(by: $1) }))
        }
    }

    /// The state at the beginning of a block; at the object's end for a part that there is not.
    fileprivate func point(_ part: Int, _ block: Int, _ layout: ScanLayout) -> ScanPoint {
        guard parts.indices.contains(part) else {
            return ScanPoint(position: layout.size, state: before.last ?? .start)
        }
        let blocks = block > 0 ? (parts[part] ?? []).prefix(block) : []
        let state = before[part].after(blocks.reduce(.empty) { $0.followed(by: $1) })
        return ScanPoint(position: layout.range(of: part).lowerBound + Int64(block) * layout.blockSize, state: state)
    }
}
