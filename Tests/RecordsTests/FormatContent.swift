import ObjfsTesting

/// Random objects, valid and not.
struct FormatContent {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    mutating func isTrue() -> Bool { Bool.random(using: &random) }

    /// Bytes of those that mean something to some format.
    mutating func noise(_ count: Int) -> [UInt8] {
        let alphabets: [String] = [
            "\n", "a\n", "\"\n", "\"a,\n", "\"\\a\n", "\\\n", "'\"\\\r\n", "@+\n", "@+A\n", ">A\n", ">\n", "\r\n",
            "\r\na",
            "#a\n", "@a\n", "From \n", "\nFrom ", "\"\"\n\\\r,a",
        ]
        // Characters, but CR LF as two.
        let alphabet = Array((alphabets.randomElement(using: &random) ?? "a").utf8)
        return (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0x0A }
    }

    /// An object that a format calls valid, with the beginnings of its records as it was made.
    mutating func valid(_ words: String, records: Int, longest: Int) -> (bytes: [UInt8], beginnings: [Int]) {
        var bytes: [UInt8] = []
        var beginnings: [Int] = []
        if words == "vcf" || words == "sam" {
            let mark = words == "vcf" ? "#" : "@"
            for _ in 0..<number(0...4) { bytes += Array((mark + letters(longest) + "\n").utf8) }
            if !bytes.isEmpty { beginnings.append(0) }
        }
        for index in 0..<records {
            beginnings.append(bytes.count)
            bytes += Array(record(words, longest, isLast: index == records - 1).utf8)
        }
        return (bytes, beginnings)
    }

    private mutating func record(_ words: String, _ longest: Int, isLast: Bool) -> String {
        let end = isTrue() && isLast ? "" : isTrue() ? "\n" : "\r\n"
        switch words.split(separator: "@").first.map(String.init) ?? "" {
        case "csv": return csvRecord(words, longest) + (words.contains("crlf") ? (end.isEmpty ? "" : "\r\n") : end)
        case "fasta": return ">" + letters(longest) + "\n" + letters(longest) + "\n" + letters(longest) + "\n"
        case "fastq":
            let sequence = letters(longest)
            let quality = String(sequence.map { _ in "@+I!".randomElement(using: &random) ?? "I" })
            return "@" + letters(9) + "\n" + sequence + "\n+" + (isTrue() ? letters(9) : "") + "\n" + quality + "\n"
        case "paragraphs": return "p" + letters(longest) + "\n q\n" + String(repeating: "\n", count: number(1...4))
        case "mbox":
            return "From a\n" + letters(longest) + "\n>From b\n" + (isTrue() ? "From c\n" : "") + "\n"
        default: return letters(longest) + (isLast && end.isEmpty ? "x" : "\n")
        }
    }

    private mutating func csvRecord(_ words: String, _ longest: Int) -> String {
        let quote = words.contains("quote-27") ? "'" : "\""
        let canEscape = words.contains("escape-5c")
        return (0..<number(1...3)).map { _ in
            guard isTrue() else { return letters(longest) + (canEscape && isTrue() ? "\\" + quote : "") }
            var field = quote
            for _ in 0..<number(0...3) {
                var pieces = ["\n", "\r\n", ",", quote + quote, letters(longest)]
                if canEscape { pieces += ["\\" + quote, "\\\\", "\\\n"] }
                field += pieces.randomElement(using: &random) ?? ""
            }
            return field + quote
        }.joined(separator: ",")
    }

    private mutating func letters(_ longest: Int) -> String {
        String((0..<number(0...max(longest, 1))).map { _ in "ACGTacgt".randomElement(using: &random) ?? "A" })
    }
}
