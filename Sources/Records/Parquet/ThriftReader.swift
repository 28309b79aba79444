/// The kinds of values in Thrift's compact protocol, by the numbers that stand for them.
enum ThriftType: UInt8, Sendable {
    case yes = 1
    case no, byte, int16, int32, int64, double, binary, list, set, map, structure, uuid
}

/// The number and the kind of a field.
struct ThriftField: Hashable, Sendable {
    let id: Int16
    let type: ThriftType
}

/// Reads values of Thrift's compact protocol from some bytes, which may be anything.
///
/// What goes beyond the bytes, or is nested deeper than anything that is meant, is refused.
/// Work and memory are bounded by the number of bytes: no value takes none of them, but for what a field's kind says.
struct ThriftReader {
    let bytes: [UInt8]
    /// Where the next value begins.
    private(set) var position: Int
    private let end: Int

    /// How deep structures and lists may be nested.
    static let deepest = 64

    /// Reads a part of some bytes; what they lack of the part is cut away.
    init(_ bytes: [UInt8], _ range: Range<Int>) {
        let range = range.clamped(to: 0..<bytes.count)
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    // MARK: Structures

    /// Hands on the fields of a structure, in order; `body` reads the value of each.
    mutating func structure(
        _ body: (inout ThriftReader, ThriftField) throws(ParquetError) -> Void
    ) throws(ParquetError) {
        var last: Int16 = 0
        while let field = try field(after: last) {
            last = field.id
            try body(&self, field)
        }
    }

    /// The next field's number and kind; `nil` at the structure's end.
    private mutating func field(after last: Int16) throws(ParquetError) -> ThriftField? {
        let byte = try byte()
        guard byte != 0 else { return nil }
        let type = try type(byte & 15)
        guard byte >> 4 == 0 else {
            let (id, overflow) = last.addingReportingOverflow(Int16(byte >> 4))
            guard !overflow else { throw .damaged("the number of a field is too large") }
            return ThriftField(id: id, type: type)
        }
        guard let id = Int16(exactly: try zigzag()) else { throw .damaged("the number of a field is too large") }
        return ThriftField(id: id, type: type)
    }

    /// The kind and the number of the elements of a list that follow.
    mutating func list() throws(ParquetError) -> (element: ThriftType, count: Int) {
        let byte = try byte()
        let short = Int(byte >> 4)
        guard let count = short == 15 ? Int(exactly: try varint()) : short, count <= end - position else {
            throw .damaged("a list is longer than the footer")
        }
        return (try type(byte & 15), count)
    }

    // MARK: Values

    /// A whole number of 16, 32 or 64 bits.
    mutating func integer(_ field: ThriftField) throws(ParquetError) -> Int64 {
        guard [.int16, .int32, .int64].contains(field.type) else { throw .damaged("field \(field.id) is no number") }
        return try zigzag()
    }

    /// Goes behind a value, and says where it is.
    mutating func skip(_ type: ThriftType) throws(ParquetError) -> Range<Int> {
        let start = position
        try skip(type, depth: 0)
        return start..<position
    }

    private mutating func skip(_ type: ThriftType, depth: Int) throws(ParquetError) {
        guard depth < Self.deepest else { throw .damaged("it is nested too deep") }
        switch type {
        case .yes, .no: break
        case .byte: try advance(1)
        case .int16, .int32, .int64: _ = try varint()
        case .double: try advance(8)
        case .uuid: try advance(16)
        case .binary:
            guard let count = Int(exactly: try varint()) else { throw .damaged("a text is longer than the footer") }
            try advance(count)
        case .list, .set:
            let (element, count) = try list()
            for _ in 0..<count { try skip(element: element, depth: depth + 1) }
        case .map: try skipMap(depth: depth)
        case .structure:
            var last: Int16 = 0
            while let field = try field(after: last) {
                last = field.id
                try skip(field.type, depth: depth + 1)
            }
        }
    }

    private mutating func skipMap(depth: Int) throws(ParquetError) {
        guard let count = Int(exactly: try varint()), count <= end - position else {
            throw .damaged("a map is longer than the footer")
        }
        guard count > 0 else { return }
        let kinds = try byte()
        let (key, value) = (try type(kinds >> 4), try type(kinds & 15))
        for _ in 0..<count {
            try skip(element: key, depth: depth + 1)
            try skip(element: value, depth: depth + 1)
        }
    }

    /// Goes behind an element of a list, where also a truth value has a byte.
    private mutating func skip(element type: ThriftType, depth: Int) throws(ParquetError) {
        if type == .yes || type == .no { try advance(1) } else { try skip(type, depth: depth) }
    }

    // MARK: Bytes

    private func type(_ number: UInt8) throws(ParquetError) -> ThriftType {
        guard let type = ThriftType(rawValue: number) else { throw .damaged("a field is of no known kind") }
        return type
    }

    private mutating func byte() throws(ParquetError) -> UInt8 {
        let start = position
        try advance(1)
        return bytes[start]
    }

    private mutating func advance(_ count: Int) throws(ParquetError) {
        guard count >= 0, count <= end - position else { throw .damaged("it ends too early") }
        position += count
    }

    /// A number in groups of seven bits, the lowest first.
    private mutating func varint() throws(ParquetError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = try byte()
            let bits = UInt64(byte & 0x7F)
            guard shift < 63 || bits < 2 else { break }
            value |= bits << shift
            if byte < 0x80 { return value }
        }
        throw .damaged("a number is too large")
    }

    /// A number whose lowest bit is its sign.
    private mutating func zigzag() throws(ParquetError) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
}
