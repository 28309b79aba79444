import Bytes

/// Collects words about the format of records, and refuses those that don't go together.
struct FormatWords {
    private var name: String?
    private var separator: [UInt8]?
    private var recordSize: Int64?
    private var quote: UInt8?
    private var escape: UInt8?
    private var hasPlainQuotes = false
    private var recordStart: MatchingRecords?

    static let names = [
        "lines", "bytes", "csv", "jsonl", "fasta", "fastq", "paragraphs", "vcf", "sam", "mbox", "parquet",
        "auto",
    ]

    /// Formats whose names are known, and which this version does not have.
    private static let later = ["plain"]

    /// Takes one word of a chunk folder's name.
    mutating func take(_ word: String) throws(ChunkParametersError) {
        if Self.names.contains(word) || Self.later.contains(word) {
            try take(name: word)
        } else if word == "crlf" || word == "nul" {
            try take(separator: word)
        } else if word == "plainquotes" {
            try takePlainQuotes()
        } else if let hex = word.removing(prefix: "sep-") {
            try take(separator: hex)
        } else if let size = word.removing(prefix: "record-") {
            try take(recordSize: size)
        } else if let hex = word.removing(prefix: "quote-"), hex.utf8.count == 2 {
            try take(quote: hex)
        } else if let hex = word.removing(prefix: "escape-"), hex.utf8.count == 2 {
            try take(escape: hex)
        } else {
            throw ChunkParametersError("unknown word '\(word)'")
        }
    }

    mutating func take(name: String) throws(ChunkParametersError) {
        try refuse(Self.later.contains(name), "the format '\(name)' is not offered by this version")
        try refuse(
            !Self.names.contains(name),
            "unknown format '\(name)': there are " + Self.names.joined(separator: ", "))
        try refuse(self.name != nil, "the format is given twice")
        self.name = name
    }

    mutating func take(separator word: String) throws(ChunkParametersError) {
        try refuse(separator != nil, "the separator is given twice")
        let named: [String: [UInt8]] = ["lf": [0x0A], "crlf": [0x0D, 0x0A], "nul": [0]]
        guard let bytes = named[word] ?? Hex.bytes(word), 1...16 ~= bytes.count else {
            throw ChunkParametersError("'\(word)' is no separator: it has 1 to 16 bytes, in hexadecimal")
        }
        separator = bytes
    }

    mutating func take(recordSize text: String) throws(ChunkParametersError) {
        try refuse(recordSize != nil, "the size of a record is given twice")
        guard let size = Int64(text), size > 0, !text.hasPrefix("+") else {
            throw ChunkParametersError("'\(text)' is no size of a record: it must be 1 or more")
        }
        recordSize = size
    }

    mutating func take(quote text: String) throws(ChunkParametersError) {
        try refuse(quote != nil, "the quote is given twice")
        quote = try character(text)
    }

    mutating func take(escape text: String) throws(ChunkParametersError) {
        try refuse(escape != nil, "the escape is given twice")
        escape = try character(text)
    }

    mutating func takePlainQuotes() throws(ChunkParametersError) {
        try refuse(hasPlainQuotes, "'plainquotes' stands twice")
        hasPlainQuotes = true
    }

    mutating func take(recordStart pattern: String) throws(ChunkParametersError) {
        try refuse(recordStart != nil, "the start of a record is given twice")
        recordStart = try MatchingRecords(pattern: pattern)
    }

    /// One byte, as it is or in hexadecimal.
    private func character(_ text: String) throws(ChunkParametersError) -> UInt8 {
        let bytes = text.utf8.count == 1 ? Array(text.utf8) : Hex.bytes(text) ?? []
        guard bytes.count == 1, let byte = bytes.first, byte != 0x0A, byte != 0x0D else {
            throw ChunkParametersError("'\(text)' is no quote or escape: it is one byte, and no end of a line")
        }
        return byte
    }

    /// What the words mean together; `nil` if there were none.
    var format: ChunkParameters.Format? {
        get throws(ChunkParametersError) {
            try refuse(separator != nil && recordSize != nil, "a separator and a size of records contradict each other")
            let implied = try impliedName
            let name = self.name ?? implied
            let isCSV = name == "csv"
            try refuse(quote != nil && !isCSV, "only 'csv' has quotes")
            try refuse(escape != nil && !isCSV, "only 'csv' has escapes")
            try refuse(hasPlainQuotes && !isCSV, "only 'csv' can have plain quotes")
            try refuse(recordSize != nil && name != "bytes", "'\(name ?? "")' has no size of records")
            try refuse(
                separator != nil && name != "lines" && !isCSV, "'\(name ?? "")' has no separator")
            try refuse(recordStart != nil && name != "start", "a start of records goes with no other format")
            guard let name else { return nil }
            return try format(called: name)
        }
    }

    /// The format that the other words go with.
    private var impliedName: String? {
        get throws(ChunkParametersError) {
            let hasQuotes = quote != nil || escape != nil || hasPlainQuotes
            let isOf = [
                ("csv", hasQuotes), ("lines", separator != nil && !hasQuotes), ("bytes", recordSize != nil),
                ("start", recordStart != nil),
            ]
            let names = isOf.filter { $0.1 }.map { $0.0 }
            try refuse(names.count > 1, "the words go with different formats: " + names.joined(separator: ", "))
            return names.first
        }
    }

    private func format(called name: String) throws(ChunkParametersError) -> ChunkParameters.Format {
        switch name {
        case "bytes": return .fixed(FixedRecords(size: recordSize ?? 1))
        case "csv": return try quoted
        case "fasta": return .marked(.fasta)
        case "fastq": return .fourLine(FourLineRecords())
        case "paragraphs": return .paragraphs(ParagraphRecords())
        case "vcf": return .headed(.vcf)
        case "sam": return .headed(.sam)
        case "mbox": return .marked(.mailbox)
        case "parquet": return .rowGroups(RowGroupRecords())
        case "auto": return .automatic
        default:
            if let recordStart { return .matching(recordStart) }
            return .terminated(separator.flatMap { TerminatedRecords(separator: $0) } ?? .lines)
        }
    }

    private var quoted: ChunkParameters.Format {
        get throws(ChunkParametersError) {
            let needsReturn = separator == [0x0D, 0x0A]
            try refuse(
                separator != nil && !needsReturn && separator != [0x0A], "records of 'csv' end with lf or crlf")
            try refuse(
                hasPlainQuotes && (quote != nil || escape != nil), "plain quotes are not looked at: name none")
            if hasPlainQuotes { return .terminated(needsReturn ? .crlf : .lines) }
            return .quoted(
                QuotedRecords(quote: quote ?? UInt8(ascii: "\""), escape: escape, needsReturn: needsReturn))
        }
    }

    private func refuse(_ isWrong: Bool, _ reason: @autoclosure () -> String) throws(ChunkParametersError) {
        if isWrong { throw ChunkParametersError(reason()) }
    }
}

extension String {
    /// What stands behind a prefix; `nil` if the string does not begin with it.
    func removing(prefix: String) -> String? { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil }
}
