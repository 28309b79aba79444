/// Which bytes of a Parquet file a file of some of its row groups has, and where they are in it.
struct ParquetMoves {
    /// Bytes that stay together.
    private struct Run {
        /// Where they are in the file; the end is excluded.
        var range: Range<Int64>
        /// Where they begin in the new file.
        var start: Int64
    }

    private var runs: [Run] = []

    /// What lies between two stretches goes with them if it has at most so many bytes: one read is cheaper than two.
    private static let smallestGap: Int64 = 4 << 10

    /// Plans a new file.
    ///
    /// - Parameter ranges: What it must have, in any order; they may overlap.
    init(_ ranges: [Range<Int64>]) {
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = runs.last, range.lowerBound - last.range.upperBound <= Self.smallestGap {
                let end = max(last.range.upperBound, range.upperBound)
                runs[runs.count - 1].range = last.range.lowerBound..<end
            } else {
                runs.append(Run(range: range, start: 0))
            }
        }
        var start = ParquetTail.magicCount
        for index in runs.indices {
            runs[index].start = start
            start += Int64(runs[index].range.count)
        }
    }

    /// The bytes of the file that the new one has behind its mark, in order.
    var ranges: [Range<Int64>] { runs.map(\.range) }

    /// Where a position of the file is in the new one; `nil` if it is not in it, nor where a stretch of it ends.
    func position(_ old: Int64) -> Int64? {
        var found = 0..<runs.count
        while found.count > 1 {
            let middle = found.lowerBound + found.count / 2
            found = runs[middle].range.lowerBound <= old ? middle..<found.upperBound : found.lowerBound..<middle
        }
        guard let run = runs[found].first, run.range.lowerBound...run.range.upperBound ~= old else { return nil }
        return run.start + (old - run.range.lowerBound)
    }
}
