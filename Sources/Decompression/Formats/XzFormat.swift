import CLZMA
import Storage

/// XZ: streams of blocks, with an index at the end of each.
///
/// An access point is the beginning of a block.
enum XzFormat: CompressedFormat {
    /// Reads the indexes, and nothing else.
    ///
    /// The corresponding C functions are `lzma_file_info_decoder` and `lzma_index_iter_next`.
    static func scan(_ input: CompressedInput, into points: AccessIndexWriter) throws(StorageError) -> Int64 {
        guard let index = try readIndex(input) else { throw input.damaged("it has no index") }
        defer { lzma_index_end(index, nil) }
        var place = lzma_index_iter()
        lzma_index_iter_init(&place, index)
        while lzma_index_iter_next(&place, LZMA_INDEX_ITER_NONEMPTY_BLOCK) == 0 {
            let block = place.block
            guard let flags = place.stream.flags, let compressed = Int64(exactly: block.compressed_file_offset),
                let plain = Int64(exactly: block.uncompressed_file_offset)
            else { throw input.damaged("its index is wrong") }
            guard block.uncompressed_size > 0 else { continue }
            let setup = BlockSetup(
                check: UInt8(truncatingIfNeeded: flags.pointee.check.rawValue), unpadded: block.unpadded_size,
                plain: block.uncompressed_size)
            try points.add(compressed: compressed, plain: plain, setup: setup.bytes)
        }
        guard let size = Int64(exactly: lzma_index_uncompressed_size(index)) else {
            throw input.damaged("its length is too large")
        }
        return size
    }

    private static func readIndex(_ input: CompressedInput) throws(StorageError) -> OpaquePointer? {
        var stream = clzma_stream()
        defer { lzma_end(&stream) }
        var index: OpaquePointer?
        guard
            lzma_file_info_decoder(&stream, &index, Decompression.memoryLimit, UInt64(input.size)) == LZMA_OK
        else { throw .noMemory }
        while true {
            var result = LZMA_OK
            try input.consume { bytes in
                stream.next_in = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.avail_in = bytes.count
                result = lzma_code(&stream, bytes.isEmpty ? LZMA_FINISH : LZMA_RUN)
                return bytes.count - stream.avail_in
            }
            switch result {
            case LZMA_OK: continue
            case LZMA_STREAM_END: return index
            case LZMA_SEEK_NEEDED: input.seek(to: Int64(clamping: stream.seek_pos))
            default: throw XzFailure.error(result, input)
            }
        }
    }

    static func decompressor(
        _ input: CompressedInput, at point: Int, of index: AccessIndex
    ) throws(StorageError) -> any Decompressor {
        guard let setup = BlockSetup(try index.setup(of: point)) else {
            throw .damagedIndex
        }
        return try XzBlockDecompressor(input, setup)
    }
}

/// What must be known of a block before it is decompressed.
private struct BlockSetup {
    /// The kind of checksum.
    let check: UInt8
    let unpadded: UInt64
    let plain: UInt64

    init(check: UInt8, unpadded: UInt64, plain: UInt64) {
        self.check = check
        self.unpadded = unpadded
        self.plain = plain
    }

    init?(_ bytes: [UInt8]) {
        guard bytes.count == 17 else { return nil }
        check = bytes[0]
        unpadded = bytes[1...8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        plain = bytes[9...16].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    var bytes: [UInt8] {
        [check] + [unpadded, plain].flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }
    }
}

private enum XzFailure {
    static func error(_ result: lzma_ret, _ input: CompressedInput) -> StorageError {
        switch result {
        case LZMA_MEM_ERROR: .noMemory
        case LZMA_MEMLIMIT_ERROR:
            StorageError(.unsupported, "the object needs more than 256 MiB of memory to be decompressed")
        case LZMA_OPTIONS_ERROR: StorageError(.unsupported, "the object uses what liblzma does not know")
        case LZMA_BUF_ERROR: input.damaged("it ends too early")
        default: input.damaged("it is no right XZ")
        }
    }
}

/// Decompresses one block, by liblzma, which checks that it is as long as the index says.
private final class XzBlockDecompressor: Decompressor {
    /// What liblzma's state points to: none of it may move.
    private struct State {
        var block = lzma_block()
        var stream = clzma_stream()
        var filters = (
            lzma_filter(), lzma_filter(), lzma_filter(), lzma_filter(), lzma_filter()
        )
    }

    private let input: CompressedInput
    private let state: UnsafeMutablePointer<State>
    private var isEnd = false

    init(_ input: CompressedInput, _ setup: BlockSetup) throws(StorageError) {
        self.input = input
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        try begin(setup)
    }

    deinit {
        lzma_end(&state.pointee.stream)
        withUnsafeMutablePointer(to: &state.pointee.filters) { filters in
            filters.withMemoryRebound(to: lzma_filter.self, capacity: 5) { lzma_filters_free($0, nil) }
        }
        state.deallocate()
    }

    /// Reads the block's header.
    ///
    /// The corresponding C functions are `lzma_block_header_decode`, `lzma_block_compressed_size` and
    /// `lzma_block_decoder`.
    private func begin(_ setup: BlockSetup) throws(StorageError) {
        let count = (Int(try input.peek(1).first ?? 0) + 1) * 4
        let header = try input.peek(count)
        guard header.count == count, count > 4 else { throw input.damaged("no block begins here") }
        try withUnsafeMutablePointer(to: &state.pointee.filters) { (filters) throws(StorageError) in
            try filters.withMemoryRebound(to: lzma_filter.self, capacity: 5) { (filters) throws(StorageError) in
                filters[0].id = UInt64.max
                state.pointee.block.version = 1
                state.pointee.block.header_size = UInt32(count)
                state.pointee.block.check = lzma_check(UInt32(setup.check))
                state.pointee.block.filters = filters
                try check(lzma_block_header_decode(&state.pointee.block, nil, header))
                try check(lzma_block_compressed_size(&state.pointee.block, setup.unpadded))
                guard lzma_raw_decoder_memusage(filters) <= Decompression.memoryLimit else {
                    throw XzFailure.error(LZMA_MEMLIMIT_ERROR, input)
                }
                state.pointee.block.uncompressed_size = setup.plain
                try check(lzma_block_decoder(&state.pointee.stream, &state.pointee.block))
            }
        }
        try input.skip(Int64(count))
    }

    private func check(_ result: lzma_ret) throws(StorageError) {
        guard result == LZMA_OK else { throw XzFailure.error(result, input) }
    }

    /// The corresponding C function is `lzma_code`.
    func next(into output: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard !isEnd else { return 0 }
        state.pointee.stream.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        state.pointee.stream.avail_out = output.count
        while state.pointee.stream.avail_out > 0, !isEnd {
            var result = LZMA_OK
            try input.consume { bytes in
                state.pointee.stream.next_in = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
                state.pointee.stream.avail_in = bytes.count
                result = lzma_code(&state.pointee.stream, bytes.isEmpty ? LZMA_FINISH : LZMA_RUN)
                return bytes.count - state.pointee.stream.avail_in
            }
            if result == LZMA_STREAM_END { isEnd = true } else { try check(result) }
        }
        return output.count - state.pointee.stream.avail_out
    }
}
