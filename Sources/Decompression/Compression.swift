/// Compressed content, known by its first bytes.
package enum Compression: String, Hashable, Sendable, CaseIterable {
    case gzip
    /// Gzip in blocks of 64 KiB at most that say how long they are, as `bgzip` and `samtools` write it.
    case bgzf
    case zstd, bzip2, xz, lz4

    /// How many bytes must be seen to know, unless the object begins with a frame to be skipped.
    package static let magicCount = 8

    /// What the first bytes of an object say; `nil` if it is not compressed.
    ///
    /// Blocked gzip is taken for gzip: only all its blocks tell.
    package init?(magic bytes: some Collection<UInt8>) {
        let found = Self.magics.first { bytes.starts(with: $0.bytes) }
        guard let found else { return nil }
        // "BZh" alone may begin a text: the level that follows is a digit, and then a block or the end begins.
        if found.compression == .bzip2 {
            guard let level = bytes.dropFirst(3).first, 0x31...0x39 ~= level else { return nil }
            guard let block = bytes.dropFirst(4).first, block == 0x31 || block == 0x17 else { return nil }
        }
        self = found.compression
    }

    private static let magics: [(compression: Compression, bytes: [UInt8])] = [
        (.gzip, [0x1F, 0x8B, 0x08]),
        (.zstd, [0x28, 0xB5, 0x2F, 0xFD]),
        (.bzip2, [0x42, 0x5A, 0x68]),
        (.xz, [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]),
        (.lz4, [0x04, 0x22, 0x4D, 0x18]),
        // What programs wrote before there were frames of LZ4.
        (.lz4, [0x02, 0x21, 0x4C, 0x18]),
    ]

    /// The length of a frame of zstd or LZ4 that holds nothing compressed, its first 8 bytes included;
    /// `nil` if there is no such frame.
    package static func skippableFrame(_ bytes: some Collection<UInt8>) -> Int64? {
        let start = Array(bytes.prefix(8))
        guard start.count == 8, start[0] & 0xF0 == 0x50, start[1...3] == [0x2A, 0x4D, 0x18] else { return nil }
        return 8 + start[4...7].reversed().reduce(0) { $0 << 8 | Int64($1) }
    }

    /// The extensions that names of such objects have, without the point.
    package var fileExtensions: [String] {
        switch self {
        case .gzip, .bgzf: ["gz", "bgz", "bgzf"]
        case .zstd: ["zst", "zstd"]
        case .bzip2: ["bz2"]
        case .xz: ["xz"]
        case .lz4: ["lz4"]
        }
    }

    /// Whether a name ends as those of compressed objects do.
    package static func isNamed(by name: String) -> Bool { plainName(of: name) != name }

    /// A name without the extension of compressed objects: `big.csv` of `big.csv.gz`.
    package static func plainName(of name: String) -> String {
        guard let point = name.lastIndex(of: "."), point != name.startIndex else { return name }
        let last = name[name.index(after: point)...].lowercased()
        guard allCases.contains(where: { $0.fileExtensions.contains(last) }) else { return name }
        return String(name[..<point])
    }
}
