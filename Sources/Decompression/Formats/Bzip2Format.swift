import CBzip2
import Storage

/// Bzip2: blocks of 900 kB at most, which begin at any bit.
///
/// An access point is the beginning of a block.
/// A block begins with 48 bits that may also stand inside of one by accident. So where a block ends is not believed
/// before it was decompressed up to there, and its checksum was right.
enum Bzip2Format: CompressedFormat {
    static func scan(_ input: CompressedInput, into points: AccessIndexWriter) throws(StorageError) -> Int64 {
        var plain: Int64 = 0
        while input.remaining > 0 {
            let header = try input.peek(4)
            guard header.count == 4, header.starts(with: Array("BZh".utf8)), 0x31...0x39 ~= header[3] else {
                throw input.damaged("no stream begins here")
            }
            try input.skip(4)
            plain = try scanStream(input, level: header[3], from: plain, into: points)
        }
        return plain
    }

    /// Finds the blocks of one stream; the input then stands behind the stream.
    private static func scanStream(
        _ input: CompressedInput, level: UInt8, from start: Int64, into points: AccessIndexWriter
    ) throws(StorageError) -> Int64 {
        var plain = start
        var bits = 0
        while true {
            let mark = try BitBlock(input, bits: bits, count: BitBlock.markBits).mark
            if mark == BitBlock.endMark {
                // The mark and the checksum of the stream, and what is left of the last byte.
                try input.skip(Int64((bits + BitBlock.markBits + 32 + 7) / 8))
                return plain
            }
            guard mark == BitBlock.blockMark else { throw input.damaged("no block begins here") }
            let (length, count) = try measure(input, bits: bits, level: level)
            try points.add(
                compressed: input.position, plain: plain, bits: UInt8(bits),
                setup: [level] + (0..<4).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) })
            plain += count
            try input.skip(Int64((bits + length) / 8))
            bits = (bits + length) % 8
        }
    }

    /// How many bits a block has, and how many bytes come out of it.
    private static func measure(
        _ input: CompressedInput, bits: Int, level: UInt8
    ) throws(StorageError) -> (bits: Int, plain: Int64) {
        var search = BlockEndSearch(bits: bits)
        while let end = try search.next(input) {
            let length = end - bits
            let block = try BitBlock(input, bits: bits, count: length)
            if let count = try Bzip2Decompressor(block.stream(level: level), input).length() { return (length, count) }
        }
        throw input.damaged("a block can't be decompressed")
    }

    static func decompressor(
        _ input: CompressedInput, at point: Int, of index: AccessIndex
    ) throws(StorageError) -> any Decompressor {
        let setup = try index.setup(of: point)
        guard setup.count == 5 else { throw .damagedIndex }
        let length = setup[1...].reversed().reduce(0) { $0 << 8 | Int($1) }
        let block = try BitBlock(input, bits: Int(index.points[point].bits), count: length)
        return try Bzip2Decompressor(block.stream(level: setup[0]), input)
    }
}

/// Looks for the bits with which the next block, or the end of the stream, begins.
private struct BlockEndSearch {
    /// How many bits of the input's next byte lie before the block.
    private let bits: Int
    /// The byte that is looked at next, counted from the input's position.
    private var position: Int
    private var shift = 0

    /// More bytes than a block can have: 900,000 symbols of 20 bits, and the tables.
    private static let largest = 3 << 20

    init(bits: Int) {
        self.bits = bits
        // Neither the mark of the block itself, nor its checksum.
        position = 10
    }

    /// The bit at which the next mark begins, counted from the input's next byte; `nil` if there is none.
    mutating func next(_ input: CompressedInput) throws(StorageError) -> Int? {
        var wanted = 1 << 20
        while true {
            var found: Int?
            var isAll = false
            var search = self
            try input.consume(atLeast: wanted) { bytes in
                found = search.find(in: bytes)
                isAll = bytes.count < wanted
                return 0
            }
            self = search
            if let found { return found }
            guard !isAll, wanted < Self.largest else { return nil }
            wanted = Self.largest
        }
    }

    private mutating func find(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard position + 7 <= bytes.count else { return nil }
        // Seven bytes hold the 48 bits wherever in the first byte these begin.
        var word = bytes[position..<position + 6].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        while position + 7 <= bytes.count {
            word = word << 8 | UInt64(bytes[position + 6])
            while shift < 8 {
                let mark = word >> UInt64(8 - shift) & BitBlock.markMask
                shift += 1
                if mark == BitBlock.blockMark || mark == BitBlock.endMark { return position * 8 + shift - 1 }
            }
            shift = 0
            position += 1
        }
        return nil
    }
}

/// Some bits of the input, which may begin in the midst of a byte.
private struct BitBlock {
    static let markBits = 48
    static let markMask: UInt64 = (1 << 48) - 1
    static let blockMark: UInt64 = 0x3141_5926_5359
    static let endMark: UInt64 = 0x1772_4538_5090

    /// The bits from the first one on, moved to the beginning of a byte.
    private var bytes: [UInt8]
    private let count: Int

    init(_ input: CompressedInput, bits: Int, count: Int) throws(StorageError) {
        let needed = (bits + count + 7) / 8
        let source = try input.peek(needed)
        guard source.count == needed else { throw input.damaged("it ends too early") }
        self.count = count
        guard bits > 0 else {
            bytes = source
            return
        }
        bytes = source.indices.map { index in
            let next = index + 1 < source.count ? source[index + 1] : 0
            return source[index] << UInt8(bits) | next >> UInt8(8 - bits)
        }
    }

    /// The first 48 bits.
    var mark: UInt64 { number(from: 0, bytes: 6) }

    private func number(from start: Int, bytes count: Int) -> UInt64 {
        bytes[start..<min(start + count, bytes.count)].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A whole stream of this one block: its checksum is then that of the block.
    func stream(level: UInt8) -> [UInt8] {
        var output = Array("BZh".utf8) + [level]
        output += bytes.prefix(count / 8)
        let checksum = number(from: 6, bytes: 4)
        var rest = count % 8 > 0 ? UInt64(bytes[count / 8]) >> UInt64(8 - count % 8) : 0
        var width = count % 8
        for (value, bits) in [(Self.endMark, 48), (checksum, 32), (0, 7)] as [(UInt64, Int)] {
            for bit in stride(from: bits - 1, through: 0, by: -1) {
                rest = rest << 1 | value >> UInt64(bit) & 1
                width += 1
                if width == 8 {
                    output.append(UInt8(truncatingIfNeeded: rest))
                    rest = 0
                    width = 0
                }
            }
        }
        return output
    }
}

/// Decompresses one stream that is in memory, by libbz2.
private final class Bzip2Decompressor: Decompressor {
    private let bytes: [UInt8]
    private let input: CompressedInput
    /// It has an address of its own, to which libbz2's state points back.
    private let stream: UnsafeMutablePointer<bz_stream>
    private var consumed = 0
    private var isEnd = false

    init(_ bytes: [UInt8], _ input: CompressedInput) throws(StorageError) {
        self.bytes = bytes
        self.input = input
        stream = .allocate(capacity: 1)
        stream.initialize(to: bz_stream())
        guard BZ2_bzDecompressInit(stream, 0, 0) == BZ_OK else {
            stream.deallocate()
            throw .noMemory
        }
    }

    deinit {
        BZ2_bzDecompressEnd(stream)
        stream.deallocate()
    }

    func next(into output: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard let count = try step(into: output) else { throw input.damaged("a block can't be decompressed") }
        return count
    }

    /// How many bytes come out; `nil` if the bytes are no stream.
    func length() throws(StorageError) -> Int64? {
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: Decompression.outputCount, alignment: 16)
        defer { output.deallocate() }
        var total: Int64 = 0
        while !isEnd {
            guard let count = try step(into: output) else { return nil }
            total += Int64(count)
        }
        return total
    }

    /// Decompresses as much as there is room for; `nil` if the bytes are wrong.
    ///
    /// The corresponding C function is `BZ2_bzDecompress`, which checks the block's checksum.
    private func step(into output: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int? {
        guard !isEnd else { return 0 }
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: CChar.self)
        stream.pointee.avail_out = UInt32(output.count)
        let consumed = consumed
        let result = bytes.withUnsafeBytes { bytes in
            // libbz2 does not write to what it reads.
            stream.pointee.next_in = bytes.baseAddress.map {
                UnsafeMutablePointer(mutating: ($0 + consumed).assumingMemoryBound(to: CChar.self))
            }
            stream.pointee.avail_in = UInt32(bytes.count - consumed)
            return BZ2_bzDecompress(stream)
        }
        self.consumed = bytes.count - Int(stream.pointee.avail_in)
        let count = output.count - Int(stream.pointee.avail_out)
        switch result {
        case BZ_STREAM_END: isEnd = true
        case BZ_OK where count > 0: break
        case BZ_MEM_ERROR: throw .noMemory
        default: return nil
        }
        return count
    }
}
