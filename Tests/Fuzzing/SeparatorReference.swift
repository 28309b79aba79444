/// Records that end with a separator or begin with a line that matches, as one would read them from the object's start.
enum SeparatorReference {
    /// What the lines match that ``beginnings(_:_:)`` calls beginnings of `start`: two digits and a colon.
    static let pattern = "^[0-9]{2}:"

    private static let separators: [String: [UInt8]] = [
        "crlf": [13, 10], "nul": [0], "sep-6162": Array("ab".utf8), "sep-6161": Array("aa".utf8),
        "sep-61626162": Array("abab".utf8),
    ]

    /// Where each record begins; `nil` for another format.
    static func beginnings(_ bytes: [UInt8], _ words: String) -> [Int]? {
        if words == "start" { return matching(bytes) }
        guard let separator = separators[words] else { return nil }
        guard !bytes.isEmpty else { return [] }
        var found = [0]
        var index = 0
        while index + separator.count <= bytes.count {
            if bytes[index..<index + separator.count] == separator[...] {
                index += separator.count
                if index < bytes.count { found.append(index) }
            } else {
                index += 1
            }
        }
        return found
    }

    private static func matching(_ bytes: [UInt8]) -> [Int] {
        guard !bytes.isEmpty else { return [] }
        let lines = FormatReference.lineStarts(bytes).filter { start in
            let line = bytes[start...].prefix(3)
            return line.count == 3 && line.last == UInt8(ascii: ":") && line.dropLast().allSatisfy { 0x30...0x39 ~= $0 }
        }
        return [0] + lines.filter { $0 > 0 }
    }
}
