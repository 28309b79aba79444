import CDeflate
import Storage

/// Gzip in blocks that say how long they are: the "BGZF" of SAM's specification.
enum BlockGzipFormat: CompressedFormat {
    /// The lengths of a block, in bytes.
    struct Block {
        let compressed: Int
        let plain: Int
    }

    /// How long a block may be, compressed or not.
    private static let largest = 64 << 10

    /// The block at the input's position; `nil` if there is none, or not all of it.
    static func block(in input: CompressedInput) throws(StorageError) -> Block? {
        guard let count = length(of: try input.peek(18)) else { return nil }
        var plain: Int?
        try input.consume(atLeast: count) { bytes in
            if bytes.count >= count {
                plain = bytes[count - 4..<count].reversed().reduce(0) { $0 << 8 | Int($1) }
            }
            return 0
        }
        guard let plain, plain <= largest else { return nil }
        return Block(compressed: count, plain: plain)
    }

    /// The length that a block's first bytes tell: a gzip header whose first extra field is "BC".
    private static func length(of header: [UInt8]) -> Int? {
        guard header.count == 18, header[0...3] == [0x1F, 0x8B, 0x08, 0x04] else { return nil }
        guard header[12...15] == [0x42, 0x43, 0x02, 0x00] else { return nil }
        let count = Int(header[16]) + Int(header[17]) << 8 + 1
        // The header, an empty block, and the trailer.
        return count >= 18 + 2 + 8 ? count : nil
    }

    static func scan(_ input: CompressedInput, into points: AccessIndexWriter) throws(StorageError) -> Int64 {
        guard let size = try scanBlocks(input, into: points) else { throw input.damaged("no block begins here") }
        return size
    }

    /// Goes from block to block; `nil` if something else follows one.
    static func scanBlocks(
        _ input: CompressedInput, into points: AccessIndexWriter
    ) throws(StorageError) -> Int64? {
        var plain: Int64 = 0
        var next: Int64 = 0
        while input.remaining > 0 {
            guard let block = try block(in: input) else { return nil }
            if plain >= next, block.plain > 0 {
                try points.add(compressed: input.position, plain: plain)
                next = plain + AccessSpacing.withoutWindow
            }
            try input.skip(Int64(block.compressed))
            plain += Int64(block.plain)
        }
        return plain
    }

    static func decompressor(
        _ input: CompressedInput, at point: Int, of index: AccessIndex
    ) throws(StorageError) -> any Decompressor {
        try BlockInflater(input)
    }
}

/// Inflates one block after the other, by libdeflate.
private final class BlockInflater: Decompressor {
    private let input: CompressedInput
    private let inflater: OpaquePointer

    init(_ input: CompressedInput) throws(StorageError) {
        guard let inflater = libdeflate_alloc_decompressor() else { throw .noMemory }
        self.input = input
        self.inflater = inflater
    }

    deinit { libdeflate_free_decompressor(inflater) }

    func next(into output: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        var filled = 0
        while input.remaining > 0 {
            guard let block = try BlockGzipFormat.block(in: input) else { throw input.damaged("no block begins here") }
            guard block.plain <= output.count - filled else { break }
            try inflate(block, into: UnsafeMutableRawBufferPointer(rebasing: output[filled...]))
            filled += block.plain
        }
        return filled
    }

    /// The corresponding C function is `libdeflate_gzip_decompress`, which checks the block's checksum.
    private func inflate(
        _ block: BlockGzipFormat.Block, into output: UnsafeMutableRawBufferPointer
    ) throws(StorageError) {
        try input.consume(atLeast: block.compressed) { (bytes) throws(StorageError) in
            let result = libdeflate_gzip_decompress(
                inflater, bytes.baseAddress, block.compressed, output.baseAddress, block.plain, nil)
            guard result == LIBDEFLATE_SUCCESS else { throw input.damaged("a block can't be inflated") }
            return block.compressed
        }
    }
}
