import ObjfsTesting
import Records
import Testing

@Suite struct FormatTests {
    static let formats = [
        "csv", "csv@quote-27", "csv@escape-5c", "csv@crlf", "csv@escape-5c@crlf", "csv@plainquotes", "jsonl", "fasta",
        "fastq", "paragraphs", "vcf", "sam", "mbox",
    ]
    static let seeds: [UInt64] = [1, SeededGenerator.freshSeed]

    private func format(_ words: String) throws -> any RecordFormat {
        try ChunkParameters(words: words.split(separator: "@").map(String.init), defaults: ChunkParameters())
            .format.records
    }

    private func borders(_ format: any RecordFormat, _ bytes: [UInt8], _ cuts: some Sequence<Int>) -> [Int] {
        bytes.withUnsafeBytes { bytes in cuts.map { Int(format.border(at: Int64($0), in: bytes)) } }
    }

    private func expect(
        _ words: String, _ bytes: [UInt8], _ beginnings: [Int], _ cuts: some Sequence<Int>, _ seed: UInt64
    ) throws {
        let cuts = Array(cuts)
        let found = borders(try format(words), bytes, cuts)
        for (cut, border) in zip(cuts, found) {
            let expected = beginnings.first { $0 >= cut } ?? bytes.count
            try #require(border == expected, "seed \(seed), \(words), \(bytes.prefix(99)), cut \(cut)")
        }
    }

    @Test(arguments: formats, seeds)
    func `C2, C3, C11: borders in any bytes are those that reading from the start gives`(words: String, seed: UInt64)
        throws
    {
        var content = FormatContent(seed: seed)
        for _ in 0..<400 {
            let bytes = content.noise(content.number(0...50))
            try expect(words, bytes, FormatReference.beginnings(bytes, words), 0...bytes.count, seed)
        }
    }

    @Test(arguments: formats, seeds)
    func `C2, C11: in valid objects a record begins where it was made`(words: String, seed: UInt64) throws {
        guard words != "csv@plainquotes" else { return }
        var content = FormatContent(seed: seed)
        for _ in 0..<100 {
            let (bytes, beginnings) = content.valid(
                words, records: content.number(1...8), longest: content.number(0...9))
            let found = FormatReference.beginnings(bytes, words)
            try #require(
                found == beginnings || bytes.isEmpty || beginnings.last == bytes.count,
                "seed \(seed), \(words): the model itself, \(bytes)")
            try expect(words, bytes, found, 0...bytes.count, seed)
        }
    }

    @Test(arguments: formats, seeds)
    func `C4, C11: records longer than every window are whole, and damage moves borders as the rule says`(
        words: String, seed: UInt64
    ) throws {
        var content = FormatContent(seed: seed)
        for round in 0..<4 {
            let (valid, _) = content.valid(words, records: content.number(1...9), longest: 14_000)
            var bytes = valid
            guard !bytes.isEmpty else { continue }
            if round > 0 {
                // A short fuzz: bytes changed, taken away and put in.
                for _ in 0..<content.number(1...6) {
                    let place = content.number(0...bytes.count - 1)
                    switch content.number(0...2) {
                    case 0: bytes[place] = content.noise(1)[0]
                    case 1: bytes.insert(contentsOf: content.noise(3), at: place)
                    default: if bytes.count > 1 { bytes.remove(at: place) }
                    }
                }
            }
            let beginnings = FormatReference.beginnings(bytes, words)
            var cuts = (0..<24).map { _ in content.number(0...bytes.count) }
            cuts += beginnings.shuffled(using: &content.random).prefix(6).flatMap { [$0, $0 + 1, max($0 - 1, 0)] }
            try expect(words, bytes, beginnings, cuts.filter { $0 <= bytes.count }, seed)
        }
    }

    @Test(arguments: ["^[0-9]{2}:", "^(a|b)+$", "^$", "x"], seeds)
    func `C11: with --record-start a record begins where a line matches`(pattern: String, seed: UInt64) throws {
        let format = try MatchingRecords(pattern: pattern)
        var content = FormatContent(seed: seed)
        for _ in 0..<100 {
            let pieces = ["12:00 x\n", "  at x\n", "\n", "ab", "a\r\n", "b\n", "\r\n", "1", "x\0y\n"]
            let bytes = (0..<content.number(0...12)).flatMap { _ in
                Array((pieces.randomElement(using: &content.random) ?? "").utf8)
            }
            let beginnings =
                [0]
                + FormatReference.lineStarts(bytes).filter { start in
                    let text = String(decoding: FormatReference.line(bytes, start), as: UTF8.self)
                    return switch pattern {
                    case "^[0-9]{2}:":
                        text.utf8.count > 2 && text.utf8.prefix(2).allSatisfy { 0x30...0x39 ~= $0 }
                            && text.dropFirst(2).first == ":"
                    case "^$": text.isEmpty
                    case "x": text.contains("x")
                    default: !text.isEmpty && text.utf8.allSatisfy { $0 == 0x61 || $0 == 0x62 }
                    }
                }
            for cut in 0...bytes.count {
                let expected = beginnings.first { $0 >= cut && $0 < bytes.count } ?? bytes.count
                #expect(borders(format, bytes, [cut]) == [expected], "seed \(seed), \(pattern), \(bytes), cut \(cut)")
            }
        }
        #expect(throws: ChunkParametersError.self) { try MatchingRecords(pattern: "(") }
    }

    @Test(arguments: seeds)
    func `C11: a scan in parts and blocks knows at each of them what is inside of quotes`(seed: UInt64) {
        var content = FormatContent(seed: seed)
        for _ in 0..<200 {
            let bytes = content.noise(content.number(0...400))
            for scan in [QuoteScan(quote: 0x22, escape: nil), QuoteScan(quote: 0x22, escape: 0x5C)] {
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
                var sum = QuoteSummary.empty
                var start = 0
                while start < bytes.count {
                    let end = min(start + content.number(0...150), bytes.count)
                    sum = sum.followed(by: bytes[start..<end].withUnsafeBytes { scan.summary(of: $0) })
                    start = end
                }
                #expect(QuoteState.start.after(sum) == state, "seed \(seed), \(bytes)")
            }
        }
    }

    @Test func `a scan's parts and blocks cover an object of any size`() {
        for size in [0, 1, 65_535, 65_536, 65_537, 8 << 20, (8 << 20) + 1, 1 << 40, Int64.max] as [Int64] {
            let layout = ScanLayout(size: size)
            #expect(layout.count == 0 ? size == 0 : layout.range(of: layout.count - 1).upperBound == size)
            #expect(layout.count == 0 || layout.blockCount(of: layout.count - 1) > 0)
        }
    }

    @Test(arguments: [
        ("x.csv", "PAR1\u{15}", "parquet"), ("x.csv", "a,b\n", "csv"),
        ("x.CSV", "a", "csv"), ("x.txt", "a\n", "lines"), ("x", "", "lines"),
        ("x.txt", "##fileformat=VCFv4.2\n", "vcf"), ("x", "@HD\tVN:1.6\n", "sam"), ("x", ">a\nACGT\n", "fasta"),
        ("x", "@a\nACGT\n+\nIIII\n", "fastq"), ("x", "@a b\nhello\n", "lines"), ("x", "> quoted\n> text\n", "lines"),
        ("a.fastq", "@a", "fastq"), ("a.fa", "", "fasta"), ("a.sam", "r\t0\n", "sam"), ("in.mbox", "From a\n", "mbox"),
        ("a.tsv", "a\tb\n", "lines"), ("a.jsonl", "{}\n", "lines"),
    ])
    func `C11: auto tells a format by the first bytes, and then by the name`(key: String, start: String, words: String)
    {
        #expect(ChunkParameters.Format.detected(key: key, start: Array(start.utf8)).words == words)
    }
}
