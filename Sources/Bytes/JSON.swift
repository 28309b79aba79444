/// A value of JSON, as far as answers of services are read.
package enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    /// How deep values may be nested.
    private static let deepest = 64

    /// Reads a whole document; `nil` if it is none.
    package init?(_ text: String) {
        var reader = Reader(Array(text.utf8))
        guard let value = reader.value(depth: 0), reader.isAtEnd else { return nil }
        self = value
    }

    /// A member of an object.
    package subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members[name]
    }

    /// The text of a string that is not empty.
    package var string: String? {
        guard case .string(let text) = self, !text.isEmpty else { return nil }
        return text
    }

    package var number: Double? {
        guard case .number(let number) = self else { return nil }
        return number
    }

    private struct Reader {
        private let bytes: [UInt8]
        private var position = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        var isAtEnd: Bool {
            mutating get {
                skipBlanks()
                return position == bytes.count
            }
        }

        private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

        private mutating func skipBlanks() {
            while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
        }

        private mutating func take(_ text: String) -> Bool {
            guard bytes[position...].starts(with: text.utf8) else { return false }
            position += text.utf8.count
            return true
        }

        mutating func value(depth: Int) -> JSON? {
            guard depth < JSON.deepest else { return nil }
            skipBlanks()
            switch next {
            case UInt8(ascii: "{"): return object(depth: depth)
            case UInt8(ascii: "["): return array(depth: depth)
            case UInt8(ascii: "\""): return text().map { .string($0) }
            case UInt8(ascii: "t"): return take("true") ? .bool(true) : nil
            case UInt8(ascii: "f"): return take("false") ? .bool(false) : nil
            case UInt8(ascii: "n"): return take("null") ? .null : nil
            default: return number()
            }
        }

        private mutating func number() -> JSON? {
            let start = position
            while let byte = next, "+-.eE0123456789".utf8.contains(byte) { position += 1 }
            return Double(String(decoding: bytes[start..<position], as: UTF8.self)).map { .number($0) }
        }

        private mutating func array(depth: Int) -> JSON? {
            position += 1
            var values: [JSON] = []
            skipBlanks()
            if take("]") { return .array([]) }
            while let value = value(depth: depth + 1) {
                values.append(value)
                skipBlanks()
                if take("]") { return .array(values) }
                guard take(",") else { return nil }
            }
            return nil
        }

        private mutating func object(depth: Int) -> JSON? {
            position += 1
            var members: [String: JSON] = [:]
            skipBlanks()
            if take("}") { return .object([:]) }
            while true {
                skipBlanks()
                guard next == UInt8(ascii: "\""), let name = text() else { return nil }
                skipBlanks()
                guard take(":"), let value = value(depth: depth + 1) else { return nil }
                members[name] = value
                skipBlanks()
                if take("}") { return .object(members) }
                guard take(",") else { return nil }
            }
        }

        private mutating func text() -> String? {
            position += 1
            var text: [UInt8] = []
            while let byte = next {
                position += 1
                switch byte {
                case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let escaped = escape() else { return nil }
                    text += escaped
                case 0..<0x20: return nil
                default: text.append(byte)
                }
            }
            return nil
        }

        private mutating func escape() -> [UInt8]? {
            guard let byte = next else { return nil }
            position += 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
            case UInt8(ascii: "b"): return [8]
            case UInt8(ascii: "f"): return [12]
            case UInt8(ascii: "n"): return [10]
            case UInt8(ascii: "r"): return [13]
            case UInt8(ascii: "t"): return [9]
            case UInt8(ascii: "u"): return unicode()
            default: return nil
            }
        }

        /// A character by its number, or by two that make one.
        private mutating func unicode() -> [UInt8]? {
            guard let first = fourDigits() else { return nil }
            var code = UInt32(first)
            if 0xD800..<0xDC00 ~= code {
                guard take("\\u"), let second = fourDigits(), 0xDC00..<0xE000 ~= second else { return nil }
                code = 0x10000 + (code - 0xD800) << 10 + UInt32(second) - 0xDC00
            }
            return Unicode.Scalar(code).map { Array(String(Character($0)).utf8) }
        }

        private mutating func fourDigits() -> UInt16? {
            guard position + 4 <= bytes.count else { return nil }
            defer { position += 4 }
            return UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        }
    }
}
