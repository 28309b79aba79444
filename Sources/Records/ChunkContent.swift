package import Bytes

/// What the file of a chunk consists of: bytes of the object, and bytes that the object does not have there.
package struct ChunkContent: Equatable, Sendable {
    package enum Segment: Equatable, Sendable {
        /// Bytes that are not read from the object, as a header that is repeated.
        case literal(ByteSlice)
        /// Bytes of the object; the end is excluded.
        case object(Range<Int64>)

        /// The number of bytes.
        package var count: Int64 {
            switch self {
            case .literal(let bytes): Int64(bytes.count)
            case .object(let range): Int64(range.count)
            }
        }
    }

    /// The segments in order; none is empty.
    package let segments: [Segment]
    /// The number of bytes of all segments.
    package let count: Int64

    /// Joins segments; those that are empty are left out.
    package init(_ segments: [Segment]) {
        self.segments = segments.filter { $0.count > 0 }
        count = segments.reduce(0) { $0 + $1.count }
    }

    /// A stretch of the object, behind a header that may be empty.
    package init(header: ByteSlice = .empty, _ range: Range<Int64>) {
        self.init([.literal(header), .object(range)])
    }

    /// The parts of segments that some bytes of the content are, in order.
    ///
    /// - Parameter range: Positions in the content, the end excluded; what the content lacks is cut away.
    /// - Returns: Each part, and for a part of the object where the segment ends that it is from.
    package func parts(_ range: Range<Int64>) -> [(part: Segment, end: Int64)] {
        var parts: [(Segment, Int64)] = []
        var start: Int64 = 0
        for segment in segments {
            let place = range.clamped(to: start..<start + segment.count)
            if !place.isEmpty {
                let (lower, upper) = (place.lowerBound - start, place.upperBound - start)
                switch segment {
                case .literal(let bytes): parts.append((.literal(bytes[Int(lower)..<Int(upper)]), 0))
                case .object(let range):
                    let part = range.lowerBound + lower..<range.lowerBound + upper
                    parts.append((.object(part), range.upperBound))
                }
            }
            start += segment.count
            if start >= range.upperBound { break }
        }
        return parts
    }
}
