import Decompression
import ObjfsTesting
import Storage
import Testing
import Threads

@Suite struct PlainStoreTests {
    private static func store(
        _ bytes: [UInt8], path: String? = nil, pool: WorkerPool? = nil
    ) throws -> (plain: PlainStore, counter: CountingStore) {
        let memory = InMemoryStore()
        try memory.write("k", bytes)
        let counter = CountingStore(memory)
        let object = try counter.info("k")
        let compression = Compression(magic: bytes.prefix(Compression.magicCount)) ?? .zstd
        let index = try Decompression.index(compression) { () throws(StorageError) in
            try AccessIndexWriter(path: path, identity: "an object")
        } input: {
            PlainStore.input(counter, object, pool: pool)
        }
        return (PlainStore(counter, object, index, pool.map { .readingAhead($0) } ?? .none), counter)
    }

    @Test(arguments: CompressedContent.all, [SeededGenerator.freshSeed])
    func `C12: any range of what real programs compressed is what they would decompress`(
        compressed: CompressedContent, seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        for size in [0, 1, 70_000, 3_500_000] {
            let content = CompressedContent.random(size, using: &random)
            let bytes = try compressed.made(of: content)
            let (store, _) = try Self.store(bytes, pool: size > 100_000 ? WorkerPool("ahead", limit: 4) : nil)
            let note = Comment(rawValue: "\(compressed), \(size) bytes, seed \(seed)")
            #expect(store.object.size == Int64(size), note)
            #expect(try store.read("k") == content, note)
            for _ in 0..<12 {
                let start = Int.random(in: 0...size, using: &random)
                let end = min(start + Int.random(in: 0...300_000, using: &random), size)
                let part = try store.read("k", range: Int64(start)..<Int64(end))
                #expect(part == Array(content[start..<end]), "\(start)..<\(end), \(note)")
            }
        }
    }

    /// Formats that keep a checksum of everything, so that no damage can go unseen.
    private static let checked = CompressedContent.all.filter {
        !$0.description.contains("no-check") && !$0.description.contains("none")
            && !$0.description.contains("no-frame-crc")
    }

    @Test(arguments: checked, [SeededGenerator.freshSeed])
    func `C12: damage is an error and never wrong bytes`(compressed: CompressedContent, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let content = CompressedContent.random(400_000, using: &random)
        let bytes = try compressed.made(of: content)
        for round in 0..<60 {
            var damaged = bytes
            if round.isMultiple(of: 3) {
                damaged.removeLast(Int.random(in: 1..<bytes.count, using: &random))
            } else {
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    damaged[Int.random(in: 8..<bytes.count, using: &random)] ^= UInt8.random(
                        in: 1...255, using: &random)
                }
            }
            let note = Comment(rawValue: "\(compressed), round \(round), seed \(seed)")
            var seen: [UInt8] = []
            do {
                let (store, _) = try Self.store(damaged)
                try store.read("k", range: nil, ifVersion: nil) { part in
                    seen += part
                    return true
                }
                // A cut between two parts leaves a shorter object that is as right as the longer one.
                #expect(content.starts(with: seen), note)
                #expect(seen == content || compressed.parts > 1 || round.isMultiple(of: 3), note)
            } catch let error as StorageError {
                #expect([.damaged, .unsupported, .compressed].contains(error.code), "\(error), \(note)")
            }
        }
    }

    @Test(arguments: ["bgzip -c", "zstd -qc", "xz -0c --block-size=300000", "gzip -c", "bzip2 -c", "lz4 -qc -B4"])
    func `C12: a part of an object costs no more than its own compressed bytes, and those of its neighbours`(
        command: String
    ) throws {
        var random = SeededGenerator(seed: 7)
        let content = CompressedContent.random(9_000_000, using: &random)
        let bytes = try CompressedContent(command, parts: command.hasPrefix("zstd") ? 12 : 1).made(of: content)
        let (store, counter) = try Self.store(bytes)
        counter.reset()
        let range = 4_600_000..<4_800_000
        #expect(try store.read("k", range: Int64(range.lowerBound)..<Int64(range.upperBound)) == Array(content[range]))
        #expect(counter.counts.bytesRead < Int64(bytes.count) / 2, "\(counter.counts.bytesRead) of \(bytes.count)")
    }

    @Test func `C12: the index of an XZ object is at its end, and nothing else is read for it`() throws {
        var random = SeededGenerator(seed: 9)
        let content = CompressedContent.random(8_000_000, using: &random)
        let bytes = try CompressedContent("xz -0c --block-size=500000").made(of: content)
        let (_, counter) = try Self.store(bytes)
        #expect(counter.counts.bytesRead < 600_000)
    }

    @Test func `C12: an index is kept in a file, and one that is damaged or another's is not believed`() throws {
        let folder = TemporaryFolder()
        var random = SeededGenerator(seed: 3)
        let content = CompressedContent.random(9_000_000, using: &random)
        let bytes = try CompressedContent("gzip -c").made(of: content)
        let path = folder.path + "/index"
        let (store, counter) = try Self.store(bytes, path: path)
        #expect(folder.names() == ["index"])
        let known = try #require(AccessIndex(path: path, identity: "an object"))
        let again = PlainStore(counter, store.compressed, known)
        #expect(try again.read("k", range: 5_000_000..<5_100_000) == Array(content[5_000_000..<5_100_000]))
        #expect(AccessIndex(path: path, identity: "another object") == nil)
        let moved = try #require(AccessIndex(content: try known.content(), identity: "an object"))
        #expect(try PlainStore(counter, store.compressed, moved).read("k") == content)
        for _ in 0..<200 {
            var damaged = folder.read("index")
            damaged[Int.random(in: 0..<damaged.count, using: &random)] ^= 1
            folder.write("damaged", damaged)
            guard let index = AccessIndex(path: folder.path + "/damaged", identity: "an object") else { continue }
            // A window that is damaged is noticed when it is used.
            let read = try? PlainStore(counter, store.compressed, index).read("k", range: 5_000_000..<5_000_100)
            #expect(read == nil || read == Array(content[5_000_000..<5_000_100]))
        }
    }

    @Test func `C12: what decompresses to very much takes little memory, and an index no larger than the object`()
        throws
    {
        let program = try Program.run(["sh", "-c", "head -c 600000000 /dev/zero | gzip -c"])
        let folder = TemporaryFolder()
        let (store, _) = try Self.store(program.output, path: folder.path + "/index")
        #expect(store.object.size == 600_000_000)
        #expect(folder.read("index").count < program.output.count)
        #expect(try store.read("k", range: 599_999_990..<600_000_000) == [UInt8](repeating: 0, count: 10))
    }

    @Test func `C12: zstd with a seek table needs to be read at its end only, and a table that lies is noticed`() throws
    {
        var random = SeededGenerator(seed: 5)
        let content = CompressedContent.random(12_000_000, using: &random)
        var bytes: [UInt8] = []
        var table: [UInt8] = []
        for part in 0..<6 {
            let range = part * 2_000_000..<(part + 1) * 2_000_000
            let frame = try CompressedContent("zstd -qc --no-content-size").made(of: Array(content[range]))
            bytes += frame
            for number in [frame.count, range.count] {
                table += (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
            }
        }
        func end(_ table: [UInt8]) -> [UInt8] {
            let count = table.count + 9
            return [0x5E, 0x2A, 0x4D, 0x18] + (0..<4).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) } + table
                + [6, 0, 0, 0, 0, 0xB1, 0xEA, 0x92, 0x8F]
        }
        let (store, counter) = try Self.store(bytes + end(table))
        #expect(counter.counts.bytesRead < 200_000)
        #expect(try store.read("k") == content)
        var lie = table
        lie[4] ^= 1
        let (liar, _) = try Self.store(bytes + end(lie))
        let error = #expect(throws: StorageError.self) { try liar.read("k") }
        #expect(error?.code == .damaged)
    }

    @Test func `C12: an object that changes meanwhile is noticed`() throws {
        let memory = InMemoryStore()
        let bytes = try CompressedContent("gzip -c").made(of: [UInt8](repeating: 0x61, count: 100_000))
        try memory.write("k", bytes)
        let object = try memory.info("k")
        let index = try Decompression.index(.gzip) { () throws(StorageError) in
            try AccessIndexWriter(path: nil, identity: "")
        } input: {
            PlainStore.input(memory, object, pool: nil)
        }
        try memory.write("k", bytes)
        let error = #expect(throws: StorageError.self) { try PlainStore(memory, object, index).read("k") }
        #expect(error?.code == .changed)
    }

    @Test func `C12: compressed content is known by its first bytes, and text is not taken for it`() {
        #expect(Compression(magic: [0x1F, 0x8B, 0x08, 0, 0, 0]) == .gzip)
        #expect(Compression(magic: [0x28, 0xB5, 0x2F, 0xFD]) == .zstd)
        #expect(Compression(magic: Array("BZh91A".utf8)) == .bzip2)
        #expect(Compression(magic: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]) == .xz)
        #expect(Compression(magic: [0x04, 0x22, 0x4D, 0x18]) == .lz4)
        #expect(Compression(magic: [0x02, 0x21, 0x4C, 0x18]) == .lz4)
        #expect(Compression.skippableFrame([0x5A, 0x2A, 0x4D, 0x18, 4, 1, 0, 0]) == 268)
        for text in ["BZhello", "BZh", "", "hello", "\u{1F}", "P*M\u{18}"] {
            #expect(Compression(magic: Array(text.utf8)) == nil)
            #expect(Compression.skippableFrame(Array(text.utf8)) == nil)
        }
        #expect(Compression.plainName(of: "a/b.csv.GZ") == "a/b.csv")
        #expect(Compression.plainName(of: "b.csv") == "b.csv")
    }
}
