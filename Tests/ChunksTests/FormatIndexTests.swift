import Bytes
import Chunks
import ObjfsTesting
import Records
import Storage
import Testing
import Threads

/// Formats over a store, where borders are found by small reads and scans.
@Suite struct FormatIndexTests {
    private let pool = WorkerPool("borders", limit: 4)

    private func index(
        _ store: any ObjectStore, _ words: String, cache: BorderCache = BorderCache(folder: nil), key: String = "k"
    ) throws -> ChunkIndex {
        let parameters = try ChunkParameters(
            words: words.split(separator: "@").map(String.init), defaults: ChunkParameters())
        return try ChunkIndex.open(
            store: store, object: try store.info(ObjectKey(key)), parameters: parameters, borders: cache, pool: pool)
    }

    private func store(_ bytes: [UInt8]) throws -> CountingStore {
        let store = InMemoryStore()
        try store.write("k", bytes)
        return CountingStore(store)
    }

    /// Pieces of which content is made that means something to the formats.
    private static let pieces = [
        "a,b\n", "\"x\ny\",z\r\n", "\"\"", "\\\"", "\n", ">s\nACGT\n", "@r\nAC\n+\n@+\n", "#h\n", "@h\n", "From a\n",
        String(repeating: "ACGT", count: 3000) + "\n", "\"" + String(repeating: "q\n", count: 2000) + "\",1\n",
        String(repeating: "1,2\n", count: 1500),
    ]

    @Test(
        arguments: [
            "csv", "csv@quote-27", "csv@escape-5c", "csv@crlf", "fasta", "fastq", "paragraphs", "vcf", "sam", "mbox",
        ], [1, SeededGenerator.freshSeed])
    func `C2, C3, C11: borders over a store are those of the object in memory, however they are asked for`(
        words: String, seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<8 {
            var bytes: [UInt8] = []
            let target = [10, 9000, 60_000, 200_000].randomElement(using: &random) ?? 10
            while bytes.count < target { bytes += Array((Self.pieces.randomElement(using: &random) ?? "").utf8) }
            let cut =
                Bool.random(using: &random)
                ? String(Int.random(in: 1...50, using: &random))
                : "\(max(bytes.count / Int.random(in: 1...400, using: &random), 1))B"
            let index = try index(store(bytes), "\(words)@\(cut)")
            let format = index.parameters.format.records
            let expected = bytes.withUnsafeBytes { bytes in
                (0...index.count).map { format.border(at: index.plan.nominalOffset($0), in: bytes) }
            }
            let note = Comment(rawValue: "seed \(seed), \(words)@\(cut), \(bytes.count) bytes")
            if Bool.random(using: &random) {
                let chunks = try index.chunks(0..<index.count)
                #expect(chunks.map(\.offset) + [Int64(bytes.count)] == expected, note)
            } else {
                for number in (0..<index.count).shuffled(using: &random).prefix(60) {
                    let chunk = try index.chunk(number)
                    #expect(chunk.offset == expected[Int(number)], note)
                    #expect(chunk.range.upperBound == expected[Int(number) + 1], note)
                }
            }
        }
    }

    /// Rows of which some hold newlines in quotes, in so many bytes at least.
    private func rows(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var number = 0
        while bytes.count < count {
            number += 1
            bytes += Array("\(number),\"two\nlines, \"\"\(number)\"\"\",end\n".utf8)
            bytes += [UInt8](repeating: 0x61, count: 4000) + [0x0A]
        }
        return bytes
    }

    @Test func `C6, C11: a csv is read once for its quotes, and a border then costs less than a block more`() throws {
        let folder = TemporaryFolder()
        let bytes = rows(20 << 20)
        let store = try store(bytes)
        let cache = BorderCache(folder: folder.path)
        let expected = try index(store, "csv@40", cache: cache).chunks(0..<40)
        let once = Int64(bytes.count) + 39 * Int64((64 << 10) + (16 << 10)) + 6
        #expect(store.counts.bytesRead <= once)
        store.reset()
        // Another way of cutting the same version needs no second scan: in this process, and in the next one.
        _ = try index(store, "csv@30", cache: cache).chunks(0..<30)
        #expect(store.counts.bytesRead <= 30 * (64 + 16) << 10)
        store.reset()
        _ = try index(store, "csv@20", cache: BorderCache(folder: folder.path)).chunks(0..<20)
        #expect(store.counts.bytesRead <= 20 * (64 + 16) << 10)
        store.reset()
        #expect(try index(store, "csv@40", cache: BorderCache(folder: folder.path)).chunks(0..<40) == expected)
        #expect(store.counts.reads == 1)
        for name in folder.names() {
            var content = folder.read(name)
            for position in stride(from: 0, to: content.count, by: 3) { content[position] ^= 1 }
            folder.write(name, content)
        }
        #expect(try index(store, "csv@40", cache: BorderCache(folder: folder.path)).chunks(0..<40) == expected)
    }

    @Test func `C11: the first chunk of a csv is known before the rest was scanned`() throws {
        let store = try store(rows(40 << 20))
        _ = try index(store, "csv@40").chunk(0)
        #expect(store.counts.bytesRead < 20 << 20)
    }

    @Test func `C11: many threads that wait for one scan make do with a pool of one`() throws {
        let bytes = rows(18 << 20)
        let store = try store(bytes)
        let index = try ChunkIndex.open(
            store: store, object: try store.info("k"),
            parameters: try ChunkParameters(words: ["csv", "200"], defaults: ChunkParameters()),
            borders: BorderCache(folder: nil), pool: WorkerPool("one", limit: 1))
        index.lookAhead(0..<200)
        let failures = Monitor(0)
        let threads = (0..<8).compactMap { number in
            Thread.start("asker") {
                for chunk in stride(from: Int64(199 - number), to: 0, by: -7) where (try? index.chunk(chunk)) == nil {
                    failures.update { $0 += 1 }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(failures.withLock { $0 } == 0)
        #expect(try index.chunks(0..<200).reduce(0) { $0 + $1.length } == Int64(bytes.count))
    }

    @Test func `C11: a scan that failed is told, and goes on when asked again`() throws {
        let base = InMemoryStore()
        try base.write("k", rows(20 << 20))
        let store = CountingStore(base) { number throws(StorageError) in
            if 3...4 ~= number { throw StorageError(.unavailable, "the store failed (503)") }
        }
        let index = try index(store, "csv@8")
        #expect(throws: StorageError.self) { try index.chunk(7) }
        while store.counts.reads < 5 { _ = try? index.chunk(7) }
        #expect(try index.chunks(0..<8).count == 8)
    }

    @Test(arguments: ["lines", "csv", "fasta", "fastq"])
    func `C4: one record of many chunks is looked at once, not once for each chunk`(words: String) throws {
        var bytes = [UInt8](repeating: 0x61, count: 12 << 20)
        bytes[0] = 0x22
        bytes[5] = 0x0A
        let store = try store(bytes)
        let index = try index(store, words + "@3000")
        let chunks = try index.chunks(0..<3000)
        #expect(chunks.last?.range == Int64(bytes.count)..<Int64(bytes.count))
        // A search looks ahead by no more than four times what it has seen.
        #expect(store.counts.bytesRead < 10 * Int64(bytes.count))
    }

    @Test(arguments: [("vcf", "#"), ("sam", "@")])
    func `C11: vcf and sam repeat their header, and no chunk begins inside it`(words: String, mark: String) throws {
        let header = (0..<3000).map { "\(mark)\(mark)line \($0)\n" }.joined()
        let body = (0..<3000).map { "chr1\t\($0)\n" }.joined()
        let index = try index(store(Array((header + body).utf8)), words + "@9")
        #expect(try index.headerBytes() == ByteSlice(header.utf8))
        #expect(try index.chunk(0).range.lowerBound == 0)
        #expect(try index.chunk(1).offset >= Int64(header.utf8.count))
        let none = try self.index(store(Array(body.utf8)), words + "@9")
        #expect(try none.headerBytes().isEmpty)
        let all = try self.index(store(Array(header.utf8)), words + "@9")
        #expect(try all.chunks(0..<9).map(\.length) == [Int64(header.utf8.count)] + [Int64](repeating: 0, count: 8))
    }

    @Test func `C11: the header of a csv is its first record, newlines and all`() throws {
        let header = "\"a\nb\",c\n"
        let index = try index(store(Array((header + String(repeating: "1,2\n", count: 9000)).utf8)), "csv@header@3")
        #expect(try index.headerBytes() == ByteSlice(header.utf8))
    }

    @Test func `C11: auto asks the object`() throws {
        let store = InMemoryStore()
        try store.write("a.csv", Array(("\"a\nb\",c\n" + String(repeating: "1,2\n", count: 9000)).utf8))
        try store.write("b", Array((">a\n" + String(repeating: "ACGT\n", count: 9000)).utf8))
        try store.write("c.csv", [0x1F, 0x8B, 0x08, 0] + [UInt8](repeating: 1, count: 20_000))
        #expect(try index(store, "auto@3", key: "a.csv").format().words == "csv")
        let sequences = try index(store, "auto@3", key: "b")
        #expect(try sequences.format().words == "fasta")
        #expect(try sequences.chunks(0..<3).map(\.length) == [45_003, 0, 0])
        let error = #expect(throws: StorageError.self) { try index(store, "auto@3", key: "c.csv").chunk(0) }
        #expect(error?.code == .damaged)
        let table = Array(("\"a\nb\",c\n" + String(repeating: "1,2\n", count: 9000)).utf8)
        try store.write("d.csv.gz", try Program.run(["gzip", "-c"], input: table).output)
        #expect(try index(store, "auto@3", key: "d.csv.gz").format().words == "csv")
    }
}
