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
        var position = 0
        var odd = SIMD64<UInt8>(repeating: byte) .!= SIMD64<UInt8>(repeating: byte)
        while position + 64 <= bytes.count {
            odd = odd .^ (bytes.loadUnaligned(fromByteOffset: position, as: SIMD64<UInt8>.self) .== byte)
            position += 64
        }
        var isOdd = false
        for lane in 0..<64 where odd[lane] { isOdd.toggle() }
        for index in position..<bytes.count where bytes[index] == byte { isOdd.toggle() }
        return isOdd
    }

    /// What bytes do of which the first is not escaped: 64 at a time where no escape is among them.
    private func effect(of bytes: UnsafeRawBufferPointer, _ escape: UInt8) -> QuoteSummary.Effect {
        var effect = QuoteSummary.Effect(turns: false, endsEscaped: false)
        var odd = SIMD64<UInt8>(repeating: 0) .!= SIMD64<UInt8>(repeating: 0)
        var position = 0
        while position < bytes.count {
            if position + 64 <= bytes.count, !effect.endsEscaped {
                let block = bytes.loadUnaligned(fromByteOffset: position, as: SIMD64<UInt8>.self)
                if !any(block .== escape) {
                    odd = odd .^ (block .== quote)
                    position += 64
                    continue
                }
            }
            let end = min(position + 64, bytes.count)
            for index in position..<end {
                if effect.endsEscaped {
                    effect.endsEscaped = false
                } else if bytes[index] == escape {
                    effect.endsEscaped = true
                } else if bytes[index] == quote {
                    effect.turns.toggle()
                }
            }
            position = end
        }
        for lane in 0..<64 where odd[lane] { effect.turns.toggle() }
        return effect
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
