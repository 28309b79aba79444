import Bytes

extension ChunkParameters {
    /// What formats are called.
    package static let formatNames = FormatWords.names

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
        let format = try words.format(defaults: defaults.format)
        if case .rowGroups = format, words.repeatsHeader {
            throw ChunkParametersError("'parquet' has no header that is a record")
        }
        self.init(
            cut: words.cut ?? defaults.cut, format: format,
            repeatsHeader: words.repeatsHeader || defaults.repeatsHeader,
            nameExtension: words.nameExtension ?? defaults.nameExtension)
    }
}

/// Collects words about cutting, and refuses those that don't go together.
package struct ChunkWords {
    fileprivate var cut: ChunkCut?
    private var format = FormatWords()
    fileprivate var repeatsHeader = false
    fileprivate var nameExtension: ChunkParameters.NameExtension?

    package init() {}

    /// Takes one word of a chunk folder's name.
    package mutating func take(_ word: String) throws(ChunkParametersError) {
        switch word {
        case "header":
            try refuse(repeatsHeader, "'header' stands twice")
            repeatsHeader = true
        case "ext": try take(extension: .own)
        default:
            if let name = word.removing(prefix: "ext-") {
                try refuse(name.isEmpty || name.utf8.contains(UInt8(ascii: "/")), "'\(word)' names no extension")
                try take(extension: .named(name))
            } else if word.utf8.first.map({ 0x30...0x39 ~= $0 }) ?? false {
                try takeCut(word)
            } else {
                try format.take(word)
            }
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

    package mutating func take(format name: String) throws(ChunkParametersError) { try format.take(name: name) }

    /// Takes `lf`, `crlf`, `nul`, or the bytes of a separator in hexadecimal.
    package mutating func take(separator word: String) throws(ChunkParametersError) {
        try format.take(separator: word)
    }

    package mutating func take(recordSize text: String) throws(ChunkParametersError) {
        try format.take(recordSize: text)
    }

    /// Takes what stands around quoted fields: a character, or its byte in hexadecimal.
    package mutating func take(quote text: String) throws(ChunkParametersError) { try format.take(quote: text) }

    /// Takes what makes the next character an ordinary one.
    package mutating func take(escape text: String) throws(ChunkParametersError) { try format.take(escape: text) }

    /// Takes it that no quoted field holds the end of a line.
    package mutating func takePlainQuotes() throws(ChunkParametersError) { try format.takePlainQuotes() }

    /// Takes a regular expression that the first line of each record matches.
    package mutating func take(recordStart pattern: String) throws(ChunkParametersError) {
        try format.take(recordStart: pattern)
    }

    package mutating func takeHeader() { repeatsHeader = true }

    private mutating func take(extension name: ChunkParameters.NameExtension) throws(ChunkParametersError) {
        try refuse(nameExtension != nil, "the extension is given twice")
        nameExtension = name
    }

    fileprivate func format(defaults: ChunkParameters.Format) throws(ChunkParametersError) -> ChunkParameters.Format {
        try format.format ?? defaults
    }

    private func refuse(_ isWrong: Bool, _ reason: @autoclosure () -> String) throws(ChunkParametersError) {
        if isWrong { throw ChunkParametersError(reason()) }
    }
}
