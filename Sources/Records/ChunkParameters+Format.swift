import Bytes

extension ChunkParameters {
    /// How an object divides into records.
    package enum Format: Hashable, Sendable {
        case terminated(TerminatedRecords)
        case fixed(FixedRecords)
        case quoted(QuotedRecords)
        case marked(MarkedRecords)
        case fourLine(FourLineRecords)
        case paragraphs(ParagraphRecords)
        case headed(HeadedLines)
        case matching(MatchingRecords)
        case rowGroups(RowGroupRecords)
        /// What the object itself shows that it is: see ``detected(key:start:)``.
        case automatic

        /// The records; lines, for an object that was not asked yet what it is.
        package var records: any RecordFormat {
            switch self {
            case .terminated(let format): format
            case .fixed(let format): format
            case .quoted(let format): format
            case .marked(let format): format
            case .fourLine(let format): format
            case .paragraphs(let format): format
            case .headed(let format): format
            case .matching(let format): format
            case .rowGroups(let format): format
            case .automatic: TerminatedRecords.lines
            }
        }

        /// The format in the words of a chunk folder's name.
        package var words: String {
            switch self {
            case .terminated(.lines): "lines"
            case .terminated(.crlf): "crlf"
            case .terminated(.nul): "nul"
            case .terminated(let format): "sep-" + Hex.string(format.separator)
            case .fixed(let format): "record-\(format.size)"
            case .quoted(let format): "csv" + format.optionWords
            case .marked(.fasta): "fasta"
            case .marked(.mailbox): "mbox"
            case .fourLine: "fastq"
            case .paragraphs: "paragraphs"
            case .headed(.vcf): "vcf"
            case .headed: "sam"
            case .matching(let format): "start-" + Hex.string(Array(format.pattern.utf8))
            case .rowGroups: "parquet"
            case .automatic: "auto"
            }
        }
    }
}

extension QuotedRecords {
    /// What differs from the usual, in the words of a chunk folder's name.
    fileprivate var optionWords: String {
        let quote = scan.quote == UInt8(ascii: "\"") ? "" : "@quote-" + Hex.string([scan.quote])
        let escape = scan.escape.map { "@escape-" + Hex.string([$0]) } ?? ""
        return quote + escape + (needsReturn ? "@crlf" : "")
    }
}
