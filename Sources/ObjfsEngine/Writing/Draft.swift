import Bytes
import Glibc
import Storage
import SystemPackage
import Threads

/// The content of a file that is being changed: what was written, over what the store has.
///
/// Bytes that were written are in the staged file. The rest comes from a version of the object, its *base*, below
/// `baseEnd`; all else is zeros.
final class Draft: Sendable {
    /// What is known of an object that the store has put together.
    struct Unlearned {
        let size: Int64
        /// What the store called the version at the end of the upload.
        let name: ETag
    }

    struct State {
        var size: Int64 = 0
        var base: ObjectVersion?
        /// How much of the base still counts; less than its size after the file was cut.
        var baseEnd: Int64 = 0
        /// What the staged file has.
        var staged = RangeSet<Int64>()
        /// What differs from the base.
        var dirty = RangeSet<Int64>()
        /// How many writes to the staged file have begun that ``staged`` does not tell of yet.
        var writing = 0
        /// How many are about to change it, so that it must not be let go.
        var holders = 0
        /// Whether the file has let it go.
        var isLetGo = false
        /// What was sent and is no longer in the staged file, for the disk was full.
        var gone = RangeSet<Int64>()
        /// Counts changes of any kind.
        var generation: UInt64 = 0
        /// The generation that the store has.
        var stored: UInt64 = 0
        /// What the store has as a version that is not known yet; `nil` if it is known.
        var unlearned: Unlearned?
        /// What was written since a commit began; `nil` if there is none.
        var since: RangeSet<Int64>?
        /// The smallest size since a commit began.
        var sinceSize: Int64 = .max
        var streamed = StreamedParts()
        /// Where the last write ended.
        var position: Int64 = 0
        let grid: PartGrid
    }

    let file: StagedFile
    /// The journal that it is in; `nil` for one that was left behind.
    let journal: Journal?
    let state: Monitor<State>
    let bucket: Bucket
    let grid: PartGrid

    /// Makes a draft whose content is that of a version, or nothing, which is a change.
    convenience init(
        _ file: StagedFile, journal: Journal, bucket: Bucket, base: ObjectVersion?
    ) throws(Errno) {
        var state = State(grid: PartGrid(bucket.store.uploadLimits))
        state.base = base
        state.size = base?.info.size ?? 0
        state.baseEnd = state.size
        if base == nil { state.generation = 1 }
        self.init(file, journal: journal, bucket: bucket, state: state)
        try file.note(size: base?.info.size ?? 0, base: base?.info, end: base?.info.size ?? 0)
    }

    init(_ file: StagedFile, journal: Journal?, bucket: Bucket, state: sending State) {
        self.file = file
        self.journal = journal
        self.bucket = bucket
        grid = state.grid
        self.state = Monitor(state)
    }

    /// Whether the disk has little room left.
    var isTight: Bool { journal.map { $0.room < $0.reserve } ?? false }

    var size: Int64 { state.withLock { $0.size } }

    /// Whether there is something that the store does not have.
    var isDirty: Bool { state.withLock { $0.generation != $0.stored } }

    /// Whether the store has something of it as a version that is not known yet.
    var isUnlearned: Bool { state.withLock { $0.unlearned != nil } }

    /// Waits until the version in the store is known, or can't be.
    func waitForVersion() { state.wait { $0.unlearned == nil ? () : nil } }

    // MARK: Letting it go

    /// Lets nobody let the draft go until ``release()``; `false` if somebody has.
    func hold() -> Bool {
        state.withLock { state in
            guard !state.isLetGo else { return false }
            state.holders += 1
            return true
        }
    }

    func release() { state.withLock { $0.holders -= 1 } }

    /// Lets the draft go if the store has all of it, and nobody is about to change it; says whether that is so.
    func letGoIfStored() -> Bool {
        state.withLock { state in
            guard state.generation == state.stored, state.holders == 0 else { return false }
            state.isLetGo = true
            return true
        }
    }

    func letGo() { state.withLock { $0.isLetGo = true } }

    // MARK: Changing

    /// Writes bytes at an offset.
    ///
    /// - Returns: A part that has all its bytes now and should be sent, if the file is written in order.
    func write(_ bytes: ByteSlice, at offset: Int64) throws(Errno) -> Int? {
        guard offset >= 0, !bytes.isEmpty else { return nil }
        let (end, overflow) = offset.addingReportingOverflow(Int64(bytes.count))
        guard !overflow, end <= bucket.store.uploadLimits.largestObject else { throw .fileTooLarge }
        let range = offset..<end
        try state.withLock { state throws(Errno) in
            guard state.streamed.mayChange(range, gone: state.gone) else { throw .noSpace }
            if let failure = state.streamed.failure { throw failure }
            state.writing += 1
        }
        // Those who send parts meanwhile must not be kept waiting.
        let result = Result { () throws(Errno) in
            try bytes.withUnsafeBytes { (memory) throws(Errno) in try file.write(memory, at: offset) }
        }
        return try state.update { state throws(Errno) in
            state.writing -= 1
            try result.get()
            try file.note(write: range)
            state.staged.insert(contentsOf: range)
            state.dirty.insert(contentsOf: range)
            state.since?.insert(contentsOf: range)
            state.generation += 1
            // The log's line of the write tells the size as well.
            state.size = max(state.size, end)
            state.streamed.spoil(range, state.grid)
            defer { state.position = end }
            return state.position == offset ? state.nextPart(at: end) : nil
        }
    }

    /// Notes what the content is now, over a base that is another one than was noted before.
    ///
    /// If the log can't tell, a recovery sends more than it must, or finds that the object has changed.
    ///
    /// - Returns: Whether the log tells.
    @discardableResult
    func noteBase(_ state: State) -> Bool {
        do throws(Errno) {
            try file.note(base: state.base?.info, end: state.baseEnd)
            for range in state.dirty.ranges { try file.note(write: range) }
            return true
        } catch {
            return false
        }
    }

    /// Takes note that a version is another by now, of the same content, if it is the base.
    func rebase(from old: ObjectInfo, to version: ObjectVersion) {
        state.withLock { state in
            guard let base = state.base, base.key == old.key, base.info.etag == old.etag else { return }
            state.base = version
            noteBase(state)
        }
    }

    /// Changes the state and the staged file while no write to it is on its way.
    func whileNobodyWrites<Failure: Error>(_ body: (inout State) throws(Failure) -> Void) throws(Failure) {
        try state.wait { state throws(Failure) -> Void? in
            guard state.writing == 0 else { return nil }
            return try body(&state)
        }
    }

    /// Cuts the file, or makes it longer by zeros.
    func truncate(to size: Int64) throws(Errno) {
        guard size <= bucket.store.uploadLimits.largestObject else { throw .fileTooLarge }
        try whileNobodyWrites { state throws(Errno) in
            if size < state.size {
                guard state.mayCut(to: size) else { throw .noSpace }
                let baseEnd = min(state.baseEnd, size)
                try file.note(size: size, base: state.base?.info, end: baseEnd)
                if size == 0 { state.startOver() }
                try file.truncate(to: size)
                let lost = size..<Int64.max
                state.staged.remove(contentsOf: lost)
                state.dirty.remove(contentsOf: lost)
                state.since?.remove(contentsOf: lost)
                state.streamed.spoil(lost, state.grid)
                state.baseEnd = baseEnd
                state.sinceSize = min(state.sinceSize, size)
            } else {
                try file.note(size: size)
                // A last part that ended at the old size goes on now.
                state.streamed.spoil(state.size..<max(size, state.size + 1), state.grid)
            }
            state.size = size
            state.generation += 1
        }
    }

    /// Gives the disk back what the base has as well, where there is little room left.
    func freeStored(_ state: inout State) {
        // A write that is on its way would be lost with the rest.
        guard isTight, state.writing == 0 else { return }
        let stored = state.staged.subtracting(state.dirty).intersection(RangeSet(0..<state.baseEnd))
        for range in stored.ranges {
            // Recovery must not take a hole for zeros that were written.
            guard (try? file.note(stored: range)) != nil else { return }
            state.staged.remove(contentsOf: range)
            file.punch(range)
        }
    }

    /// Takes over the content of another object, if nothing was written yet; says whether it did.
    ///
    /// What a commit has begun to put together stays as it is.
    func become(_ object: ObjectVersion) throws(Errno) -> Bool {
        try state.withLock { state throws(Errno) in
            guard state.since == nil, state.size == 0, state.staged.isEmpty, state.baseEnd == 0 else { return false }
            try file.note(size: object.info.size, base: object.info, end: object.info.size)
            state.base = object
            state.baseEnd = object.info.size
            state.size = object.info.size
            state.generation += 1
            return true
        }
    }

    /// The object that all of the content is; `nil` if any of it is not.
    func copied(_ size: Int64) -> ObjectVersion? {
        state.withLock { state in
            guard let base = state.base, state.dirty.isEmpty, state.baseEnd == size, base.info.size == size else {
                return nil
            }
            return base
        }
    }

    // MARK: Reading

    /// A stretch of the file, and where its bytes are.
    enum Piece {
        case staged(Range<Int64>)
        case base(ObjectVersion, Range<Int64>)
        case zeros(Range<Int64>)
        case gone(Range<Int64>)

        var range: Range<Int64> {
            switch self {
            case .staged(let range), .base(_, let range), .zeros(let range), .gone(let range): range
            }
        }
    }

    /// Where the bytes of a range are, in order; what lies past the end is left out.
    func pieces(_ range: Range<Int64>) -> [Piece] {
        state.withLock { $0.pieces(range.clamped(to: 0..<$0.size)) }
    }

    /// Reads bytes, fewer only at the end of the file.
    ///
    /// - Parameter readBase: Reads bytes of the base; they may stay in memory that others wait for.
    func read(
        _ range: Range<Int64>, readBase: (ObjectVersion, Range<Int64>) throws(Errno) -> [ByteSlice]
    ) throws(Errno) -> [ByteSlice] {
        let pieces = pieces(range)
        if pieces.count == 1, case .base(let object, let range) = pieces[0] { return try readBase(object, range) }
        let buffer = Buffer(count: pieces.reduce(0) { $0 + $1.range.count })
        for (object, run) in Self.runsOfBase(pieces) {
            let start = Int(run.lowerBound - range.lowerBound)
            let memory = UnsafeMutableRawBufferPointer(rebasing: buffer.memory[start..<start + run.count])
            guard ByteSlice.copy(try readBase(object, run), into: memory) == run.count else { throw .ioError }
        }
        try fill(buffer.memory, from: range.lowerBound, withoutBase: pieces)
        // What was cut off or given back to the disk meanwhile was read as zeros.
        let isRight = state.withLock { state in
            pieces.allSatisfy { piece in
                if case .staged(let range) = piece { state.staged.contains(range) } else { true }
            }
        }
        guard isRight else { return try read(range, readBase: readBase) }
        return [ByteSlice(buffer)]
    }

    /// Fills memory with the bytes from an offset on; what lies past the end is zeros.
    func fill(_ memory: UnsafeMutableRawBufferPointer, from offset: Int64) throws(StorageError) {
        let pieces = pieces(offset..<offset + Int64(memory.count))
        for (object, run) in Self.runsOfBase(pieces) {
            try Self.read(object, run, into: memory, at: Int(run.lowerBound - offset))
        }
        do throws(Errno) {
            try fill(memory, from: offset, withoutBase: pieces)
        } catch {
            guard error != .noSpace else {
                throw StorageError(.noSpace, "some of what was written is no longer in the journal")
            }
            throw StorageError(.unavailable, "the journal can't be read: \(error)")
        }
        let filled = pieces.reduce(0) { $0 + $1.range.count }
        UnsafeMutableRawBufferPointer(rebasing: memory[filled...]).initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// Fills memory with those pieces, of the first byte on, that are not of the base.
    private func fill(
        _ memory: UnsafeMutableRawBufferPointer, from offset: Int64, withoutBase pieces: [Piece]
    ) throws(Errno) {
        for piece in pieces {
            let start = Int(piece.range.lowerBound - offset)
            let part = UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + piece.range.count])
            switch piece {
            case .base: continue
            case .staged(let range): try file.read(range.lowerBound, into: part)
            case .zeros: part.initializeMemory(as: UInt8.self, repeating: 0)
            case .gone: throw .noSpace
            }
        }
    }

    /// What is to be asked of the base: what lies close together at once.
    private static func runsOfBase(_ pieces: [Piece]) -> [(ObjectVersion, Range<Int64>)] {
        var runs: [(ObjectVersion, Range<Int64>)] = []
        for case .base(let object, let range) in pieces {
            if let last = runs.last, range.lowerBound - last.1.upperBound <= 1 << 20 {
                runs[runs.count - 1].1 = last.1.lowerBound..<range.upperBound
            } else {
                runs.append((object, range))
            }
        }
        return runs
    }

    private static func read(
        _ object: ObjectVersion, _ range: Range<Int64>, into memory: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(StorageError) {
        var position = offset
        let end = offset + range.count
        try object.bucket.store.read(object.key, range: range, ifVersion: object.info.etag) { bytes in
            guard bytes.count <= end - position else { return false }
            UnsafeMutableRawBufferPointer(rebasing: memory[position..<position + bytes.count]).copyMemory(from: bytes)
            position += bytes.count
            return true
        }
        guard position == end else { throw StorageError(.corrupted, "the store sent too few bytes") }
    }

    /// Copies into the staged file all that it lacks of the base, which is about to go.
    func detach() throws(StorageError) {
        let limit: Int64 = 4 << 20
        let buffer = Buffer(count: Int(limit))
        while let piece = state.withLock({ $0.firstOfBase(limit) }) {
            let memory = UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<piece.count])
            try fill(memory, from: piece.lowerBound)
            do throws(Errno) {
                try whileNobodyWrites { state throws(Errno) in
                    // What was written meanwhile counts more.
                    let missing = RangeSet(piece).subtracting(state.staged)
                    for range in missing.ranges where range.upperBound <= state.baseEnd {
                        let start = Int(range.lowerBound - piece.lowerBound)
                        try file.write(
                            UnsafeRawBufferPointer(rebasing: memory[start..<start + range.count]), at: range.lowerBound)
                        try file.note(write: range)
                        state.staged.insert(contentsOf: range)
                    }
                }
            } catch {
                throw StorageError(.noSpace, "the journal takes no more: \(error)")
            }
        }
        state.withLock { state in
            state.base = nil
            state.baseEnd = 0
        }
    }
}

extension Draft.State {
    func pieces(_ range: Range<Int64>) -> [Draft.Piece] {
        var pieces: [Draft.Piece] = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            let rest = offset..<range.upperBound
            if let own = staged.range(at: offset) {
                pieces.append(.staged(own.clamped(to: rest)))
                offset = min(own.upperBound, rest.upperBound)
                continue
            }
            let next = staged.next(after: offset) ?? rest.upperBound
            var gap = offset..<min(next, rest.upperBound)
            if let lost = gone.range(at: offset) {
                pieces.append(.gone(lost.clamped(to: gap)))
                offset = min(lost.upperBound, gap.upperBound)
                continue
            }
            if let lost = gone.next(after: offset) { gap = offset..<min(gap.upperBound, lost) }
            if let base, offset < baseEnd {
                let part = offset..<min(baseEnd, gap.upperBound)
                pieces.append(.base(base, part))
                offset = part.upperBound
            } else {
                pieces.append(.zeros(gap))
                offset = gap.upperBound
            }
        }
        return pieces
    }

    /// The first bytes of the base that are not in the staged file, so many at most.
    func firstOfBase(_ limit: Int64) -> Range<Int64>? {
        guard base != nil, baseEnd > 0 else { return nil }
        guard let gap = RangeSet(0..<baseEnd).subtracting(staged).ranges.first else { return nil }
        return gap.lowerBound..<min(gap.upperBound, gap.lowerBound + limit)
    }

    /// Up to where a stretch of the file has the bytes of the base, at the same place.
    func startOfBase(in range: Range<Int64>) -> Int64 {
        guard base != nil, dirty.range(at: range.lowerBound) == nil else { return range.lowerBound }
        let end = min(range.upperBound, baseEnd, dirty.next(after: range.lowerBound) ?? .max)
        return max(end, range.lowerBound)
    }

    /// Takes a version for the base that was stored; what was written since the commit began differs from it.
    mutating func build(on version: ObjectVersion) {
        base = version
        baseEnd = min(version.info.size, sinceSize)
        gone = RangeSet()
        dirty = since ?? RangeSet()
        since = nil
    }

    /// Begins at the first part again, after the file was cut to nothing.
    mutating func startOver() {
        gone = RangeSet()
        if streamed.parts.isEmpty { streamed.given = RangeSet() }
    }

    /// Whether the file may end earlier: not if it needs what was sent and can't be sent again.
    func mayCut(to size: Int64) -> Bool {
        guard !gone.isEmpty, size > 0 else { return true }
        return gone.ranges.allSatisfy { $0.upperBound <= size } && streamed.fits(size, grid)
    }

    /// The next part to send while a file is written in order, once it is whole; `nil` if it is not yet.
    ///
    /// What a large base has is not sent again: the store copies it when the file is closed. And what a commit has
    /// begun to put together is not changed.
    mutating func nextPart(at end: Int64) -> Int? {
        guard since == nil, end > grid.single else { return nil }
        let new = baseEnd <= grid.single ? staged : dirty
        guard let run = new.range(at: end - 1) else { return nil }
        let first = Int64(grid.count(of: run.lowerBound))
        let index = Int(streamed.given.range(at: first)?.upperBound ?? first)
        guard index < StreamedParts.most, run.contains(grid.range(index)) else { return nil }
        // It counts as on its way from now on, for whoever waits until none is.
        streamed.parts[index] = .sending(isSpoilt: false)
        streamed.given.insert(contentsOf: Int64(index)..<Int64(index) + 1)
        return index
    }
}

extension RangeSet<Int64> {
    /// The range that has an offset.
    func range(at offset: Int64) -> Range<Int64>? {
        let found = ranges.lastIndexBefore(offset)
        guard let found, ranges[found].contains(offset) else { return nil }
        return ranges[found]
    }

    /// Where the first range begins that comes after an offset.
    func next(after offset: Int64) -> Int64? {
        let index = ranges.lastIndexBefore(offset).map { $0 + 1 } ?? 0
        return index < ranges.count ? ranges[index].lowerBound : nil
    }

    func contains(_ range: Range<Int64>) -> Bool {
        guard !range.isEmpty else { return true }
        guard let own = self.range(at: range.lowerBound) else { return false }
        return own.upperBound >= range.upperBound
    }
}

extension RangeSet<Int64>.Ranges {
    /// The last range that begins at an offset or before it.
    fileprivate func lastIndexBefore(_ offset: Int64) -> Int? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].lowerBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : low - 1
    }
}

extension Errno {
    /// The file would be larger than the store takes: `EFBIG`.
    static var fileTooLarge: Errno { Errno(rawValue: 27) }
}
