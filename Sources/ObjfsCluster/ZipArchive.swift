/// A zip archive in memory, of files that are stored as they are.
struct ZipArchive {
    private(set) var bytes: [UInt8] = []
    private var directory: [UInt8] = []
    private var count: UInt16 = 0

    /// Adds a file.
    ///
    /// - Parameters:
    ///   - name: Its path in the archive.
    ///   - mode: Its permissions.
    mutating func add(_ name: String, _ content: [UInt8], mode: UInt32) {
        let offset = UInt32(truncatingIfNeeded: bytes.count)
        let size = UInt32(truncatingIfNeeded: content.count)
        let path = Array(name.utf8)
        // Version 2.0, no flags, stored, 1980-01-01 00:00.
        var facts = Self.little(UInt16(20)) + Self.little(UInt16(0)) + Self.little(UInt16(0))
        facts += Self.little(UInt16(0)) + Self.little(UInt16(0x21))
        facts += Self.little(Self.checksum(content)) + Self.little(size) + Self.little(size)
        facts += Self.little(UInt16(truncatingIfNeeded: path.count)) + Self.little(UInt16(0))
        bytes += Self.little(UInt32(0x0403_4B50)) + facts + path + content
        // Made on Unix, so that the permissions count.
        directory += Self.little(UInt32(0x0201_4B50)) + Self.little(UInt16(0x031E)) + facts
        directory += Self.little(UInt16(0)) + Self.little(UInt16(0)) + Self.little(UInt16(0))
        directory += Self.little((0o100000 | mode) << 16) + Self.little(offset) + path
        count += 1
    }

    /// Writes the table of contents, after which nothing is added.
    mutating func finish() {
        let offset = UInt32(truncatingIfNeeded: bytes.count)
        bytes += directory
        bytes += Self.little(UInt32(0x0605_4B50)) + Self.little(UInt32(0)) + Self.little(count) + Self.little(count)
        bytes += Self.little(UInt32(truncatingIfNeeded: directory.count)) + Self.little(offset) + Self.little(UInt16(0))
    }

    private static func little(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }

    /// The CRC-32 that zip uses.
    static func checksum(_ content: [UInt8]) -> UInt32 {
        var sum = UInt32.max
        table.withUnsafeBufferPointer { table in
            content.withUnsafeBufferPointer { content in
                for byte in content { sum = table[Int((sum ^ UInt32(byte)) & 0xFF)] ^ sum >> 8 }
            }
        }
        return ~sum
    }
}
