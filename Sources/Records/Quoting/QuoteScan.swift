/// Summarises stretches of an object with regard to quotes, each by itself, so that many can be read at a time.
package struct QuoteScan: Hashable, Sendable {
    package let quote: UInt8
    /// What makes the next byte an ordinary one; never the quote itself.
    package let escape: UInt8?

    package init(quote: UInt8, escape: UInt8?) {
        self.quote = quote
        self.escape = escape == quote ? nil : escape
    }

    /// What some bytes do to the state of quoting.
    package func summary(of bytes: UnsafeRawBufferPointer) -> QuoteSummary {
        guard !bytes.isEmpty else { return .empty }
        guard let escape else {
            let turns = Self.isOdd(quote, in: bytes)
            let effect = QuoteSummary.Effect(turns: turns, endsEscaped: false)
            // Without an escape character nothing is ever escaped.
            return QuoteSummary(plain: effect, escaped: effect)
        }
        let tail = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        let plain = effect(of: bytes, escape)
        // If the first byte is nothing special, being escaped changes nothing.
        let isSpecial = bytes[0] == quote || bytes[0] == escape
        return QuoteSummary(plain: plain, escaped: isSpecial ? effect(of: tail, escape) : plain)
    }

    /// Whether a byte occurs an odd number of times.
    private static func isOdd(_ byte: UInt8, in bytes: UnsafeRawBufferPointer) -> Bool {
        let words = EightBytes(byte)
        var sum: UInt64 = 0
        let end = bytes.count & ~7
        var position = 0
        while position < end {
            sum ^= words.matches(in: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            position += 8
        }
        var isOdd = !sum.nonzeroBitCount.isMultiple(of: 2)
        for index in end..<bytes.count where bytes[index] == byte { isOdd.toggle() }
        return isOdd
    }

    /// What bytes do of which the first is not escaped: 64 at a time where no escape is among them.
    private func effect(of bytes: UnsafeRawBufferPointer, _ escape: UInt8) -> QuoteSummary.Effect {
        var effect = QuoteSummary.Effect(turns: false, endsEscaped: false)
        let quotes = EightBytes(quote)
        let escapes = EightBytes(escape)
        var sum: UInt64 = 0
        var position = 0
        while position < bytes.count {
            let end = min(position + 64, bytes.count)
            if end == position + 64, !effect.endsEscaped {
                var found: UInt64 = 0
                var escaped: UInt64 = 0
                for offset in stride(from: position, to: end, by: 8) {
                    let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    found ^= quotes.matches(in: word)
                    escaped |= escapes.matches(in: word)
                }
                if escaped == 0 {
                    sum ^= found
                    position = end
                    continue
                }
            }
            for index in position..<end { take(bytes[index], escape, &effect) }
            position = end
        }
        if !sum.nonzeroBitCount.isMultiple(of: 2) { effect.turns.toggle() }
        return effect
    }

    @inline(__always)
    private func take(_ byte: UInt8, _ escape: UInt8, _ effect: inout QuoteSummary.Effect) {
        if effect.endsEscaped {
            effect.endsEscaped = false
        } else if byte == escape {
            effect.endsEscaped = true
        } else if byte == quote {
            effect.turns.toggle()
        }
    }
}

/// Finds a byte in eight at a time, by arithmetic that compilers turn into that of vectors.
private struct EightBytes {
    private let pattern: UInt64

    private static let lowBits: UInt64 = 0x7F7F_7F7F_7F7F_7F7F

    init(_ byte: UInt8) { pattern = UInt64(byte) &* 0x0101_0101_0101_0101 }

    /// The highest bit of each of the eight bytes that is the one looked for, and no other bit.
    @inline(__always)
    func matches(in word: UInt64) -> UInt64 {
        let difference = word ^ pattern
        // A byte's sum has its highest bit unless its low bits are all 0; no sum carries into the next byte.
        return ~(((difference & Self.lowBits) &+ Self.lowBits) | difference | Self.lowBits)
    }
}

/// How an object is divided for a scan: into parts, which are read each at once, and these into blocks.
///
/// There is a summary for each block, so that the state at any position costs the reading of less than one.
package struct ScanLayout: Hashable, Sendable {
    package let size: Int64
    /// The size of a block, in bytes; only the last one may be shorter.
    package let blockSize: Int64
    package let partSize: Int64

    /// The number of blocks of a part.
    private static let blocks: Int64 = 128

    package init(size: Int64) {
        self.size = max(size, 0)
        var blockSize: Int64 = 64 << 10
        while self.size / blockSize > 1 << 20 { blockSize *= 2 }
        self.blockSize = blockSize
        partSize = blockSize * Self.blocks
    }

    /// The number of parts.
    package var count: Int { Int(size / partSize) + (size % partSize > 0 ? 1 : 0) }

    /// The bytes of a part; the end is excluded.
    package func range(of part: Int) -> Range<Int64> {
        let start = min(Int64(part) * partSize, size)
        return start..<start + min(partSize, size - start)
    }

    /// The number of blocks of a part.
    package func blockCount(of part: Int) -> Int {
        let count = Int64(range(of: part).count)
        return Int(count / blockSize) + (count % blockSize > 0 ? 1 : 0)
    }
}

/// Summarises the blocks of one part, whose bytes come in pieces of any size.
package struct PartScan {
    private let scan: QuoteScan
    private let blockSize: Int
    /// The summaries of the blocks that are full.
    private var full: [QuoteSummary] = []
    private var open = QuoteSummary.empty
    private var openCount = 0

    package init(_ scan: QuoteScan, _ layout: ScanLayout) {
        self.scan = scan
        blockSize = Int(layout.blockSize)
    }

    /// Takes the next bytes of the part.
    package mutating func take(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(blockSize - openCount))
            open = open.followed(by: scan.summary(of: piece))
            openCount += piece.count
            if openCount == blockSize {
                full.append(open)
                open = .empty
                openCount = 0
            }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(piece.count))
        }
    }

    /// The summaries of all blocks, when the part has come.
    package var blocks: [QuoteSummary] { openCount > 0 ? full + [open] : full }
}

/// The state of quoting at a position of an object.
package struct ScanPoint: Hashable, Sendable {
    package let position: Int64
    package let state: QuoteState

    package init(position: Int64, state: QuoteState) {
        self.position = position
        self.state = state
    }

    /// The start of an object.
    package static let start = ScanPoint(position: 0, state: .start)
}
