/// The last bytes of a Parquet file, which say how long the footer before them is.
package enum ParquetTail {
    /// How many bytes they are: a length, and `PAR1`.
    package static let count: Int64 = 8
    /// How many bytes the mark has that also begins the file.
    static let magicCount: Int64 = 4
    static let magic = Array("PAR1".utf8)

    /// How long a footer may be.
    package static let largestFooter: Int64 = 256 << 20

    /// Where the footer is.
    ///
    /// - Parameters:
    ///   - tail: The last bytes of the file, ``count`` of them or more; all of it if it has fewer.
    ///   - size: The size of the file.
    package static func footer(_ tail: [UInt8], size: Int64) throws(ParquetError) -> Range<Int64> {
        guard tail.count >= count, size >= magicCount + count else { throw .notParquet }
        // With an encrypted footer the mark is another one.
        guard tail.suffix(4) != Array("PARE".utf8)[...] else { throw .encrypted }
        guard tail.suffix(4) == magic[...] else { throw .notParquet }
        let length = tail.suffix(8).prefix(4).reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
        guard length > 0, length <= size - magicCount - count else { throw .damaged("it says a wrong length") }
        guard length <= largestFooter else { throw .unsupported("its footer is longer than 256 MiB") }
        return size - count - length..<size - count
    }

    /// The last bytes behind a footer of some length.
    static func bytes(footer length: Int) throws(ParquetError) -> [UInt8] {
        guard let length = UInt32(exactly: length) else { throw .unsupported("its footer is too long") }
        return (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + magic
    }
}
