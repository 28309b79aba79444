/// A value of Thrift's compact protocol, all of it: the slow and obvious reading that the footer's is compared with.
indirect enum ThriftTree: Equatable {
    case bool(Bool)
    case number(Int64)
    case bytes([UInt8])
    case list([ThriftTree])
    case structure([Int64: ThriftTree])

    /// A field of a structure.
    subscript(_ id: Int64) -> ThriftTree? {
        guard case .structure(let fields) = self else { return nil }
        return fields[id]
    }

    var elements: [ThriftTree] { if case .list(let elements) = self { elements } else { [] } }
    var number: Int64? { if case .number(let number) = self { number } else { nil } }

    /// The same without some fields, at any depth below a field's number.
    func without(_ ids: Set<Int64>) -> ThriftTree {
        guard case .structure(let fields) = self else { return self }
        return .structure(fields.filter { !ids.contains($0.key) })
    }

    /// Reads a structure from the beginning of some bytes, which must be right.
    init(structure bytes: some Sequence<UInt8>) {
        var reader = Reader(bytes: Array(bytes))
        self = reader.value(12)
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        mutating func byte() -> UInt8 {
            position += 1
            return bytes[position - 1]
        }

        mutating func varint() -> UInt64 {
            let byte = byte()
            return UInt64(byte & 0x7F) | (byte < 0x80 ? 0 : varint() << 7)
        }

        mutating func zigzag() -> Int64 {
            let value = varint()
            return Int64(value >> 1) ^ -Int64(value & 1)
        }

        mutating func take(_ count: Int) -> [UInt8] { (0..<count).map { _ in byte() } }

        mutating func value(_ type: UInt8) -> ThriftTree {
            switch type {
            case 1, 2: return .bool(type == 1)
            case 3: return .bytes(take(1))
            case 4...6: return .number(zigzag())
            case 7: return .bytes(take(8))
            case 8: return .bytes(take(Int(varint())))
            case 9, 10:
                let head = byte()
                let count = head >> 4 == 15 ? Int(varint()) : Int(head >> 4)
                return .list((0..<count).map { _ in head & 15 < 3 ? .bool(byte() == 1) : value(head & 15) })
            default:
                var fields: [Int64: ThriftTree] = [:]
                var id: Int64 = 0
                while case let head = byte(), head != 0 {
                    id = head >> 4 == 0 ? zigzag() : id + Int64(head >> 4)
                    fields[id] = value(head & 15)
                }
                return .structure(fields)
            }
        }
    }
}
