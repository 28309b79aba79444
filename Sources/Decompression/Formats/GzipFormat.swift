import CZlib
import Storage

/// Gzip: one member after the other, each of them one stream of deflate.
///
/// An access point is a place between two blocks of a stream, with the 32 KiB that came out before it.
enum GzipFormat: CompressedFormat {
    /// How far a block may refer back, in bytes.
    static let windowCount = 32 << 10

    static func scan(_ input: CompressedInput, into points: AccessIndexWriter) throws(StorageError) -> Int64 {
        try Inflater(input, .gzip).scan(into: points)
    }

    static func decompressor(
        _ input: CompressedInput, at point: Int, of index: AccessIndex
    ) throws(StorageError) -> any Decompressor {
        let window = try Deflated.restored(try index.setup(of: point))
        let inflater = try Inflater(input, .deflate)
        try inflater.begin(window: window, bits: index.points[point].bits)
        return inflater
    }
}

/// Inflates members of gzip, one after the other, by zlib.
private final class Inflater: Decompressor {
    enum Wrapping: Int32 {
        /// With a header and a trailer, whose checksum is checked.
        case gzip = 31
        /// The stream alone.
        case deflate = -15
    }

    private let input: CompressedInput
    private var wrapping: Wrapping
    /// It has an address of its own, to which zlib's state points back.
    private let stream: UnsafeMutablePointer<z_stream>

    init(_ input: CompressedInput, _ wrapping: Wrapping) throws(StorageError) {
        self.input = input
        self.wrapping = wrapping
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard czlib_inflate_init(stream, wrapping.rawValue) == Z_OK else {
            stream.deallocate()
            throw .noMemory
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Begins in the midst of a stream.
    ///
    /// - Parameters:
    ///   - window: What came out before.
    ///   - bits: How many bits of the first byte were used before; 0 if it is a whole byte.
    func begin(window: [UInt8], bits: UInt8) throws(StorageError) {
        if bits > 0 {
            try input.consume { (bytes) throws(StorageError) -> Int in
                inflatePrime(stream, 8 - Int32(bits), Int32(bytes.first ?? 0) >> Int32(bits))
                return 1
            }
        }
        if !window.isEmpty { inflateSetDictionary(stream, window, UInt32(window.count)) }
    }

    func next(into output: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        while true {
            let (count, result) = try step(into: output, flush: Z_NO_FLUSH)
            let isOver = result == Z_STREAM_END ? try !beginMember() : false
            if count > 0 || isOver { return count }
        }
    }

    /// Inflates as much as there is room for, or up to the end of a block or a member.
    ///
    /// The corresponding C function is `inflate`.
    private func step(
        into output: UnsafeMutableRawBufferPointer, flush: Int32
    ) throws(StorageError) -> (count: Int, result: Int32) {
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(output.count)
        var result = Z_OK
        try input.consume { (bytes) throws(StorageError) in
            guard !bytes.isEmpty else { throw input.damaged("it ends too early") }
            let count = UInt32(clamping: bytes.count)
            // zlib does not write to what it reads.
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.pointee.avail_in = count
            result = inflate(stream, flush)
            return Int(count - stream.pointee.avail_in)
        }
        switch result {
        case Z_OK, Z_STREAM_END: break
        // There was no room, or nothing to do before more bytes come; both end by themselves.
        case Z_BUF_ERROR where stream.pointee.avail_in == 0: break
        case Z_MEM_ERROR: throw .noMemory
        default:
            let reason = stream.pointee.msg.map { String(cString: $0) } ?? "it can't be inflated"
            throw input.damaged(reason)
        }
        return (output.count - Int(stream.pointee.avail_out), result)
    }

    /// Goes on behind a member's end; `false` if nothing more comes.
    ///
    /// Zeros may follow the last member, as tapes have them.
    private func beginMember() throws(StorageError) -> Bool {
        // Without its wrapping, the checksum and the length are left; they can't be checked from the midst on.
        if wrapping == .deflate { try input.skip(8) }
        guard input.remaining > 0 else { return false }
        guard try input.peek(2) == [0x1F, 0x8B] else {
            try skipZeros()
            return false
        }
        wrapping = .gzip
        inflateReset2(stream, wrapping.rawValue)
        return true
    }

    private func skipZeros() throws(StorageError) {
        while input.remaining > 0 {
            try input.consume { (bytes) throws(StorageError) in
                guard bytes.allSatisfy({ $0 == 0 }) else { throw input.damaged("something else follows the content") }
                return bytes.count
            }
        }
    }

    // MARK: Finding points

    func scan(into points: AccessIndexWriter) throws(StorageError) -> Int64 {
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: Decompression.outputCount, alignment: 16)
        defer { output.deallocate() }
        var plain: Int64 = 0
        var last: (compressed: Int64, plain: Int64)?
        while true {
            let (count, result) = try step(into: output, flush: Z_BLOCK)
            plain += Int64(count)
            if result == Z_STREAM_END {
                guard try beginMember() else { return plain }
            } else if isBetweenBlocks, isWorthAPoint(plain, since: last) {
                try addPoint(plain, to: points)
                last = (input.position, plain)
            }
        }
    }

    /// Whether zlib has stopped before a block: it says so in `data_type`, 64 being the last block's bit.
    private var isBetweenBlocks: Bool { stream.pointee.data_type & 128 != 0 && stream.pointee.data_type & 64 == 0 }

    private func isWorthAPoint(_ plain: Int64, since last: (compressed: Int64, plain: Int64)?) -> Bool {
        guard let last else { return true }
        return plain - last.plain >= AccessSpacing.withWindow
            && input.position - last.compressed >= AccessSpacing.compressedForWindow
    }

    /// The corresponding C function is `inflateGetDictionary`.
    private func addPoint(_ plain: Int64, to points: AccessIndexWriter) throws(StorageError) {
        var window = [UInt8](repeating: 0, count: GzipFormat.windowCount)
        var count: UInt32 = 0
        inflateGetDictionary(stream, &window, &count)
        // The lowest bits of `data_type` count those of the last byte that zlib has not used.
        let unused = UInt8(stream.pointee.data_type & 7)
        try points.add(
            compressed: input.position - (unused > 0 ? 1 : 0), plain: plain, bits: unused > 0 ? 8 - unused : 0,
            setup: try Deflated.made(of: window.prefix(Int(count))))
    }
}

/// Bytes that are kept in less room, by zlib.
private enum Deflated {
    static func made(of bytes: ArraySlice<UInt8>) throws(StorageError) -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        var count = compressBound(UInt(bytes.count))
        var output = [UInt8](repeating: 0, count: Int(count))
        let result = bytes.withUnsafeBufferPointer {
            compress2(&output, &count, $0.baseAddress, UInt($0.count), 1)
        }
        guard result == Z_OK else { throw .noMemory }
        return Array(output.prefix(Int(count)))
    }

    static func restored(_ bytes: [UInt8]) throws(StorageError) -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        var count = UInt(GzipFormat.windowCount)
        var output = [UInt8](repeating: 0, count: GzipFormat.windowCount)
        guard uncompress(&output, &count, bytes, UInt(bytes.count)) == Z_OK else {
            throw .damagedIndex
        }
        return Array(output.prefix(Int(count)))
    }
}
