import Records
import Storage

extension ObjectBytes {
    /// How many bytes of the object's end are read at first: most footers are shorter.
    private static let tailCount: Int64 = 64 << 10

    /// The footer of a Parquet file: one small read, and a second one where it is long.
    ///
    /// - Throws: ``StorageError/Code/wrongFormat`` for an object that is no Parquet file, or an encrypted one,
    ///   ``StorageError/Code/damaged`` for one whose footer makes no sense.
    func parquetFooter() throws(StorageError) -> ParquetFooter {
        let tailRange = max(size - Self.tailCount, 0)..<size
        let tail = tailRange.isEmpty ? [] : try read(tailRange)
        let range: Range<Int64>
        do throws(ParquetError) { range = try ParquetTail.footer(tail, size: size) } catch { throw StorageError(error) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        if range.lowerBound < tailRange.lowerBound {
            bytes = try read(range.lowerBound..<min(tailRange.lowerBound, range.upperBound))
        }
        let known = range.clamped(to: tailRange)
        bytes += tail[Int(known.lowerBound - tailRange.lowerBound)..<Int(known.upperBound - tailRange.lowerBound)]
        do throws(ParquetError) {
            return try ParquetFooter(bytes, at: range.lowerBound)
        } catch {
            throw StorageError(error)
        }
    }
}

extension StorageError {
    /// What it means for a store's user that an object can't be cut into row groups.
    init(_ error: ParquetError) {
        switch error {
        case .notParquet, .encrypted:
            self.init(.wrongFormat, error.description, hint: "use it whole (--per-object)")
        case .damaged: self.init(.damaged, error.description)
        case .unsupported: self.init(.unsupported, error.description)
        }
    }
}
