import Bytes

/// How an object is to be cut: where, between which records, and what its chunk files are like.
package struct ChunkParameters: Hashable, Sendable {
    /// How an object divides into records.
    package enum Format: Hashable, Sendable {
        case terminated(TerminatedRecords)
        case fixed(FixedRecords)

        package var records: any RecordFormat {
            switch self {
            case .terminated(let format): format
            case .fixed(let format): format
            }
        }
    }

    /// What a chunk file's name ends with.
    package enum NameExtension: Hashable, Sendable {
        case none
        /// The extension of the object's own name.
        case own
        case named(String)
    }

    package var cut: ChunkCut
    package var format: Format
    /// Whether every chunk but the first begins with the object's first record, even one with no record of its own.
    package var repeatsHeader: Bool
    package var nameExtension: NameExtension

    package init(
        cut: ChunkCut = .size(64 << 20), format: Format = .terminated(.lines), repeatsHeader: Bool = false,
        nameExtension: NameExtension = .none
    ) {
        self.cut = cut
        self.format = format
        self.repeatsHeader = repeatsHeader
        self.nameExtension = nameExtension
    }

    /// What the borders of an object depend on, besides its version: the cut and the format, in their own words.
    package var borderWords: String {
        let cut =
            switch cut {
            case .size(let bytes): "\(bytes)B"
            case .count(let count): "\(count)"
            }
        return cut + "@" + formatWords
    }

    /// The format in the words of a chunk folder's name.
    package var formatWords: String {
        switch format {
        case .terminated(.lines): "lines"
        case .terminated(.crlf): "crlf"
        case .terminated(.nul): "nul"
        case .terminated(let format): "sep-" + Hex.string(format.separator)
        case .fixed(let format): "record-\(format.size)"
        }
    }
}

/// Words that say no way of cutting.
package struct ChunkParametersError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, in lower case and without a full stop.
    package let description: String

    package init(_ description: String) { self.description = description }
}
