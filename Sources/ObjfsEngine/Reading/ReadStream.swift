/// One place of a file at which somebody reads on and on, and what was fetched for that place.
struct ReadStream {
    /// What was fetched or is on its way: in order, and apart from one another.
    private(set) var parts: [Part] = []
    /// Where it began.
    let start: Int64
    /// Where the next read begins, if it goes on where the last one ended.
    private(set) var position: Int64
    /// How many bytes were read in a row.
    private(set) var run: Int64 = 0
    /// How many reads went on where one had ended.
    private(set) var steps = 0
    /// The number of the read that began it, counted over the file.
    let id: UInt64
    /// The number of the last read.
    private(set) var lastRead: UInt64
    /// How many reads are under way.
    var readers = 0

    /// How far a read may be off its place and still go on: the kernel's reads overtake one another.
    private static let slack: Int64 = 1 << 20
    /// The largest part.
    static let largestPart: Int64 = 8 << 20
    /// How many parts are on their way at a time.
    static let partsInFlight = 16

    init(at position: Int64, read: UInt64) {
        start = position
        self.position = position
        id = read
        lastRead = read
    }

    /// A stream that nobody has read from yet, and the first bytes of the file.
    init(from part: Part) {
        self.init(at: part.range.lowerBound, read: 0)
        insert(part)
    }

    /// Up to where bytes were fetched or read.
    var frontier: Int64 { max(position, parts.last?.range.upperBound ?? 0) }

    /// What it has read or fetched; others read ahead up to there, and not into it.
    var territory: Range<Int64> { start..<max(start, frontier) }

    /// How much memory its parts take.
    var held: Int { parts.reduce(0) { $0 + $1.size } }

    /// Whether a read goes on where this stream is.
    func goesOn(with wanted: Range<Int64>) -> Bool {
        wanted.lowerBound >= position - Self.slack && wanted.lowerBound <= frontier + Self.slack
    }

    /// How far a read is from where this stream is.
    func distance(to wanted: Range<Int64>) -> UInt64 { (wanted.lowerBound - position).magnitude }

    /// Takes note of a read that goes on here.
    ///
    /// - Returns: How far ahead of it to fetch, if memory were no matter: four times what was read in a row before,
    ///   and from the next such read on sixteen times.
    mutating func note(_ wanted: Range<Int64>, read: UInt64) -> Int64 {
        defer {
            if run > 0, wanted.upperBound > position { steps += 1 }
            run += min(max(wanted.upperBound - position, 0), Int64(wanted.count))
            position = max(position, wanted.upperBound)
            lastRead = read
        }
        return min(run, Self.largestPart * Int64(Self.partsInFlight)) * (steps == 0 ? 4 : 16)
    }

    mutating func insert(_ part: Part) {
        let place = parts.firstIndex { $0.range.lowerBound > part.range.lowerBound } ?? parts.endIndex
        parts.insert(part, at: place)
    }

    /// Lets go of what has failed, so that it is tried again.
    mutating func dropFailed() { parts.removeAll { $0.hasFailed } }

    /// Lets go of what has been read, and of what has failed.
    mutating func dropRead() {
        let position = position
        parts.removeAll { part in
            if part.hasFailed { return true }
            guard part.isExact ? part.isOver : part.range.upperBound <= position - Self.slack else { return false }
            return part.abandon()
        }
    }

    /// Gives up what was fetched ahead, the farthest first, until so many bytes are kept.
    mutating func shrink(to bytes: Int) {
        var held = self.held
        for part in parts.reversed() where held > bytes && part.abandon() {
            held -= part.size
            parts.removeAll { $0 === part }
        }
    }

    /// The next bytes to fetch ahead, if enough of them are wanted by now to be worth a request.
    ///
    /// - Parameters:
    ///   - ahead: How far ahead of the reader bytes should be fetched.
    ///   - end: Where nothing more is to be fetched.
    func nextAhead(_ ahead: Int64, end: Int64) -> Range<Int64>? {
        let start = frontier
        let wanted = min(position + ahead, end) - start
        guard wanted > 0, parts.lazy.filter({ !$0.isOver }).count < Self.partsInFlight else { return nil }
        let count = min(wanted, Self.largestPart)
        guard count >= min(Self.largestPart, ahead / 4) || start + count == end else { return nil }
        return start..<start + count
    }
}
