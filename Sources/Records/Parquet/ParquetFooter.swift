import Bytes

/// The footer of a Parquet file: where its row groups are, and all else that is said of them.
///
/// It is a `FileMetaData` in Thrift's compact protocol. What is not about places is never interpreted,
/// so that it comes through as it is, also where it is of a newer version of the format.
package struct ParquetFooter: Sendable {
    /// A row group, as the footer has it.
    package struct RowGroup: Hashable, Sendable {
        /// Where it is in the bytes of the footer.
        let place: Range<Int>
        /// Where it counts as beginning in the file: where its first byte is, or that of a group before it if that is later.
        ///
        /// One that has no bytes begins where the one before it does.
        package let position: Int64
        package let rows: Int64
    }

    /// A part of the footer, in its order.
    enum Part: Sendable {
        /// What is the same in every chunk.
        case kept(ByteSlice)
        /// The value of the field that tells how many rows there are.
        case rowCount
        /// The value of the field that has the row groups.
        case rowGroups
    }

    let bytes: [UInt8]
    /// Where the footer begins in the file.
    let start: Int64
    let parts: [Part]
    /// The row groups in the footer's order; their positions never fall.
    package let rowGroups: [RowGroup]

    /// Reads a footer.
    ///
    /// - Parameters:
    ///   - bytes: The bytes that ``ParquetTail`` told the place of.
    ///   - start: Where they begin in the file.
    package init(_ bytes: [UInt8], at start: Int64) throws(ParquetError) {
        self.bytes = bytes
        self.start = start
        var reader = ThriftReader(bytes, bytes.indices)
        var layout = Layout()
        try reader.structure { (reader, field) throws(ParquetError) in
            try layout.take(field, &reader, before: start)
        }
        layout.finish()
        guard let rowGroups = layout.rowGroups, layout.hasCount else {
            throw .damaged("it says nothing of rows")
        }
        parts = layout.parts
        self.rowGroups = rowGroups
    }

    /// The number of row groups that begin before a position of the file.
    func groups(before position: Int64) -> Int {
        var range = 0..<rowGroups.count
        while let middle = range.middle {
            range =
                rowGroups[middle].position < position
                ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }

    /// The row groups that begin in a part of the file.
    func groups(in range: Range<Int64>) -> Range<Int> {
        groups(before: range.lowerBound)..<groups(before: range.upperBound)
    }

    /// Where the first row group begins that begins at or after a cut; `nil` if there is none.
    package func border(at cut: Int64) -> Int64? {
        let number = groups(before: cut)
        return number < rowGroups.count ? rowGroups[number].position : nil
    }

    /// The number of rows of the row groups that begin in a part of the file.
    package func rows(in range: Range<Int64>) -> Int64 { rowGroups[groups(in: range)].reduce(0) { $0 + $1.rows } }
}

extension Range<Int> {
    fileprivate var middle: Int? { isEmpty ? nil : lowerBound + count / 2 }
}

/// The numbers of the fields of `FileMetaData` that matter.
private enum FooterField {
    static let rowCount: Int16 = 3
    static let rowGroups: Int16 = 4
    /// How the file is encrypted, and by which key the footer is signed.
    static let encryption: ClosedRange<Int16> = 8...9
}

/// The numbers of the fields of `RowGroup` that matter.
enum RowGroupField {
    static let columns: Int16 = 1
    static let rows: Int16 = 3
    static let offset: Int16 = 5
    static let ordinal: Int16 = 7
}

/// What has been read of a footer.
private struct Layout {
    private(set) var parts: [ParquetFooter.Part] = []
    private(set) var rowGroups: [ParquetFooter.RowGroup]?
    private(set) var hasCount = false
    private var kept = ThriftWriter()
    private var last: Int16 = 0
    private var rows: Int64 = 0

    mutating func take(
        _ field: ThriftField, _ reader: inout ThriftReader, before end: Int64
    ) throws(ParquetError) {
        kept.begin(field, after: &last)
        switch field.id {
        case FooterField.encryption: throw .encrypted
        case FooterField.rowCount:
            guard !hasCount, try reader.integer(field) >= 0 else { throw .damaged("it counts rows wrongly") }
            hasCount = true
            add(.rowCount)
        case FooterField.rowGroups:
            guard rowGroups == nil, field.type == .list else { throw .damaged("it lists row groups wrongly") }
            rowGroups = try groups(&reader, before: end)
            add(.rowGroups)
        default:
            let place = try reader.skip(field.type)
            kept.write(raw: reader.bytes[place])
        }
    }

    mutating func finish() {
        kept.stop()
        flush()
    }

    private mutating func add(_ part: ParquetFooter.Part) {
        flush()
        parts.append(part)
    }

    private mutating func flush() {
        parts.append(.kept(ByteSlice(kept.bytes)))
        kept = ThriftWriter()
    }

    private mutating func groups(
        _ reader: inout ThriftReader, before end: Int64
    ) throws(ParquetError) -> [ParquetFooter.RowGroup] {
        let (element, count) = try reader.list()
        guard element == .structure else { throw .damaged("a row group is none") }
        var groups: [ParquetFooter.RowGroup] = []
        var position: Int64 = 0
        for _ in 0..<count {
            let group = try group(&reader, after: position, before: end)
            position = group.position
            groups.append(group)
        }
        return groups
    }

    private mutating func group(
        _ reader: inout ThriftReader, after position: Int64, before end: Int64
    ) throws(ParquetError) -> ParquetFooter.RowGroup {
        let start = reader.position
        var first: Int64?
        var rows: Int64?
        try reader.structure { (reader, field) throws(ParquetError) in
            switch field.id {
            case RowGroupField.columns:
                for column in try ParquetColumn.list(&reader, field, before: end) where !column.pages.isEmpty {
                    first = min(first ?? .max, column.pages.lowerBound)
                }
            case RowGroupField.rows: rows = try reader.integer(field)
            default: _ = try reader.skip(field.type)
            }
        }
        guard let rows, rows >= 0 else { throw .damaged("a row group counts no rows") }
        let (sum, overflow) = self.rows.addingReportingOverflow(rows)
        guard !overflow else { throw .damaged("it counts too many rows") }
        self.rows = sum
        return ParquetFooter.RowGroup(
            place: start..<reader.position, position: max(position, first ?? position), rows: rows)
    }
}
