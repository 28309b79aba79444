import CZstd
import Storage

/// Zstandard: frames, each of which stands for itself.
///
/// An access point is the beginning of a frame.
enum ZstdFormat: CompressedFormat {
    private static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

    static func scan(_ input: CompressedInput, into points: AccessIndexWriter) throws(StorageError) -> Int64 {
        if let table = try ZstdSeekTable(input) { return try table.add(to: points) }
        input.seek(to: 0)
        var plain: Int64 = 0
        var next: Int64 = 0
        while input.remaining > 0 {
            let start = try input.peek(18)
            if let count = Compression.skippableFrame(start) {
                try input.skip(count)
                continue
            }
            guard start.starts(with: magic) else { throw input.damaged("no frame begins here") }
            let begin = input.position
            let count = try lengthOfFrame(input, start)
            if count > 0, plain >= next {
                try points.add(compressed: begin, plain: plain)
                next = plain + AccessSpacing.withoutWindow
            }
            let (sum, overflow) = plain.addingReportingOverflow(count)
            guard !overflow else { throw input.damaged("its length is too large") }
            plain = sum
        }
        return plain
    }

    /// Goes behind a frame, and tells how many bytes it holds; what it does not say is found out by decompressing it.
    ///
    /// The corresponding C function is `ZSTD_getFrameContentSize`.
    private static func lengthOfFrame(_ input: CompressedInput, _ start: [UInt8]) throws(StorageError) -> Int64 {
        let size = ZSTD_getFrameContentSize(start, start.count)
        if size == czstd_content_size_error { throw input.damaged("the header of a frame is wrong") }
        if size == czstd_content_size_unknown { return try ZstdDecompressor(input, index: nil).lengthOfFrame() }
        guard let count = Int64(exactly: size) else { throw input.damaged("the length of a frame is too large") }
        try skipFrame(input, ZstdFrameHeader(start[4]))
        return count
    }

    /// Goes from block to block, looking at nothing but their lengths.
    private static func skipFrame(_ input: CompressedInput, _ header: ZstdFrameHeader) throws(StorageError) {
        try input.skip(4 + header.count)
        var isLast = false
        while !isLast {
            let block = try input.peek(3)
            guard block.count == 3 else { throw input.damaged("it ends too early") }
            let word = Int64(block[0]) | Int64(block[1]) << 8 | Int64(block[2]) << 16
            isLast = word & 1 == 1
            // A block of the second kind is one byte, as often as the number says.
            switch word >> 1 & 3 {
            case 0, 2: try input.skip(3 + word >> 3)
            case 1: try input.skip(3 + 1)
            default: throw input.damaged("a block is of no known kind")
            }
        }
        if header.hasChecksum { try input.skip(4) }
    }

    static func decompressor(
        _ input: CompressedInput, at point: Int, of index: AccessIndex
    ) throws(StorageError) -> any Decompressor {
        try ZstdDecompressor(input, index: index, plain: index.points[point].plain)
    }
}

/// What the byte behind a frame's magic number says of the header.
private struct ZstdFrameHeader {
    /// The length of the header without the magic number.
    let count: Int64
    let hasChecksum: Bool

    init(_ descriptor: UInt8) {
        let isSingleSegment = descriptor >> 5 & 1 == 1
        let dictionary: [Int64] = [0, 1, 2, 4]
        let content: [Int64] = [isSingleSegment ? 1 : 0, 2, 4, 8]
        count = 1 + (isSingleSegment ? 0 : 1) + dictionary[Int(descriptor & 3)] + content[Int(descriptor >> 6)]
        hasChecksum = descriptor >> 2 & 1 == 1
    }
}

/// The table of frames that may stand at an object's end, in a frame to be skipped.
private struct ZstdSeekTable {
    private var frames: [(compressed: Int64, plain: Int64)] = []
    private static let footerCount: Int64 = 9

    /// Reads the table; `nil` if there is none, or it does not fit the object.
    init?(_ input: CompressedInput) throws(StorageError) {
        guard input.size > Self.footerCount + 8 else { return nil }
        input.seek(to: input.size - Self.footerCount)
        let footer = try input.peek(9)
        guard footer.count == 9, footer[5...8] == [0xB1, 0xEA, 0x92, 0x8F], footer[4] & 0x7C == 0 else { return nil }
        let count = Self.number(footer[0...3])
        let entry: Int64 = footer[4] & 0x80 != 0 ? 12 : 8
        let length = count * entry + Self.footerCount
        let start = input.size - length - 8
        guard start >= 0 else { return nil }
        input.seek(to: start)
        let header = try input.peek(8)
        guard header.count == 8, header[0...3] == [0x5E, 0x2A, 0x4D, 0x18], Self.number(header[4...7]) == length
        else { return nil }
        try input.skip(8)
        var compressed: Int64 = 0
        for _ in 0..<count {
            let bytes = try input.peek(Int(entry))
            guard bytes.count == entry else { return nil }
            try input.skip(entry)
            frames.append((Self.number(bytes[0...3]), Self.number(bytes[4...7])))
            compressed += Self.number(bytes[0...3])
        }
        guard compressed == start else { return nil }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int64 {
        bytes.reversed().reduce(0) { $0 << 8 | Int64($1) }
    }

    func add(to points: AccessIndexWriter) throws(StorageError) -> Int64 {
        var compressed: Int64 = 0
        var plain: Int64 = 0
        var next: Int64 = 0
        for frame in frames {
            if plain >= next, frame.plain > 0 {
                try points.add(compressed: compressed, plain: plain)
                next = plain + AccessSpacing.withoutWindow
            }
            compressed += frame.compressed
            plain += frame.plain
        }
        return plain
    }
}

/// Decompresses frame after frame, by libzstd.
private final class ZstdDecompressor: Decompressor {
    private let input: CompressedInput
    private let context: OpaquePointer
    private let index: AccessIndex?
    /// The position of the next decompressed byte.
    private var plain: Int64

    /// - Parameter index: Says where frames should begin, so that one which is longer or shorter than it was said to be
    ///   is noticed.
    init(_ input: CompressedInput, index: AccessIndex?, plain: Int64 = 0) throws(StorageError) {
        guard let context = ZSTD_createDCtx() else { throw .noMemory }
        self.input = input
        self.context = context
        self.index = index
        self.plain = plain
    }

    deinit { ZSTD_freeDCtx(context) }

    func next(into output: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        while input.remaining > 0 {
            let (count, isEnd) = try step(into: output)
            plain += Int64(count)
            if isEnd, let index, index.points.contradict(compressed: input.position, plain: plain) {
                throw input.damaged("a frame is not as long as it was said to be")
            }
            if count > 0 { return count }
        }
        return 0
    }

    /// Decompresses one frame to nowhere, and tells its length.
    func lengthOfFrame() throws(StorageError) -> Int64 {
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: Decompression.outputCount, alignment: 16)
        defer { output.deallocate() }
        while true {
            let (count, isEnd) = try step(into: output)
            plain += Int64(count)
            if isEnd { return plain }
        }
    }

    /// Decompresses as much as there is room for, or up to the end of a frame.
    ///
    /// The corresponding C function is `ZSTD_decompressStream`; it goes over frames to be skipped.
    private func step(into output: UnsafeMutableRawBufferPointer) throws(StorageError) -> (count: Int, isEnd: Bool) {
        var to = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        var result = 0
        try input.consume { (bytes) throws(StorageError) in
            guard !bytes.isEmpty else { throw input.damaged("it ends too early") }
            var from = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
            result = ZSTD_decompressStream(context, &to, &from)
            return from.pos
        }
        guard ZSTD_isError(result) == 0 else { throw error(result) }
        return (to.pos, result == 0)
    }

    private func error(_ result: Int) -> StorageError {
        switch ZSTD_getErrorCode(result) {
        case ZSTD_error_memory_allocation: .noMemory
        case ZSTD_error_frameParameter_windowTooLarge:
            StorageError(.unsupported, "the object needs more than 128 MiB of memory to be decompressed")
        default: input.damaged(ZSTD_getErrorName(result).map { String(cString: $0) } ?? "it can't be decompressed")
        }
    }
}
