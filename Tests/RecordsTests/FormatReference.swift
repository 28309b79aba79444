import Records

/// The formats as one would read them from the start of an object, slowly: the models that borders are compared with.
enum FormatReference {
    /// Where each record begins, in order; empty for an object without bytes.
    static func beginnings(_ bytes: [UInt8], _ words: String) -> [Int] {
        guard !bytes.isEmpty else { return [] }
        let lines = lineStarts(bytes)
        let found: [Int] =
            switch words.split(separator: "@").first.map(String.init) ?? "" {
            case "csv": words.contains("plainquotes") ? lines : csv(bytes, words)
            case "fasta": lines.filter { bytes[$0] == UInt8(ascii: ">") }
            case "fastq": fastq(bytes, lines)
            case "paragraphs": paragraphs(bytes, lines)
            case "mbox": mailbox(bytes, lines)
            case "vcf": headed(bytes, lines, UInt8(ascii: "#"))
            case "sam": headed(bytes, lines, UInt8(ascii: "@"))
            default: lines
            }
        return [0] + found.filter { $0 > 0 }
    }

    static func lineStarts(_ bytes: [UInt8]) -> [Int] {
        bytes.indices.filter { $0 == 0 || bytes[$0 - 1] == 0x0A }
    }

    /// A line's bytes without its end.
    static func line(_ bytes: [UInt8], _ start: Int) -> [UInt8] {
        let line = Array(bytes[start...].prefix { $0 != 0x0A })
        return start + line.count < bytes.count && line.last == 0x0D ? line.dropLast() : line
    }

    private static func csv(_ bytes: [UInt8], _ words: String) -> [Int] {
        let quote: UInt8 = words.contains("quote-27") ? 0x27 : 0x22
        let escape: UInt8? = words.contains("escape-5c") ? 0x5C : nil
        var beginnings: [Int] = []
        var isQuoted = false
        var index = 0
        while index < bytes.count {
            if bytes[index] == escape {
                index += 1
            } else if bytes[index] == quote {
                isQuoted.toggle()
            } else if bytes[index] == 0x0A, !isQuoted, index + 1 < bytes.count {
                if !words.contains("crlf") || (index > 0 && bytes[index - 1] == 0x0D) { beginnings.append(index + 1) }
            }
            index += 1
        }
        return beginnings
    }

    private static func fastq(_ bytes: [UInt8], _ lines: [Int]) -> [Int] {
        lines.indices.filter { number in
            number + 2 < lines.count && bytes[lines[number]] == UInt8(ascii: "@")
                && bytes[lines[number + 2]] == UInt8(ascii: "+")
        }.map { lines[$0] }
    }

    /// Whether a line is blank; the last one without its end is not, unless it has an end.
    private static func isBlank(_ bytes: [UInt8], _ start: Int) -> Bool {
        line(bytes, start).isEmpty && start < bytes.count && bytes[start...].contains(0x0A)
    }

    private static func paragraphs(_ bytes: [UInt8], _ lines: [Int]) -> [Int] {
        lines.indices.dropFirst().filter { number in
            isBlank(bytes, lines[number - 1]) && !isBlank(bytes, lines[number])
        }.map { lines[$0] }
    }

    private static func mailbox(_ bytes: [UInt8], _ lines: [Int]) -> [Int] {
        lines.indices.dropFirst().filter { number in
            isBlank(bytes, lines[number - 1]) && bytes[lines[number]...].starts(with: "From ".utf8)
        }.map { lines[$0] }
    }

    private static func headed(_ bytes: [UInt8], _ lines: [Int], _ mark: UInt8) -> [Int] {
        Array(lines.drop { bytes[$0] == mark })
    }
}
