import Bytes

extension ParquetFooter {
    /// A Parquet file of the row groups that begin in a part of the file; a file without rows if there are none.
    ///
    /// Their columns are as they are, and so is all of the footer that is not about places.
    /// Page indexes are left out, for they have places of their own inside.
    package func content(of range: Range<Int64>) throws(ParquetError) -> ChunkContent {
        let groups = rowGroups[groups(in: range)]
        var columns: [[ParquetColumn]] = []
        for group in groups { columns.append(try self.columns(of: group)) }
        let moves = ParquetMoves(columns.joined().flatMap { [$0.pages, $0.filter ?? 0..<0] })
        let footer = try footer(of: groups, columns, moves)
        let tail = try ParquetTail.bytes(footer: footer.reduce(0) { $0 + $1.count })
        return ChunkContent(
            [.literal(ByteSlice(ParquetTail.magic))] + moves.ranges.map { .object($0) }
                + (footer + [ByteSlice(tail)]).map { .literal($0) })
    }

    private func columns(of group: RowGroup) throws(ParquetError) -> [ParquetColumn] {
        var reader = ThriftReader(bytes, group.place)
        var columns: [ParquetColumn] = []
        let end = start
        try reader.structure { (reader, field) throws(ParquetError) in
            guard field.id == RowGroupField.columns else {
                _ = try reader.skip(field.type)
                return
            }
            columns += try ParquetColumn.list(&reader, field, before: end)
        }
        return columns
    }

    /// The new footer, in pieces of which those that all chunks have are shared.
    private func footer(
        of groups: ArraySlice<RowGroup>, _ columns: [[ParquetColumn]], _ moves: ParquetMoves
    ) throws(ParquetError) -> [ByteSlice] {
        var pieces: [ByteSlice] = []
        for part in parts {
            switch part {
            case .kept(let bytes): pieces.append(bytes)
            case .rowCount:
                var writer = ThriftWriter()
                writer.write(groups.reduce(0) { $0 + $1.rows })
                pieces.append(ByteSlice(writer.bytes))
            case .rowGroups:
                var rewriting = ParquetRewriting(moves, groups: groups.count)
                for (group, columns) in zip(groups, columns) { try rewriting.take(group.place, of: bytes, columns) }
                pieces.append(ByteSlice(rewriting.writer.bytes))
            }
        }
        return pieces
    }
}

/// Writes row groups as they are, but for the places that they name.
private struct ParquetRewriting {
    private let moves: ParquetMoves
    private(set) var writer = ThriftWriter()
    /// The number in the new file of the next row group.
    private var number = 0

    init(_ moves: ParquetMoves, groups: Int) {
        self.moves = moves
        writer.beginList(of: .structure, count: groups)
    }

    /// Takes the next row group, and where its columns are.
    mutating func take(_ place: Range<Int>, of bytes: [UInt8], _ columns: [ParquetColumn]) throws(ParquetError) {
        var reader = ThriftReader(bytes, place)
        var rest = columns[...]
        var last: Int16 = 0
        let first = columns.lazy.filter { !$0.pages.isEmpty }.map(\.pages.lowerBound).min()
        try reader.structure { (reader, field) throws(ParquetError) in
            switch field.id {
            case RowGroupField.columns:
                writer.begin(field, after: &last)
                try self.columns(&reader, &rest)
            case RowGroupField.offset:
                _ = try reader.integer(field)
                write(first.flatMap { moves.position($0) }, field, &last)
            case RowGroupField.ordinal:
                _ = try reader.integer(field)
                // The number has 16 bits; a file of more row groups says none.
                write(Int16(exactly: number).map { Int64($0) }, field, &last)
            default: try keep(&reader, field, &last)
            }
        }
        writer.stop()
        number += 1
    }

    private mutating func columns(
        _ reader: inout ThriftReader, _ columns: inout ArraySlice<ParquetColumn>
    ) throws(ParquetError) {
        let (_, count) = try reader.list()
        writer.beginList(of: .structure, count: count)
        for _ in 0..<count {
            guard let column = columns.popFirst() else { throw .damaged("a row group lists columns wrongly") }
            try take(&reader, column)
        }
    }

    private mutating func take(_ reader: inout ThriftReader, _ column: ParquetColumn) throws(ParquetError) {
        var last: Int16 = 0
        try reader.structure { (reader, field) throws(ParquetError) in
            switch field.id {
            case ColumnField.offset:
                // Writers say 0 of it, or where the pages begin or end, and readers don't look at it.
                let old = try reader.integer(field)
                write(old <= 0 ? old : moves.position(old) ?? 0, field, &last)
            case ColumnField.metadata where field.type == .structure:
                writer.begin(field, after: &last)
                try takeMetadata(&reader, column)
            case ColumnField.indexes: _ = try reader.skip(field.type)
            default: try keep(&reader, field, &last)
            }
        }
        writer.stop()
    }

    private mutating func takeMetadata(_ reader: inout ThriftReader, _ column: ParquetColumn) throws(ParquetError) {
        var last: Int16 = 0
        try reader.structure { (reader, field) throws(ParquetError) in
            switch field.id {
            case ColumnMetadataField.dataPage:
                let old = try reader.integer(field)
                let isSomewhere = old > 0 && !column.pages.isEmpty
                guard let new = isSomewhere ? moves.position(old) : min(old, ParquetTail.magicCount) else {
                    throw .damaged("a page is outside of its column")
                }
                write(new, field, &last)
            case ColumnMetadataField.indexPage, ColumnMetadataField.dictionaryPage:
                let old = try reader.integer(field)
                write(old <= 0 ? old : moves.position(old), field, &last)
            case ColumnMetadataField.filterOffset:
                let old = try reader.integer(field)
                write(column.filter == nil ? nil : moves.position(old), field, &last)
            case ColumnMetadataField.filterLength where column.filter == nil: _ = try reader.skip(field.type)
            default: try keep(&reader, field, &last)
            }
        }
        writer.stop()
    }

    // MARK: Fields

    private mutating func keep(
        _ reader: inout ThriftReader, _ field: ThriftField, _ last: inout Int16
    ) throws(ParquetError) {
        writer.begin(field, after: &last)
        let place = try reader.skip(field.type)
        writer.write(raw: reader.bytes[place])
    }

    /// Writes a number in place of the one that was there; leaves the field out without one.
    private mutating func write(_ value: Int64?, _ field: ThriftField, _ last: inout Int16) {
        guard let value else { return }
        writer.begin(field, after: &last)
        writer.write(value)
    }
}
