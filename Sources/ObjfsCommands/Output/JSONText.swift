/// JSON, as far as objfs writes it.
enum JSONText {
    /// A value of a JSON object.
    enum Value {
        case string(String)
        case number(Int64)
        case object([(String, Value)])
        case null
    }

    /// An object on one line, its names in the order in which they are given.
    static func object(_ members: [(String, Value)]) -> String {
        "{" + members.map { "\(string($0.0)):\(text($0.1))" }.joined(separator: ",") + "}"
    }

    private static func text(_ value: Value) -> String {
        switch value {
        case .string(let text): string(text)
        case .number(let number): String(number)
        case .object(let members): object(members)
        case .null: "null"
        }
    }

    /// A text in quotation marks; control characters are escaped, so no line is broken and no terminal steered.
    static func string(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20 || 0x7F..<0xA0 ~= scalar.value:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
