import Bytes
import Glibc
import Synchronization
import Threads

/// The memory that objects' bytes may take, which is reserved before it is allocated.
///
/// Bytes that somebody waits for may take all of it; reading ahead leaves a quarter free, and is given up
/// where somebody else waits for memory. Buffers are kept for the next who needs one of their size.
package final class MemoryBudget: Sendable {
    /// Somebody who keeps memory that can be given up.
    protocol Holder: AnyObject, Sendable {
        /// How many bytes are kept.
        var held: Int { get }
        /// When it was last of use.
        var lastUse: ContinuousClock.Instant { get }
        /// Gives up what nobody waits for, until so many bytes are kept, or as near as can be.
        func shrink(to bytes: Int)
    }

    fileprivate struct State {
        var used = 0
        var pooled = 0
        var free: [Int: [UnsafeMutableRawBufferPointer]] = [:]
        var holders: [ObjectIdentifier: Weak] = [:]
        /// How many of the holders stay for good.
        var lasting = 0
        var streams = 0
        /// How many files are open for writing.
        var writers = 0
        /// How many have waited for long.
        var urgent = 0
        var balanced: ContinuousClock.Instant = .now
    }

    fileprivate struct Weak {
        weak var holder: (any Holder)?
    }

    package let limit: Int
    private let state = Monitor(State())

    /// Makes a budget of so many bytes; 16 MiB at least.
    package init(limit: Int) { self.limit = max(limit, 16 << 20) }

    /// How many bytes are reserved, and how many are kept for later.
    package var usage: (used: Int, pooled: Int) { state.withLock { ($0.used, $0.pooled) } }
}

// MARK: Buffers

extension MemoryBudget {
    /// What a buffer of so many bytes takes: whole pages, and a power of two where it is large.
    static func rounded(_ count: Int) -> Int {
        let pages = (max(count, 1) + 4095) & ~4095
        guard pages > pooledFrom / 2 else { return pages }
        return 1 << (Int.bitWidth - (pages - 1).leadingZeroBitCount)
    }

    /// From which size on buffers are mapped by themselves and kept for the next.
    private static var pooledFrom: Int { 64 << 10 }

    /// Memory for reading ahead; `nil` if there is none left for that.
    func bufferAhead(_ count: Int) -> Buffer? {
        state.withLock { $0.urgent == 0 } ? take(Self.rounded(count), of: limit / 4 * 3) : nil
    }

    /// Memory for bytes that somebody waits for, who should hold no other part of the budget while this waits.
    ///
    /// Who has waited for a second goes before all who come later, so that those who want little do not keep out for
    /// ever who wants much. They do not wait longer than that for it: some may hold what it lacks.
    func buffer(_ count: Int) -> Buffer {
        let size = Self.rounded(count)
        let patience = Duration.seconds(1)
        if state.withLock({ $0.urgent > 0 }) { _ = state.wait(atMost: patience) { $0.urgent == 0 ? true : nil } }
        let begin = ContinuousClock.now
        var isUrgent = false
        defer { if isUrgent { state.update { $0.urgent -= 1 } } }
        while true {
            if let buffer = take(size, of: limit) { return buffer }
            relieve(size)
            // What was given up may still be on its way, and its end wakes this; the time is for what went wrong.
            _ = state.wait(atMost: .milliseconds(100)) { $0.used == 0 || $0.used + size <= self.limit ? true : nil }
            if !isUrgent, begin + patience < .now {
                isUrgent = true
                state.withLock { $0.urgent += 1 }
            }
        }
    }

    private func take(_ size: Int, of limit: Int) -> Buffer? {
        let (isGranted, pooled, surplus) = state.withLock { state in state.reserve(size, of: limit, total: self.limit) }
        for memory in surplus { unmap(memory) }
        guard isGranted else { return nil }
        guard let memory = pooled ?? map(size) else {
            // The system has none: as if the budget were spent.
            state.update { $0.used -= size }
            return nil
        }
        return Buffer(takingOwnershipOf: memory) { memory in self.giveBack(memory) }
    }

    private func giveBack(_ memory: UnsafeMutableRawBufferPointer) {
        let size = memory.count
        let keeps = state.update { state in
            state.used -= size
            guard size >= Self.pooledFrom, state.isInUse, state.used + state.pooled + size <= limit else {
                return false
            }
            state.pooled += size
            state.free[size, default: []].append(memory)
            return true
        }
        if !keeps { unmap(memory) }
    }

    /// Allocates memory; large pieces by themselves, so that the system has them back when they are let go.
    ///
    /// The corresponding C function is `mmap`.
    private func map(_ size: Int) -> UnsafeMutableRawBufferPointer? {
        guard size >= Self.pooledFrom else { return .allocate(byteCount: size, alignment: 4096) }
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else { return nil }
        return UnsafeMutableRawBufferPointer(start: memory, count: size)
    }

    private func unmap(_ memory: UnsafeMutableRawBufferPointer) {
        if memory.count >= Self.pooledFrom {
            munmap(memory.baseAddress, memory.count)
        } else {
            memory.deallocate()
        }
    }
}

extension MemoryBudget.State {
    /// Whether anybody will soon need memory again.
    fileprivate var isInUse: Bool { holders.count > lasting || writers > 0 }

    /// Takes out all that is kept for later, if nobody needs it.
    fileprivate mutating func takeUnused() -> [UnsafeMutableRawBufferPointer] {
        guard !isInUse else { return [] }
        defer {
            free = [:]
            pooled = 0
        }
        return free.values.flatMap(\.self)
    }

    /// Reserves memory: whether there is enough, a kept buffer of that size, and kept ones that must go for it.
    fileprivate mutating func reserve(
        _ size: Int, of limit: Int, total: Int
    ) -> (Bool, UnsafeMutableRawBufferPointer?, [UnsafeMutableRawBufferPointer]) {
        guard used == 0 || used + size <= limit else { return (false, nil, []) }
        used += size
        if let memory = free[size]?.popLast() {
            pooled -= size
            return (true, memory, [])
        }
        var surplus: [UnsafeMutableRawBufferPointer] = []
        while used + pooled > total, let other = free.first(where: { !$0.value.isEmpty })?.key {
            guard let memory = free[other]?.popLast() else { break }
            pooled -= other
            surplus.append(memory)
        }
        return (true, nil, surplus)
    }
}

// MARK: Holders

extension MemoryBudget {
    /// Takes note of somebody who will keep memory.
    ///
    /// - Parameter lasts: Whether it will never leave, and tells nothing of whether memory will soon be needed.
    func join(_ holder: some Holder, lasts: Bool = false) {
        state.withLock { state in
            state.holders[ObjectIdentifier(holder)] = Weak(holder: holder)
            if lasts { state.lasting += 1 }
        }
    }

    /// Strikes somebody out; when nobody is left, no memory is kept for later.
    func leave(_ holder: some Holder) {
        let surplus = state.withLock { state in
            state.holders[ObjectIdentifier(holder)] = nil
            return state.takeUnused()
        }
        for memory in surplus { unmap(memory) }
    }

    /// Counts one more, or one less, of those who write; when nobody is left, no memory is kept for later.
    func countWriter(_ change: Int) {
        let surplus = state.withLock { state in
            state.writers += change
            return state.takeUnused()
        }
        for memory in surplus { unmap(memory) }
    }

    /// Counts one more, or one less, of those who read ahead.
    func countStream(_ change: Int) { state.withLock { $0.streams += change } }

    /// How much one of those who read ahead may keep.
    var share: Int { state.withLock { limit / 4 * 3 / max($0.streams, 1) } }

    /// Makes those who keep more than their share, or have not been of use for a while, give up some.
    func balance() {
        let now = ContinuousClock.now
        let isDue = state.withLock { state in
            guard state.balanced + .milliseconds(200) < now else { return false }
            state.balanced = now
            return true
        }
        guard isDue else { return }
        let share = self.share
        for holder in holders where holder.held > 0 {
            holder.shrink(to: holder.lastUse + .seconds(2) < now ? 0 : share)
        }
    }

    /// Makes those give up their memory who have not been of use for longest, until there is enough.
    private func relieve(_ size: Int) {
        var wanted = size
        for holder in holders.sorted(by: { $0.lastUse < $1.lastUse }) {
            let held = holder.held
            guard held > 0 else { continue }
            holder.shrink(to: 0)
            wanted -= held - holder.held
            if wanted <= 0 { return }
        }
    }

    private var holders: [any Holder] { state.withLock { $0.holders.values.compactMap(\.holder) } }
}
