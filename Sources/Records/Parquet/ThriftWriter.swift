/// Writes values of Thrift's compact protocol.
struct ThriftWriter {
    private(set) var bytes: [UInt8] = []

    /// Begins a field, which is of a structure whose last field so far is `last`.
    mutating func begin(_ field: ThriftField, after last: inout Int16) {
        let distance = Int(field.id) - Int(last)
        last = field.id
        if 1...15 ~= distance {
            bytes.append(UInt8(distance) << 4 | field.type.rawValue)
        } else {
            bytes.append(field.type.rawValue)
            write(Int64(field.id))
        }
    }

    /// Begins a list; its elements follow.
    mutating func beginList(of element: ThriftType, count: Int) {
        bytes.append(UInt8(min(count, 15)) << 4 | element.rawValue)
        if count >= 15 { write(varint: UInt64(count)) }
    }

    /// Ends a structure.
    mutating func stop() { bytes.append(0) }

    /// Writes a whole number of 16, 32 or 64 bits, which are written alike.
    mutating func write(_ value: Int64) { write(varint: UInt64(bitPattern: value << 1 ^ value >> 63)) }

    /// Writes what was written before, as it was.
    mutating func write(raw: ArraySlice<UInt8>) { bytes += raw }

    private mutating func write(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
