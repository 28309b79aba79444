/// Where the parts of a large object begin.
///
/// Parts are 8 MiB, and twice as large after each thousand, so that 10,000 of them hold what a store takes.
enum PartGrid {
    private static let smallest: Int64 = 8 << 20
    private static let run: Int64 = 1000

    /// Up to which size an object is written by one request.
    static let single: Int64 = 16 << 20

    /// The bytes of a part, counted from 0, in a file without end.
    static func range(_ index: Int) -> Range<Int64> {
        let (doublings, rest) = Int64(index).quotientAndRemainder(dividingBy: run)
        let size = smallest << doublings
        // Whole runs before this one: 8 MiB × 1000 × (1 + 2 + 4 + …).
        let start = smallest * run * ((1 << doublings) - 1) + rest * size
        return start..<start + size
    }

    /// The part that has a byte.
    static func index(of offset: Int64) -> Int {
        var doublings: Int64 = 0
        while smallest * run * ((1 << (doublings + 1)) - 1) <= offset { doublings += 1 }
        let start = smallest * run * ((1 << doublings) - 1)
        return Int(doublings * run + (offset - start) / (smallest << doublings))
    }

    /// The parts of a file, the last of them cut at its end; none for an empty one.
    static func ranges(of size: Int64) -> [Range<Int64>] {
        guard size > 0 else { return [] }
        return (0...index(of: size - 1)).map { range($0).clamped(to: 0..<size) }
    }
}
