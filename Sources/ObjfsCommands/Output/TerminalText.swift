/// Names and messages as a terminal may be given them.
package enum TerminalText {
    /// A text in which control characters are spelled out, so that a name in a bucket cannot steer the terminal (X4).
    package static func visible(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: steers) else { return text }
        var visible = ""
        for scalar in text.unicodeScalars {
            if steers(scalar) { visible += spelled(scalar) } else { visible.unicodeScalars.append(scalar) }
        }
        return visible
    }

    /// Whether a terminal might obey the character rather than show it: C0, DEL, C1, and what turns the writing around.
    private static func steers(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    private static func spelled(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\n": "\\n"
        case "\r": "\\r"
        case "\t": "\\t"
        default: scalar.utf8.map { "\\x" + hex($0) }.joined()
        }
    }

    private static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}

extension Unicode.Scalar {
    fileprivate var utf8: [UInt8] { Array(String(Character(self)).utf8) }
}
