extension ChunkParameters.Format {
    /// How many bytes of an object's start are looked at to know its format.
    package static let detectionCount: Int64 = 4 << 10

    /// The format that an object shows: by its first bytes and, where these say nothing, by the end of its name.
    ///
    /// - Parameters:
    ///   - key: The object's name.
    ///   - start: Its first bytes, ``detectionCount`` of them or all.
    package static func detected(key: String, start: [UInt8]) -> ChunkParameters.Format {
        shown(by: start) ?? named(by: key) ?? .terminated(.lines)
    }

    private static func shown(by start: [UInt8]) -> ChunkParameters.Format? {
        if start.starts(with: ParquetTail.magic) { return .rowGroups(RowGroupRecords()) }
        if start.starts(with: "##fileformat=VCF".utf8) { return .headed(.vcf) }
        let lines = start.split(separator: 0x0A, maxSplits: 4, omittingEmptySubsequences: false)
        guard let first = lines.first else { return nil }
        if ["@HD\t", "@SQ\t", "@RG\t", "@PG\t", "@CO\t"].contains(where: { first.starts(with: $0.utf8) }) {
            return .headed(.sam)
        }
        let isSequence = lines.count > 1 && (lines[1].first.map(Self.isOfSequence) ?? false)
        if first.first == UInt8(ascii: ">"), isSequence { return .marked(.fasta) }
        if first.first == UInt8(ascii: "@"), isSequence, lines.count > 2, lines[2].first == UInt8(ascii: "+") {
            return .fourLine(FourLineRecords())
        }
        return nil
    }

    /// Whether a byte may begin a line of a sequence: a letter, `*`, `-` or `.`.
    private static func isOfSequence(_ byte: UInt8) -> Bool {
        0x41...0x5A ~= byte & 0xDF || [UInt8(ascii: "*"), UInt8(ascii: "-"), UInt8(ascii: ".")].contains(byte)
    }

    private static func named(by key: String) -> ChunkParameters.Format? {
        switch ChunkName.fileExtension(of: key)?.lowercased() {
        case "csv": .quoted(QuotedRecords())
        case "fa", "fasta", "fna", "ffn", "faa", "frn": .marked(.fasta)
        case "fq", "fastq": .fourLine(FourLineRecords())
        case "vcf": .headed(.vcf)
        case "sam": .headed(.sam)
        case "mbox": .marked(.mailbox)
        default: nil
        }
    }
}
