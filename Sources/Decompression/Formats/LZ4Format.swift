import CLZ4
import Storage

/// LZ4: frames of blocks.
///
/// An access point is the beginning of a frame, or of a block that refers to none before it.
enum LZ4Format: CompressedFormat {
    static func scan(_ input: CompressedInput, into points: AccessIndexWriter) throws(StorageError) -> Int64 {
        var scan = LZ4Scan(points)
        while input.remaining > 0 { try scan.takeFrame(input) }
        return scan.plain
    }

    static func decompressor(
        _ input: CompressedInput, at point: Int, of index: AccessIndex
    ) throws(StorageError) -> any Decompressor {
        let decompressor = try LZ4Decompressor(input)
        let descriptor = try index.setup(of: point)
        if let flags = LZ4FrameFlags(descriptor) { try decompressor.beginInFrame(flags) }
        return decompressor
    }
}

/// The two bytes in which a frame says how it is made.
private struct LZ4FrameFlags {
    let flags: UInt8
    let blockDescriptor: UInt8

    /// Reads the two bytes; `nil` if they are missing.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == 2 else { return nil }
        flags = bytes[0]
        blockDescriptor = bytes[1]
    }

    var bytes: [UInt8] { [flags, blockDescriptor] }
    /// Whether no block refers to the ones before it.
    var isIndependent: Bool { flags & 0x20 != 0 }
    var hasBlockChecksum: Bool { flags & 0x10 != 0 }
    var hasContentSize: Bool { flags & 0x08 != 0 }
    var hasContentChecksum: Bool { flags & 0x04 != 0 }
    var hasDictionary: Bool { flags & 0x01 != 0 }
    var headerCount: Int { 4 + 2 + (hasContentSize ? 8 : 0) + (hasDictionary ? 4 : 0) + 1 }

    /// A header as this one, but without what is true of the whole frame only.
    ///
    /// The corresponding C function is `LZ4F_compressBegin`.
    func headerInFrame() throws(StorageError) -> [UInt8] {
        var context: OpaquePointer?
        guard LZ4F_isError(LZ4F_createCompressionContext(&context, UInt32(LZ4F_VERSION))) == 0 else { throw .noMemory }
        defer { LZ4F_freeCompressionContext(context) }
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_blockSizeID_t(UInt32(blockDescriptor >> 4 & 7))
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        preferences.frameInfo.blockChecksumFlag = hasBlockChecksum ? LZ4F_blockChecksumEnabled : LZ4F_noBlockChecksum
        var header = [UInt8](repeating: 0, count: Int(LZ4F_HEADER_SIZE_MAX))
        let count = LZ4F_compressBegin(context, &header, header.count, &preferences)
        guard LZ4F_isError(count) == 0 else {
            throw .damagedIndex
        }
        return Array(header.prefix(count))
    }
}

/// Finds access points by decompressing everything: no block says how long it is then.
private struct LZ4Scan {
    private let points: AccessIndexWriter
    private(set) var plain: Int64 = 0
    private var next: Int64 = 0

    init(_ points: AccessIndexWriter) { self.points = points }

    mutating func takeFrame(_ input: CompressedInput) throws(StorageError) {
        let start = try input.peek(8)
        if let count = Compression.skippableFrame(start) { return try input.skip(count) }
        if start.starts(with: [0x02, 0x21, 0x4C, 0x18]) {
            throw StorageError(
                .compressed, "the object is in the old format of LZ4, which can't be cut",
                hint: "lz4 -dc OLD | lz4 > NEW makes it one that can")
        }
        guard start.starts(with: [0x04, 0x22, 0x4D, 0x18]),
            let flags = LZ4FrameFlags(Array(start[4..<min(6, start.count)]))
        else { throw input.damaged("no frame begins here") }
        let decompressor = try LZ4Decompressor(input)
        try addPoint(input.position, setup: [])
        _ = try decompressor.drain(flags.headerCount)
        while true {
            let word = try input.peek(4)
            guard word.count == 4 else { throw input.damaged("it ends too early") }
            let size = word.reversed().reduce(0) { $0 << 8 | Int($1) }
            guard size > 0 else { break }
            if flags.isIndependent { try addPoint(input.position, setup: flags.bytes) }
            let count = 4 + size & 0x7FFF_FFFF + (flags.hasBlockChecksum ? 4 : 0)
            guard count <= input.remaining else { throw input.damaged("it ends too early") }
            plain += try decompressor.drain(count)
        }
        plain += try decompressor.drain(4 + (flags.hasContentChecksum ? 4 : 0))
    }

    private mutating func addPoint(_ compressed: Int64, setup: [UInt8]) throws(StorageError) {
        guard plain >= next else { return }
        try points.add(compressed: compressed, plain: plain, setup: setup)
        next = plain + AccessSpacing.withoutWindow
    }
}

/// Decompresses frame after frame, by liblz4.
private final class LZ4Decompressor: Decompressor {
    private let input: CompressedInput
    private let context: OpaquePointer
    /// How many bytes follow the frame that was begun in its midst, which its own header would have told of.
    private var trailer: Int64 = 0

    init(_ input: CompressedInput) throws(StorageError) {
        var context: OpaquePointer?
        guard LZ4F_isError(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))) == 0, let context else {
            throw .noMemory
        }
        self.input = input
        self.context = context
    }

    deinit { LZ4F_freeDecompressionContext(context) }

    /// Begins at a block in the midst of a frame.
    func beginInFrame(_ flags: LZ4FrameFlags) throws(StorageError) {
        let header = try flags.headerInFrame()
        var count = header.count
        var none = 0
        let result = LZ4F_decompress(context, nil, &none, header, &count, nil)
        guard LZ4F_isError(result) == 0, count == header.count else {
            throw .damagedIndex
        }
        trailer = flags.hasContentChecksum ? 4 : 0
    }

    func next(into output: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        while input.remaining > 0 {
            let (count, _, isEnd) = try step(into: output, atMost: .max)
            if isEnd, trailer > 0 {
                try input.skip(trailer)
                trailer = 0
            }
            if count > 0 { return count }
        }
        return 0
    }

    /// Decompresses exactly so many bytes, and tells how many came out.
    func drain(_ count: Int) throws(StorageError) -> Int64 {
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 16)
        defer { output.deallocate() }
        var rest = count
        var plain: Int64 = 0
        while true {
            let (made, used, _) = try step(into: output, atMost: rest)
            rest -= used
            plain += Int64(made)
            if rest == 0, made < output.count { return plain }
            guard made > 0 || used > 0 else { throw input.damaged("a frame ends before its end") }
        }
    }

    /// The corresponding C function is `LZ4F_decompress`.
    private func step(
        into output: UnsafeMutableRawBufferPointer, atMost limit: Int
    ) throws(StorageError) -> (made: Int, used: Int, isEnd: Bool) {
        var made = output.count
        var used = 0
        var result = 0
        try input.consume { (bytes) throws(StorageError) in
            guard !bytes.isEmpty || limit == 0 else { throw input.damaged("it ends too early") }
            used = min(bytes.count, limit)
            result = LZ4F_decompress(context, output.baseAddress, &made, bytes.baseAddress, &used, nil)
            guard LZ4F_isError(result) == 0 else {
                throw input.damaged(LZ4F_getErrorName(result).map { String(cString: $0) } ?? "it can't be decompressed")
            }
            return used
        }
        return (made, used, result == 0)
    }
}
