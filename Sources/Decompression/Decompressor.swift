package import Storage

/// Decompresses what follows an access point.
protocol Decompressor: AnyObject {
    /// Decompresses the next bytes.
    ///
    /// - Parameter output: Where they go; ``Decompression/outputCount`` bytes at least.
    /// - Returns: How many came out; 0 where the content ends, or where another access point takes over.
    /// - Throws: ``StorageError/Code/damaged`` if the bytes are not what the format demands.
    func next(into output: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int
}

/// What one way of compressing knows of itself.
protocol CompressedFormat {
    /// Finds the points from which an object can be decompressed, and how long it is then.
    ///
    /// - Parameters:
    ///   - input: All compressed bytes.
    ///   - points: Takes the points, in order; the first is at the beginning, unless nothing comes out at all.
    /// - Returns: The number of decompressed bytes.
    static func scan(_ input: CompressedInput, into points: AccessIndexWriter) throws(StorageError) -> Int64

    /// Begins to decompress at a point, which is where the input stands.
    ///
    /// - Parameters:
    ///   - point: The number of the point.
    ///   - index: All points.
    static func decompressor(
        _ input: CompressedInput, at point: Int, of index: AccessIndex
    ) throws(StorageError) -> any Decompressor
}

/// What all formats have in common.
package enum Decompression {
    /// How many bytes come out at a time, at most.
    static let outputCount = 256 << 10
    /// How much memory the content of one object may demand to be decompressed, in bytes.
    static let memoryLimit: UInt64 = 256 << 20

    static func format(_ compression: Compression) -> any CompressedFormat.Type {
        switch compression {
        case .gzip: GzipFormat.self
        case .bgzf: BlockGzipFormat.self
        case .zstd: ZstdFormat.self
        case .bzip2: Bzip2Format.self
        case .xz: XzFormat.self
        case .lz4: LZ4Format.self
        }
    }

    /// Finds the access points of an object.
    ///
    /// - Parameters:
    ///   - compression: What its first bytes say that it is.
    ///   - writer: Makes the file that keeps the points; asked again if the object turns out to be something else.
    ///   - input: Makes the object's bytes, from the first one on.
    package static func index(
        _ compression: Compression, _ writer: () throws(StorageError) -> AccessIndexWriter,
        input: () -> CompressedInput
    ) throws(StorageError) -> AccessIndex {
        if compression == .gzip, let index = try blockIndex(writer, input) { return index }
        let points = try writer()
        let input = input()
        let size = try format(compression).scan(input, into: points)
        return try points.finish(compression, compressedSize: input.size, size: size)
    }

    /// The index of gzip in blocks; `nil` if the object is gzip, but not in such blocks all through.
    private static func blockIndex(
        _ writer: () throws(StorageError) -> AccessIndexWriter, _ input: () -> CompressedInput
    ) throws(StorageError) -> AccessIndex? {
        let input = input()
        guard try BlockGzipFormat.block(in: input) != nil else { return nil }
        let points = try writer()
        guard let size = try BlockGzipFormat.scanBlocks(input, into: points) else { return nil }
        return try points.finish(.bgzf, compressedSize: input.size, size: size)
    }
}
