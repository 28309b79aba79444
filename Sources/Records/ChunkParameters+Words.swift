import Bytes

extension ChunkParameters {
    /// Reads the words behind `@chunks`, in any order: `16`, `8MiB`, `crlf`, `header` and so on.
    ///
    /// - Parameters:
    ///   - words: What stands between the `@`s.
    ///   - defaults: What holds where no word says otherwise.
    /// - Throws: A ``ChunkParametersError`` for a word that is unknown, stands twice, or contradicts another.
    package init(words: [String], defaults: ChunkParameters) throws(ChunkParametersError) {
        var reader = ChunkWords()
        for word in words { try reader.take(word) }
        try self.init(reader, defaults: defaults)
    }

    /// Joins what the words said; used for the flags of commands too.
    package init(_ words: ChunkWords, defaults: ChunkParameters) throws(ChunkParametersError) {
        self.init(
            cut: words.cut ?? defaults.cut, format: try words.format(defaults: defaults.format),
            repeatsHeader: words.repeatsHeader || defaults.repeatsHeader,
            nameExtension: words.nameExtension ?? defaults.nameExtension)
    }
}

/// Collects words about cutting, and refuses those that don't go together.
package struct ChunkWords {
    fileprivate var cut: ChunkCut?
    private var formatName: String?
    private var separator: [UInt8]?
    private var recordSize: Int64?
    fileprivate var repeatsHeader = false
    fileprivate var nameExtension: ChunkParameters.NameExtension?

    /// Formats whose names are known, and which this version does not have.
    private static let later = [
        "csv", "fasta", "fastq", "paragraphs", "jsonl", "vcf", "sam", "parquet", "auto", "plain",
    ]

    package init() {}

    /// Takes one word of a chunk folder's name.
    package mutating func take(_ word: String) throws(ChunkParametersError) {
        switch word {
        case "lines", "bytes": try take(format: word)
        case "crlf", "nul": try take(separator: word)
        case "header":
            try refuse(repeatsHeader, "'header' stands twice")
            repeatsHeader = true
        case "ext": try take(extension: .own)
        default: try takeValue(word)
        }
    }

    private mutating func takeValue(_ word: String) throws(ChunkParametersError) {
        if let hex = word.removing(prefix: "sep-") {
            try take(separator: hex)
        } else if let size = word.removing(prefix: "record-") {
            try take(recordSize: size)
        } else if let name = word.removing(prefix: "ext-") {
            try refuse(name.isEmpty || name.utf8.contains(UInt8(ascii: "/")), "'\(word)' names no extension")
            try take(extension: .named(name))
        } else if word.utf8.first.map({ 0x30...0x39 ~= $0 }) ?? false {
            try takeCut(word)
        } else if Self.later.contains(word) {
            throw ChunkParametersError("the format '\(word)' is not offered by this version")
        } else {
            throw ChunkParametersError("unknown word '\(word)'")
        }
    }

    /// Takes a number of chunks, or a size with its unit.
    private mutating func takeCut(_ word: String) throws(ChunkParametersError) {
        if word.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) { try take(count: word) } else { try take(size: word) }
    }

    package mutating func take(count text: String) throws(ChunkParametersError) {
        guard let count = Int64(text), count > 0, count <= Int32.max, !text.hasPrefix("+") else {
            throw ChunkParametersError("'\(text)' is no number of chunks: it must be 1 or more")
        }
        try take(cut: .count(count))
    }

    package mutating func take(size text: String) throws(ChunkParametersError) {
        guard let size = ByteCount(text), size.bytes > 0 else {
            throw ChunkParametersError("'\(text)' is no size: write a number and B, K, M, G or T")
        }
        try take(cut: .size(size.bytes))
    }

    private mutating func take(cut: ChunkCut) throws(ChunkParametersError) {
        try refuse(self.cut != nil, "chunks are given a size or a number twice")
        self.cut = cut
    }

    package mutating func take(format name: String) throws(ChunkParametersError) {
        try refuse(Self.later.contains(name), "the format '\(name)' is not offered by this version")
        try refuse(name != "lines" && name != "bytes", "unknown format '\(name)': there are lines and bytes")
        try refuse(formatName != nil, "the format is given twice")
        formatName = name
    }

    /// Takes `lf`, `crlf`, `nul`, or the bytes of a separator in hexadecimal.
    package mutating func take(separator word: String) throws(ChunkParametersError) {
        try refuse(separator != nil, "the separator is given twice")
        let named: [String: [UInt8]] = ["lf": [0x0A], "crlf": [0x0D, 0x0A], "nul": [0]]
        guard let bytes = named[word] ?? Hex.bytes(word), 1...16 ~= bytes.count else {
            throw ChunkParametersError("'\(word)' is no separator: it has 1 to 16 bytes, in hexadecimal")
        }
        separator = bytes
    }

    package mutating func take(recordSize text: String) throws(ChunkParametersError) {
        try refuse(recordSize != nil, "the size of a record is given twice")
        guard let size = Int64(text), size > 0, !text.hasPrefix("+") else {
            throw ChunkParametersError("'\(text)' is no size of a record: it must be 1 or more")
        }
        recordSize = size
    }

    package mutating func takeHeader() { repeatsHeader = true }

    private mutating func take(extension name: ChunkParameters.NameExtension) throws(ChunkParametersError) {
        try refuse(nameExtension != nil, "the extension is given twice")
        nameExtension = name
    }

    fileprivate func format(defaults: ChunkParameters.Format) throws(ChunkParametersError) -> ChunkParameters.Format {
        try refuse(separator != nil && recordSize != nil, "a separator and a size of records contradict each other")
        try refuse(formatName == "lines" && recordSize != nil, "'lines' have no size of records")
        try refuse(formatName == "bytes" && separator != nil, "'bytes' have no separator")
        if let separator, let records = TerminatedRecords(separator: separator) { return .terminated(records) }
        if let recordSize { return .fixed(FixedRecords(size: recordSize)) }
        switch formatName {
        case "lines": return .terminated(.lines)
        case "bytes": return .fixed(FixedRecords(size: 1))
        default: return defaults
        }
    }

    private func refuse(_ isWrong: Bool, _ reason: @autoclosure () -> String) throws(ChunkParametersError) {
        if isWrong { throw ChunkParametersError(reason()) }
    }
}

extension String {
    fileprivate func removing(prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
