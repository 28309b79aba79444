import ObjfsTesting
import Testing

/// `objfs run` over records that others write and read.
@Suite struct FormatRunTests {
    private func run(_ folder: borrowing TemporaryFolder, _ arguments: [String]) throws -> Program {
        try Program.objfs(
            ["run"] + arguments, environment: ["XDG_CACHE_HOME": folder.path + "/cache", "HOME": folder.path],
            folder: folder.path)
    }

    /// A table of Python's csv module, with all that a field may hold.
    private static let writer = """
        import csv, random, sys
        random.seed(int(sys.argv[1]))
        options = eval(sys.argv[2])
        pieces = ['a', ',', '"', "'", '\\n', '\\r\\n', ' ', '1', 'ä', '']
        with open('table', 'w', newline='') as file:
            table = csv.writer(file, **options)
            table.writerow(['id', 'two\\nlines', 'x'])
            for number in range(1500):
                row = [''.join(random.choices(pieces, k=random.randrange(12))) for _ in range(random.randrange(3))]
                table.writerow([number] + row)
        """

    private static let reader = """
        import csv, sys
        sys.stdin.reconfigure(newline='')
        for row in csv.reader(sys.stdin, **eval(sys.argv[1])):
            print(ascii(row))
        """

    @Test(
        arguments: [
            ("dict()", []), ("{'lineterminator': '\\n'}", []), ("{'quotechar': \"'\"}", ["--quote", "'"]),
            ("{'quoting': csv.QUOTE_ALL}", ["--separator", "crlf"]),
            ("{'doublequote': False, 'escapechar': '\\\\'}", ["--escape", "\\"]),
        ] as [(String, [String])], ["1", "7", "30"])
    func `C2, C11: Python reads in the chunks of a csv the rows that it reads in the whole`(
        dialect: (options: String, arguments: [String]), chunks: String
    ) throws {
        let folder = TemporaryFolder()
        let seed = "\(SeededGenerator.freshSeed)"
        let written = try Program.run(
            ["python3", "-c", Self.writer, seed, dialect.options], folder: folder.path)
        #expect(written.status == 0, "\(written.standardError)")
        let whole = try Program.run(
            ["python3", "-c", Self.reader, dialect.options], input: folder.read("table"), folder: folder.path)
        let cut = try run(
            folder,
            ["--format", "csv", "--chunks", chunks] + dialect.arguments + ["table", "--", "python3", "-c", Self.reader]
                + [dialect.options])
        #expect(cut.status == 0, "\(cut.standardError)")
        // Compared apart from the expectation, which would take minutes to find how two such texts differ.
        let isSame = cut.output == whole.output
        #expect(isSame, "seed \(seed)")
        let headed = try run(
            folder,
            ["--format", "csv", "--header", "--chunks", chunks] + dialect.arguments
                + ["table", "--", "python3", "-c", Self.reader + "\n    break", dialect.options])
        let first = whole.standardOutput.prefix { $0 != "\n" } + "\n"
        #expect(headed.standardOutput == String(repeating: String(first), count: Int(chunks) ?? 0), "seed \(seed)")
    }

    @Test func `C11: --record-start keeps a trace with its entry`() throws {
        let folder = TemporaryFolder()
        let entries = (0..<3000).map { "2026-11-24 entry \($0)\n  at a\n\n  at b\n" }
        folder.write("log", Array(entries.joined().utf8))
        let counted = try run(
            folder,
            ["--record-start", "^[0-9]{4}-", "--chunks", "13", "log", "--", "sh", "-c", "head -n 1; tail -n 1"])
        let lines = counted.standardOutput.split(separator: "\n")
        #expect(lines.count == 26)
        for (number, line) in lines.enumerated() {
            #expect(line.hasPrefix(number.isMultiple(of: 2) ? "2026-11-24 entry" : "  at b"))
        }
        let refused = try run(folder, ["--record-start", "(", "log", "--", "cat"])
        #expect(refused.status == 2)
        #expect(refused.standardError.hasPrefix("objfs: run: '(' is no regular expression"))
    }

    @Test func `C11: --format auto cuts each object as what it is`() throws {
        let folder = TemporaryFolder()
        folder.write("in/a.csv", Array(String(repeating: "\"x\ny\",1\n", count: 99).utf8))
        folder.write("in/b", Array(String(repeating: "@r\nACGT\n+\n@+@+\n", count: 99).utf8))
        folder.write("in/c.vcf", Array(("##x\n#CHROM\n" + String(repeating: "1\t2\n", count: 99)).utf8))
        let firsts = try run(folder, ["--format", "auto", "--chunks", "5", "in/", "--", "head", "-n", "1"])
        #expect(
            firsts.standardOutput
                == String(repeating: "\"x\n", count: 5) + String(repeating: "@r\n", count: 5)
                + String(repeating: "##x\n", count: 5))
    }
}
