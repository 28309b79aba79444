import Bytes
import Records

/// What is fuzzed, by name.
enum FuzzTarget {
    /// Formats in the words of a chunk folder's name; a target tries all of its line.
    private static let formats: [String: [String]] = [
        "lines": ["lines", "jsonl"], "crlf": ["crlf"], "nul": ["nul"], "sep": ["sep-6162", "sep-6161", "sep-61626162"],
        "csv": [
            "csv", "csv@quote-27", "csv@escape-5c", "csv@crlf", "csv@escape-5c@crlf", "csv@quote-27@escape-5c",
            "csv@plainquotes",
        ],
        "fasta": ["fasta"], "fastq": ["fastq"], "paragraphs": ["paragraphs"], "vcf": ["vcf"], "sam": ["sam"],
        "mbox": ["mbox"], "start": ["start"],
    ]

    static let names = formats.keys.sorted() + ["quotes", "parquet", "parquet-file", "compressed", "access-index"]

    static func named(_ name: String) -> (@Sendable (FuzzInput) -> Void)? {
        switch name {
        case "quotes": return tryQuotes
        case "parquet": return tryFooter
        case "parquet-file": return tryParquetFile
        case "compressed": return tryCompressed
        case "access-index": return tryAccessIndex
        default:
            guard let words = formats[name] else { return nil }
            return { tryBorders($0, words) }
        }
    }

    /// Ends the program with a message, which an optimised build leaves out of a precondition, unless something holds.
    static func require(_ holds: Bool, _ message: @autoclosure () -> String) {
        if !holds { fatalError(message()) }
    }

    // MARK: Borders

    /// Compares a border with what reading from the object's start gives.
    private static func tryBorders(_ input: FuzzInput, _ words: [String]) {
        var input = input
        let words = words[input.number(below: words.count)]
        let repeats = Int(input.byte() & 7)
        let share = input.number(below: 1 << 20)
        let piece = input.bytes()
        // Some objects are larger than the first window of a search, and hence seen in several.
        let object = (0..<1 << repeats).flatMap { _ in piece }.prefix(64 << 10)
        check(Array(object), words, cut: (object.count * share) >> 20)
    }

    private static func check(_ object: [UInt8], _ words: String, cut: Int) {
        let format: any RecordFormat
        do {
            format =
                words == "start"
                ? try MatchingRecords(pattern: SeparatorReference.pattern)
                : try ChunkParameters(
                    words: words.split(separator: "@").map(String.init), defaults: ChunkParameters()
                ).format.records
        } catch {
            fatalError("\(words): \(error)")
        }
        // The sanitizer's own regexec(3) looks for a NUL, and knows nothing of REG_STARTEND, which tells where a text ends.
        let memory = words == "start" ? object + [0] : object
        let border = memory.withUnsafeBytes {
            format.border(at: Int64(cut), in: UnsafeRawBufferPointer(rebasing: $0.prefix(object.count)))
        }
        let beginnings =
            SeparatorReference.beginnings(object, words) ?? FormatReference.beginnings(object, words)
        let expected = beginnings.first { $0 >= cut } ?? object.count
        require(border == expected, "\(words): the border at \(cut) is \(expected), and \(border) was found")
    }

    // MARK: Quotes

    /// Compares the summary of two stretches with reading them byte by byte.
    private static func tryQuotes(_ input: FuzzInput) {
        var input = input
        let scan = QuoteScan(quote: 0x22, escape: input.byte().isMultiple(of: 2) ? nil : 0x5C)
        let share = input.number(below: 1 << 20)
        let bytes = input.bytes()
        let place = (bytes.count * share) >> 20
        let sum = [bytes[..<place], bytes[place...]].map { $0.withUnsafeBytes { scan.summary(of: $0) } }
        var state = QuoteState.start
        for byte in bytes {
            if state.isEscaped {
                state.isEscaped = false
            } else if byte == scan.escape {
                state.isEscaped = true
            } else if byte == scan.quote {
                state.isQuoted.toggle()
            }
        }
        require(QuoteState.start.after(sum[0].followed(by: sum[1])) == state, "the summary is another")
    }

    // MARK: Parquet

    /// Takes the input for a footer: it is refused, or what is made of it stays inside of the file and can be read.
    private static func tryFooter(_ input: FuzzInput) {
        var input = input
        let start = Int64(input.number(below: 1 << 16))
        let cut = Int64(input.number(below: 1 << 16))
        do throws(ParquetError) {
            let footer = try ParquetFooter(input.bytes(), at: start)
            let border = footer.border(at: cut) ?? start
            require(border >= 0 && border <= max(start, 0), "a row group is outside of the file")
            let whole = footer.rows(in: 0..<Int64.max)
            let parts = [try rewritten(footer, 0..<border, start), try rewritten(footer, border..<Int64.max, start)]
            require(parts.reduce(0, +) == whole, "rows are lost")
        } catch {}
    }

    /// Makes the file of a part, and reads its footer again; returns its rows.
    private static func rewritten(
        _ footer: ParquetFooter, _ part: Range<Int64>, _ start: Int64
    ) throws(ParquetError) -> Int64 {
        let content = try footer.content(of: part)
        var literals: [UInt8] = []
        for segment in content.segments {
            switch segment {
            case .object(let range):
                require(range.lowerBound >= 4 && range.upperBound <= start, "bytes of outside of the file")
            case .literal(let bytes): literals += bytes.array
            }
        }
        let range: Range<Int64>
        let again: ParquetFooter
        do throws(ParquetError) {
            range = try ParquetTail.footer(literals, size: content.count)
            let bytes = Array(literals.dropLast(8).suffix(range.count))
            again = try ParquetFooter(bytes, at: range.lowerBound)
        } catch {
            fatalError("what was written can't be read: \(error)")
        }
        let rows = again.rows(in: 0..<Int64.max)
        require(rows == footer.rows(in: part), "rows are lost")
        return rows
    }

    /// Takes the input for a whole file.
    private static func tryParquetFile(_ input: FuzzInput) {
        var input = input
        let cut = input.number(below: 1 << 12)
        let file = input.bytes()
        let border = file.withUnsafeBytes { RowGroupRecords().border(at: Int64(cut), in: $0) }
        require(border >= min(cut, file.count) && border <= file.count, "the border is outside of the file")
    }
}
