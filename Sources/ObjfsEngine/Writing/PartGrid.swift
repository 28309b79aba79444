import Storage

/// Where the parts of a large object begin.
///
/// Parts are 8 MiB, and twice as large after each thousand, so that 10,000 of them hold what a store takes.
/// A store that takes smaller parts than Amazon's gets its smallest.
struct PartGrid: Sendable {
    private let smallest: Int64
    private let run: Int64 = 1000

    init(_ limits: UploadLimits) {
        smallest = limits.smallestPart >= UploadLimits.s3.smallestPart ? 8 << 20 : max(limits.smallestPart, 1)
    }

    /// Up to which size an object is written by one request.
    var single: Int64 { 2 * smallest }

    /// The bytes of a part, counted from 0, in a file without end.
    func range(_ index: Int) -> Range<Int64> {
        let (doublings, rest) = Int64(index).quotientAndRemainder(dividingBy: run)
        let size = smallest << doublings
        // Whole runs before this one: 8 MiB × 1000 × (1 + 2 + 4 + …).
        let start = smallest * run * ((1 << doublings) - 1) + rest * size
        return start..<start + size
    }

    /// The part that has a byte.
    func index(of offset: Int64) -> Int {
        var doublings: Int64 = 0
        while smallest * run * ((1 << (doublings + 1)) - 1) <= offset { doublings += 1 }
        let start = smallest * run * ((1 << doublings) - 1)
        return Int(doublings * run + (offset - start) / (smallest << doublings))
    }

    /// How many parts a file has; none if it is empty.
    func count(of size: Int64) -> Int { size > 0 ? index(of: size - 1) + 1 : 0 }

    /// The parts of a file, the last of them cut at its end; none for an empty one.
    func ranges(of size: Int64) -> [Range<Int64>] {
        (0..<count(of: size)).map { range($0).clamped(to: 0..<size) }
    }
}
