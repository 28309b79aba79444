/// Compressed content, known by its first bytes.
package enum Compression: String, Hashable, Sendable, CaseIterable {
    case gzip, zstd, bzip2, xz, lz4

    /// How many bytes must be seen to know.
    package static let magicCount = 6

    /// What the first bytes of an object say; `nil` if it is not compressed.
    package init?(magic bytes: some Collection<UInt8>) {
        let found = Self.allCases.first { bytes.starts(with: $0.magic) }
        guard let found else { return nil }
        // "BZh" alone may begin a text: the level that follows is a digit, and then a block or the end begins.
        if found == .bzip2 {
            guard let level = bytes.dropFirst(3).first, 0x31...0x39 ~= level else { return nil }
            guard let block = bytes.dropFirst(4).first, block == 0x31 || block == 0x17 else { return nil }
        }
        self = found
    }

    private var magic: [UInt8] {
        switch self {
        case .gzip: [0x1F, 0x8B, 0x08]
        case .zstd: [0x28, 0xB5, 0x2F, 0xFD]
        case .bzip2: [0x42, 0x5A, 0x68]
        case .xz: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]
        case .lz4: [0x04, 0x22, 0x4D, 0x18]
        }
    }
}
