import Bytes
import Chunks
import ObjfsTesting
import Records
import Storage
import Testing
import Threads

@Suite struct ChunkIndexTests {
    private let pool = WorkerPool("borders", limit: 64)

    private func index(
        _ store: any ObjectStore, _ words: String, cache: BorderCache = BorderCache(folder: nil)
    ) throws -> ChunkIndex {
        let parameters = try ChunkParameters(
            words: words.split(separator: "@").map(String.init), defaults: ChunkParameters())
        return try ChunkIndex.open(
            store: store, object: try store.info("k"), parameters: parameters, borders: cache, pool: pool)
    }

    private func store(_ bytes: [UInt8]) throws -> CountingStore {
        let store = InMemoryStore()
        try store.write("k", bytes)
        return CountingStore(store)
    }

    @Test(arguments: [3, SeededGenerator.freshSeed])
    func `C1, C2, C3: chunks of any object are its bytes in order, and begin with records`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<60 {
            let longest = [3, 100, 20_000, 70_000].randomElement(using: &random) ?? 3
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...30, using: &random) {
                let count = Int.random(in: 0...longest, using: &random)
                bytes += (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } + [0x0A]
            }
            if Bool.random(using: &random) { bytes += Array("no newline at the end".utf8) }
            let count = Int64.random(in: 1...40, using: &random)
            let index = try index(store(bytes), "\(count)")
            let chunks = try index.chunks(0..<index.count)
            #expect(chunks.count == Int(count))
            var position: Int64 = 0
            for chunk in chunks {
                try #require(chunk.offset == position && position <= bytes.count, "seed \(seed)")
                #expect(position == 0 || position == bytes.count || bytes[Int(position) - 1] == 0x0A, "seed \(seed)")
                position += chunk.length
            }
            #expect(position == bytes.count, "seed \(seed)")
        }
    }

    @Test func `C6: a border costs one small read, and is shared by its two chunks`() throws {
        let lines = [UInt8]((0..<200_000).flatMap { Array("line \($0)\n".utf8) })
        let store = try store(lines)
        let index = try index(store, "100")
        // One look at whether it is compressed.
        #expect(store.counts.bytesRead == 8)
        for number in 0..<Int64(100) { _ = try index.chunk(number) }
        #expect(store.counts.reads == 100)
        #expect(store.counts.bytesRead <= 99 * 8192 + 8)
        _ = try index.chunks(0..<100)
        #expect(store.counts.reads == 100)
    }

    @Test func `C6: a small object is read once, whatever is asked of it`() throws {
        let store = try store(Array("a\nb\nc\nd\n".utf8))
        let index = try index(store, "4@header")
        _ = try index.chunks(0..<4)
        _ = try index.headerBytes()
        #expect(store.counts.reads <= 2)
    }

    @Test func `C6: borders are remembered in the cache folder, and damage there is not believed`() throws {
        let folder = TemporaryFolder()
        let lines = [UInt8]((0..<20_000).flatMap { Array("line \($0)\n".utf8) })
        let store = try store(lines)
        let expected = try index(store, "16", cache: BorderCache(folder: folder.path)).chunks(0..<16)
        store.reset()
        #expect(try index(store, "16", cache: BorderCache(folder: folder.path)).chunks(0..<16) == expected)
        #expect(store.counts.reads == 1)
        let names = try #require(folder.names().first)
        var content = folder.read(names)
        for position in stride(from: 0, to: content.count, by: 3) { content[position] ^= 1 }
        folder.write(names, content)
        #expect(try index(store, "16", cache: BorderCache(folder: folder.path)).chunks(0..<16) == expected)
    }

    @Test func `C8: an object that is replaced is not cut by its old borders`() throws {
        let store = InMemoryStore()
        try store.write("k", [UInt8](repeating: 0x0A, count: 20_000))
        let index = try index(store, "4")
        _ = try index.chunk(0)
        try store.write("k", [UInt8](repeating: 0x0B, count: 20_000))
        let error = #expect(throws: StorageError.self) { try index.chunk(3) }
        #expect(error?.code == .changed)
    }

    @Test(arguments: ["gzip -c", "bgzip -c", "zstd -qc", "bzip2 -c", "xz -c", "lz4 -qc"], [SeededGenerator.freshSeed])
    func `C2, C3, C12: chunks of a compressed object are whole records of what it decompresses to`(
        program: String, seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        for size in [100, 9000, 700_000] {
            var lines: [UInt8] = []
            while lines.count < size {
                lines += (0..<Int.random(in: 0...3000, using: &random)).map { _ in
                    UInt8.random(in: 11...90, using: &random)
                }
                lines.append(0x0A)
            }
            let compressed = try Program.run(["sh", "-c", program], input: lines).output
            let cut = Bool.random(using: &random) ? "\(Int.random(in: 1...60, using: &random))" : "\(size / 7)B"
            let index = try index(store(compressed), cut)
            #expect(index.object.size == Int64(lines.count), "\(program), seed \(seed)")
            var joined: [UInt8] = []
            for chunk in try index.chunks(0..<index.count) where chunk.length > 0 {
                #expect(chunk.offset == 0 || lines[Int(chunk.offset) - 1] == 0x0A, "\(program), \(cut), seed \(seed)")
                joined += try index.store.read("k", range: chunk.range)
            }
            #expect(joined == lines, "\(program), \(cut), seed \(seed)")
        }
    }

    @Test func `C12: where a compressed object can be decompressed from is found out once, and may be kept beside it`()
        throws
    {
        let folder = TemporaryFolder()
        let lines = Array((0..<900_000).map { "line \($0)\n" }.joined().utf8)
        let compressed = try Program.run(["gzip", "-c"], input: lines).output
        let store = try store(compressed)
        let expected = try index(store, "9", cache: BorderCache(folder: folder.path)).chunks(0..<9)
        store.reset()
        let known = try index(store, "9", cache: BorderCache(folder: folder.path))
        #expect(try known.chunks(0..<9) == expected)
        #expect(store.counts.bytesRead < 100)
        try known.keepBeside(store)
        store.reset()
        // Another machine, which reads the index that is beside the object, and then what it wants.
        let other = try index(store, "9")
        #expect(try other.store.read("k", range: 9_000_000..<9_000_100) == Array(lines[9_000_000..<9_000_100]))
        #expect(store.counts.bytesRead < Int64(compressed.count) / 2)
        // An index of another version is none.
        try store.write("k", try Program.run(["gzip", "-c"], input: Array(lines.dropLast(7))).output)
        #expect(try index(store, "9").object.size == Int64(lines.count - 7))
    }

    @Test func `C12: a damaged object is an error, and one that is cut into bytes is taken as it is`() throws {
        let bytes = [0x1F, 0x8B, 0x08, 0x00] + [UInt8](repeating: 0x0A, count: 100_000)
        let error = #expect(throws: StorageError.self) { try index(store(bytes), "4").chunk(2) }
        #expect(error?.code == .damaged)
        #expect(try index(store(bytes), "4@bytes").chunk(2).offset == 50_002)
        let old = #expect(throws: StorageError.self) { try index(store([0x02, 0x21, 0x4C, 0x18, 0, 0, 0, 0]), "4") }
        #expect(old?.code == .compressed)
    }

    @Test func `a failed search is told to all who wait, and tried again by the next`() throws {
        let base = InMemoryStore()
        try base.write("k", [UInt8](repeating: 0x0A, count: 20_000))
        let store = CountingStore(base) { number throws(StorageError) in
            if number == 2 { throw StorageError(.unavailable, "the store failed (503)") }
        }
        let index = try index(store, "2")
        #expect(throws: StorageError.self) { try index.chunk(1) }
        #expect(try index.chunk(1).offset == 10_000)
    }

    @Test func `header: the first record of the object, whole`() throws {
        let long = String(repeating: "x", count: 30_000)
        let header = try index(store(Array("a,\(long)\n1,2\n".utf8)), "3@header").headerBytes()
        #expect(header.count == 30_003)
        #expect(try index(store(Array("only".utf8)), "3@header").headerBytes() == ByteSlice("only".utf8))
        #expect(try index(store([]), "3@header").headerBytes().isEmpty)
    }
}
