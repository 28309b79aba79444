/// Where the bytes of one column of a row group are.
struct ParquetColumn: Sendable {
    /// Its pages, the end excluded: an empty range, anywhere, if the column has none.
    let pages: Range<Int64>
    /// Its Bloom filter, if it has one and the footer says how long that is.
    let filter: Range<Int64>?

    /// Reads where a column is: a `ColumnChunk` of the footer.
    ///
    /// - Parameter end: Where the pages of all columns must have ended in the file: where its footer begins.
    init(_ reader: inout ThriftReader, end: Int64) throws(ParquetError) {
        var places = ColumnPlaces()
        try reader.structure { (reader, field) throws(ParquetError) in
            switch field.id {
            case ColumnField.path: throw .unsupported("a column is in another file")
            case ColumnField.encryption, ColumnField.encryptedMetadata: throw .encrypted
            case ColumnField.metadata where field.type == .structure:
                try reader.structure { (reader, field) throws(ParquetError) in try places.take(&reader, field) }
            default: _ = try reader.skip(field.type)
            }
        }
        pages = try places.pages(before: end)
        filter = try places.filter(before: end)
    }

    /// Reads where the columns of a row group are.
    static func list(
        _ reader: inout ThriftReader, _ field: ThriftField, before end: Int64
    ) throws(ParquetError) -> [ParquetColumn] {
        guard field.type == .list else { throw .damaged("a row group lists columns wrongly") }
        let (element, count) = try reader.list()
        guard element == .structure else { throw .damaged("a column is none") }
        var columns: [ParquetColumn] = []
        for _ in 0..<count { columns.append(try ParquetColumn(&reader, end: end)) }
        return columns
    }
}

/// What a `ColumnMetaData` says of places.
private struct ColumnPlaces {
    private var dataPage: Int64?
    private var dictionaryPage: Int64?
    private var size: Int64?
    private var filterOffset: Int64?
    private var filterLength: Int64?

    mutating func take(_ reader: inout ThriftReader, _ field: ThriftField) throws(ParquetError) {
        switch field.id {
        case ColumnMetadataField.size: size = try reader.integer(field)
        case ColumnMetadataField.dataPage: dataPage = try reader.integer(field)
        case ColumnMetadataField.dictionaryPage: dictionaryPage = try reader.integer(field)
        case ColumnMetadataField.filterOffset: filterOffset = try reader.integer(field)
        case ColumnMetadataField.filterLength: filterLength = try reader.integer(field)
        default: _ = try reader.skip(field.type)
        }
    }

    func pages(before end: Int64) throws(ParquetError) -> Range<Int64> {
        guard let dataPage, let size else { throw .damaged("a column says nothing of where it is") }
        guard size != 0 else { return 0..<0 }
        // Writers say 0 of pages that there are not.
        guard let start = [dataPage, dictionaryPage ?? 0].filter({ $0 > 0 }).min() else {
            throw .damaged("a column has bytes and no page")
        }
        let pages = try range(start, size, before: end, "a column")
        guard dataPage <= pages.upperBound else { throw .damaged("a page is outside of its column") }
        return pages
    }

    func filter(before end: Int64) throws(ParquetError) -> Range<Int64>? {
        guard let filterOffset, let filterLength, filterLength > 0 else { return nil }
        return try range(filterOffset, filterLength, before: end, "a Bloom filter")
    }

    private func range(
        _ start: Int64, _ count: Int64, before end: Int64, _ what: String
    ) throws(ParquetError) -> Range<Int64> {
        guard start >= ParquetTail.magicCount, count >= 0, start <= end, count <= end - start else {
            throw .damaged("\(what) is outside of the file")
        }
        return start..<start + count
    }
}

/// The numbers of the fields of `ColumnChunk` that matter.
enum ColumnField {
    static let path: Int16 = 1
    static let offset: Int16 = 2
    static let metadata: Int16 = 3
    /// Where page indexes are, and how long.
    static let indexes: ClosedRange<Int16> = 4...7
    static let encryption: Int16 = 8
    static let encryptedMetadata: Int16 = 9
}

/// The numbers of the fields of `ColumnMetaData` that matter.
enum ColumnMetadataField {
    static let size: Int16 = 7
    static let dataPage: Int16 = 9
    static let indexPage: Int16 = 10
    static let dictionaryPage: Int16 = 11
    static let filterOffset: Int16 = 14
    static let filterLength: Int16 = 15
}
