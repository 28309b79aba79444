import Bytes
import Testing

@Suite struct ByteCountTests {
    @Test(arguments: [
        ("0", 0), ("4096", 4096), ("1B", 1), ("4K", 4096), ("4KiB", 4096), ("8MiB", 8 << 20), ("64M", 64 << 20),
        ("1G", 1 << 30), ("2TiB", 2 << 40), ("1P", 1 << 50),
    ])
    func `sizes are numbers with units that are powers of 1,024`(text: String, bytes: Int64) {
        #expect(ByteCount(text)?.bytes == bytes)
    }

    @Test(arguments: ["", "M", "10Q", "-1", "+1", "1.5M", " 1", "1 M", "1m", "1MB", "9999999P", "99999999999999999999"])
    func `what is no size is refused`(text: String) {
        #expect(ByteCount(text) == nil)
    }

    @Test(arguments: [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (64 << 20, "64.0 MiB")])
    func `a size is shown in the largest unit that leaves a whole number of it`(bytes: Int64, text: String) {
        #expect(ByteCount(bytes).description == text)
    }

    @Test func `hexadecimal digits come in pairs, of either case`() {
        #expect(Hex.bytes("0d0A") == [13, 10])
        #expect(Hex.bytes("0") == nil)
        #expect(Hex.bytes("0g") == nil)
        #expect(Hex.string([0, 255, 16]) == "00ff10")
    }
}
