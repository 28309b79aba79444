/// How an object is to be cut: where, between which records, and what its chunk files are like.
package struct ChunkParameters: Hashable, Sendable {
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
    ///
    /// Some formats do that without being asked: see ``RecordFormat/repeatsHeader``.
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
        return cut + "@" + format.words
    }

    /// What the names of chunk files end with, without the point; `nil` for nothing.
    ///
    /// Without a word about it, that is nothing, but for the files of a format whose programs go by the extension.
    package func fileExtension(of key: String) -> String? {
        switch nameExtension {
        case .none: if case .rowGroups = format { "parquet" } else { nil }
        case .own: ChunkName.fileExtension(of: key)
        case .named(let name): name
        }
    }
}

/// Words that say no way of cutting.
package struct ChunkParametersError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, in lower case and without a full stop.
    package let description: String

    package init(_ description: String) { self.description = description }
}
