import ObjfsTesting
import Testing

/// Chunks of sequences, judged by the programs that people use on them.
@Suite struct FormatToolTests {
    private func run(_ folder: borrowing TemporaryFolder, _ arguments: [String]) throws -> Program {
        try Program.objfs(
            ["run"] + arguments, environment: ["XDG_CACHE_HOME": folder.path + "/cache", "HOME": folder.path],
            folder: folder.path)
    }

    /// Expects that a program's outputs for all chunks are, one after the other, its output for the whole.
    private func expectSame(
        _ content: String, _ format: String, _ command: [String], _ seed: UInt64
    ) throws {
        let folder = TemporaryFolder()
        folder.write("in/object", Array(content.utf8))
        let expected = try Program.run(command, input: Array(content.utf8), folder: folder.path)
        try #require(expected.status == 0, "\(expected.standardError)")
        for chunks in ["1", "9", "40"] {
            let cut = try run(folder, ["--format", format, "--chunks", chunks, "in/object", "--"] + command)
            #expect(cut.status == 0, "seed \(seed), \(cut.standardError)")
            let isSame = cut.output == expected.output && !cut.output.isEmpty
            #expect(isSame, "seed \(seed), \(chunks) chunks of \(format)")
        }
    }

    private func letters(_ alphabet: String, _ count: Int, _ random: inout SeededGenerator) -> String {
        let alphabet = Array(alphabet)
        return String((0..<count).map { _ in alphabet.randomElement(using: &random) ?? "A" })
    }

    @Test func `C11: seqtk reads the same records in chunks of fastq and fasta as in the whole`() throws {
        let seed = SeededGenerator.freshSeed
        var random = SeededGenerator(seed: seed)
        let fastq = (0..<800).map { number in
            let count = Int.random(in: 1...200, using: &random)
            return "@r\(number) x\n\(letters("ACGTN", count, &random))\n+\n\(letters("@+IF", count, &random))\n"
        }
        try expectSame(fastq.joined(), "fastq", ["seqtk", "seq", "-"], seed)
        let fasta = (0..<400).map { number in
            ">s\(number) a > b\n"
                + (0..<Int.random(in: 1...9, using: &random)).map { _ in letters("ACGT", 60, &random) + "\n" }.joined()
        }
        try expectSame(fasta.joined(), "fasta", ["seqtk", "comp", "-"], seed)
    }

    @Test func `C11: samtools and bcftools read each chunk by itself, for it has the header`() throws {
        let seed = SeededGenerator.freshSeed
        var random = SeededGenerator(seed: seed)
        let sequences = (1...30).map { "@SQ\tSN:chr\($0)\tLN:100000\n" }.joined()
        let alignments = (1...900).map { number in
            let name = "r\(number)\t0\tchr\(Int.random(in: 1...30, using: &random))\t\(number)\t60\t8M\t*\t0\t0\t"
            return name + letters("ACGT", 8, &random) + "\t" + letters("@IF+", 8, &random) + "\n"
        }
        try expectSame("@HD\tVN:1.6\n" + sequences + alignments.joined(), "sam", ["samtools", "view", "-"], seed)
        let contigs = (1...30).map { "##contig=<ID=chr\($0),length=100000>\n" }.joined()
        let columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        let variants = (1...900).map { "chr\(Int.random(in: 1...30, using: &random))\t\($0)\t.\tA\tC\t.\t.\t.\n" }
        try expectSame(
            "##fileformat=VCFv4.2\n" + contigs + columns + variants.joined(), "vcf", ["bcftools", "view", "-H", "-"],
            seed)
    }

    @Test func `C11: Python's mailbox module finds in chunks the messages of the whole`() throws {
        let seed = SeededGenerator.freshSeed
        var random = SeededGenerator(seed: seed)
        let messages = (0..<500).map { number in
            let lines = (0..<Int.random(in: 1...9, using: &random)).map { _ in
                ["text\n", "\n", ">From me\n", "Fromage\n"].randomElement(using: &random) ?? ""
            }
            return "From a@b Thu Jan  1 00:00:00 1970\nSubject: \(number)\n\n\(lines.joined())\n"
        }
        let count = """
            import mailbox, sys
            for message in mailbox.mbox(sys.argv[1], create=False): print(message['subject'])
            """
        let folder = TemporaryFolder()
        folder.write("in.mbox", Array(messages.joined().utf8))
        let cut = try run(
            folder, ["--format", "auto", "--chunks", "12", "in.mbox", "--", "python3", "-c", count, "{}"])
        let expected = (0..<500).map { "\($0)\n" }.joined()
        #expect(cut.standardOutput == expected, "seed \(seed), \(cut.standardError)")
    }
}
