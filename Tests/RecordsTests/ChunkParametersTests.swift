import Records
import Testing

@Suite struct ChunkParametersTests {
    private func parse(_ words: String) throws(ChunkParametersError) -> ChunkParameters {
        try ChunkParameters(words: words.split(separator: "@").map(String.init), defaults: ChunkParameters())
    }

    @Test(arguments: [
        ("", "67108864B@lines"), ("16", "16@lines"), ("8MiB", "8388608B@lines"), ("4M@crlf", "4194304B@crlf"),
        ("nul@3", "3@nul"), ("sep-0d0a", "67108864B@crlf"), ("sep-7C7c@2", "2@sep-7c7c"), ("1B", "1B@lines"),
        ("bytes@record-128@2", "2@record-128"), ("record-5", "67108864B@record-5"), ("bytes", "67108864B@record-1"),
        ("2@lines@nul", "2@nul"), ("csv@2", "2@csv"), ("quote-27@2", "2@csv@quote-27"), ("jsonl@2", "2@lines"),
        ("csv@escape-5c@crlf@2", "2@csv@escape-5c@crlf"), ("csv@escape-22@2", "2@csv"),
        ("csv@plainquotes@2", "2@lines"),
        ("plainquotes@crlf@2", "2@crlf"), ("fasta@2", "2@fasta"), ("fastq@2", "2@fastq"), ("vcf@2", "2@vcf"),
        ("sam@2", "2@sam"), ("mbox@2", "2@mbox"), ("paragraphs@2", "2@paragraphs"), ("auto@2", "2@auto"),
    ])
    func `words say how to cut, in any order`(words: String, meaning: String) throws {
        #expect(try parse(words).borderWords == meaning)
    }

    @Test(arguments: [
        "bogus", "16@8M", "16@16", "0", "0B", "crlf@nul", "record-0", "record-x", "sep-", "sep-0", "sep-0g",
        "sep-000102030405060708090a0b0c0d0e0f10", "lines@record-5", "bytes@nul", "header@header", "ext@ext-csv", "ext-",
        "10Q", "csv@nul", "csv@record-3", "fasta@crlf", "quote-0a", "quote-", "escape-xx", "lines@quote-27",
        "plainquotes@quote-27", "csv@fasta", "auto@crlf", "quote-27@quote-27", "start-61", "99999999999999999999",
        "9999999P", "-1", "+1", "lines@lines", "crlf@record-3", "1.5M", "１６",
    ])
    func `a word that is unknown, doubled or contradictory is refused with a reason`(words: String) {
        #expect(throws: ChunkParametersError.self) { try parse(words) }
    }

    @Test(arguments: ["plain"])
    func `C11: a format that this version lacks is refused by its name`(format: String) {
        let error = #expect(throws: ChunkParametersError.self) { try parse(format) }
        #expect(error?.description == "the format '\(format)' is not offered by this version")
    }

    @Test func `header and extension are remembered`() throws {
        let parameters = try parse("header@ext-csv@16")
        #expect(parameters.repeatsHeader)
        #expect(parameters.nameExtension == .named("csv"))
        #expect(try parse("ext").nameExtension == .own)
    }
}

@Suite struct ChunkNameTests {
    @Test func `C7: names have one width, and a short or extended name finds its chunk`() {
        let names = ChunkName(count: 16)
        #expect(names.string(7) == "chunk-07")
        for name in ["chunk-7", "chunk-07", "chunk-007", "chunk-07.csv", "chunk-7.tar.gz"] {
            #expect(names.index(name) == 7)
        }
        for name in ["chunk-16", "chunk--1", "chunk-", "chunk-7.", "chunk-x", "Chunk-7", "chunk-7 ", "chunk-+7", ""] {
            #expect(names.index(name) == nil, "\(name)")
        }
        #expect(ChunkName(count: 10).string(9) == "chunk-9")
        #expect(ChunkName(count: 11, fileExtension: "csv").string(3) == "chunk-03.csv")
        #expect(ChunkName(count: 1).string(0) == "chunk-0")
    }

    @Test(arguments: [("a/b.csv", "csv"), ("b.tar.gz", "gz"), (".profile", nil), ("a.d/b", nil), ("b.", nil)])
    func `an extension is what stands behind the last point of the last part`(key: String, expected: String?) {
        #expect(ChunkName.fileExtension(of: key) == expected)
    }
}
