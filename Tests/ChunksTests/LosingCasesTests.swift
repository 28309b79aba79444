import Bytes
import Chunks
import ObjfsTesting
import Records
import Storage
import Testing
import Threads

/// The objects and cuts with which Lithops 3.8 loses, doubles or tears records; here each is cut right.
@Suite struct LosingCasesTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let object: [UInt8]
        let words: String
        let separator: [UInt8]

        init(_ name: String, _ object: String, _ words: String, separator: String = "\n") {
            self.init(name, bytes: Array(object.utf8), words, separator: Array(separator.utf8))
        }

        init(_ name: String, bytes: [UInt8], _ words: String, separator: [UInt8]) {
            self.name = name
            object = bytes
            self.words = words
            self.separator = separator
        }

        var testDescription: String { name }
    }

    private static func long(_ count: Int) -> String { String(repeating: "L", count: count) }

    private static let crlfLines = (0..<4000).map { "line \($0)\r\n" }.joined()
    private static let tail = long(50_000) + "\n" + long(307_200) + "\n" + long(50_000) + "\n"

    /// Text in UTF-16, whose line ends have a zero byte behind them, and whose other characters may hold a 10.
    private static let utf16 = "first\n\u{0A0A}\u{0100}\nlast".utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }

    static let cases: [Case] = [
        Case("no newline at the end", "aaa\nbbb\nccc", "4"), Case("one short record", "hello", "3"),
        Case("CRLF as the separator", "aa\r\nbb\r\ncc\r\n", "6B@crlf", separator: "\r\n"),
        Case("4,000 lines with CRLF", crlfLines, "4@crlf", separator: "\r\n"),
        Case("chunks of one byte", "a\nb\n", "1B"),
        Case("a line that ends 131,074 bytes after the cut", "x\n" + long(131_082) + "\ny\n", "8B"),
        Case("a tail of 300 KiB", tail, "100K"), Case("a line longer than a chunk", long(307_200) + "\nx\n", "100K"),
        Case("a line of 40 KiB in chunks of 20", long(40_960) + "\nx\n", "20K"),
        Case("one line without an end", long(256_000), "4"), Case("one line with its end", long(256_000) + "\n", "4"),
        Case("an empty object", "", "4"), Case("100 chunks of 101 bytes", long(100) + "\n", "100"),
        Case("10 chunks of 6 bytes", "a\nb\nc\n", "10"), Case("only newlines", "\n\n\n\n\n\n\n", "3"),
        Case("60-byte lines in 7 chunks", String(repeating: long(59) + "\n", count: 4000), "7"),
        Case("UTF-16", bytes: utf16, "5@sep-0a00", separator: [0x0A, 0x00]),
    ]

    @Test(arguments: cases)
    func `C1, C2, C3: no byte is lost, no record is torn or doubled`(example: Case) throws {
        let store = InMemoryStore()
        let info = try store.write("k", example.object)
        let parameters = try ChunkParameters(
            words: example.words.split(separator: "@").map(String.init), defaults: ChunkParameters())
        let index = try ChunkIndex.open(
            store: store, object: info, parameters: parameters, borders: BorderCache(folder: nil),
            pool: WorkerPool("borders", limit: 8))
        let plan = ChunkPlan(size: info.size, cut: parameters.cut)
        let chunks = try index.chunks(0..<index.count)
        #expect(chunks.count == Int(plan.count))
        var whole: [UInt8] = []
        for chunk in chunks {
            let bytes = try store.read("k", range: chunk.range)
            let endsRecord = bytes.suffix(example.separator.count) == example.separator[...]
            let isLast = chunk.offset + chunk.length == info.size
            #expect(bytes.isEmpty || endsRecord || isLast, "chunk \(chunk.index) is torn")
            whole += bytes
        }
        #expect(whole == example.object)
    }
}
