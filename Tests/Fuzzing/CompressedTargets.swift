import CZlib
import Decompression
import Storage

/// Compressed objects and their indexes, as anybody may have made them: refused, or read without a trap.
extension FuzzTarget {
    /// How much of what an object decompresses to is read: a few bytes may stand for terabytes.
    private static let readable: Int64 = 4 << 20

    /// Takes the input for a compressed object: any range of its content is what reading from its start gives there.
    static func tryCompressed(_ input: FuzzInput) {
        var input = input
        let shares = (0..<2).map { _ in Int64(input.number(below: 1 << 16)) }
        guard let (memory, object, compression) = stored(input.bytes()) else { return }
        do throws(StorageError) {
            let index = try Decompression.index(compression) { () throws(StorageError) in
                try AccessIndexWriter(path: nil, identity: "fuzz")
            } input: {
                PlainStore.input(memory, object, pool: nil)
            }
            let store = PlainStore(memory, object, index)
            let size = min(index.size, readable)
            let whole = try store.read(object.key, range: 0..<size)
            require(whole.count == size, "\(whole.count) bytes came of \(size)")
            let ends = shares.map { size * $0 >> 16 }.sorted()
            let part = try store.read(object.key, range: ends[0]..<ends[1])
            require(part.elementsEqual(whole[Int(ends[0])..<Int(ends[1])]), "\(ends) is another part")
            try keep(index)
        } catch {}
    }

    /// An index that was kept is as good as the one that was made.
    private static func keep(_ index: AccessIndex) throws(StorageError) {
        let content = try index.content()
        let kept = AccessIndex(content: content, identity: "fuzz")
        require(kept?.size == index.size, "an index that was kept is refused")
        require(AccessIndex(content: content, identity: "other") == nil, "another's index is taken")
    }

    /// Takes the input for the index of an object, but for its checksum: refused, or used without a trap.
    static func tryAccessIndex(_ input: FuzzInput) {
        var input = input
        let setups = Int(input.byte())
        let points = Int(input.byte() & 7)
        let compression = Compression.allCases[input.number(below: Compression.allCases.count)]
        var table = text(compression.rawValue) + text("fuzz")
        // The sizes, the number of points, which is mostly right, and five numbers of each.
        for _ in 0..<2 { table += number(input.wide()) }
        table += number(input.byte().isMultiple(of: 8) ? input.wide() : Int64(points))
        for _ in 0..<points * 5 { table += number(input.wide()) }
        let content = AccessIndexWriter.magic + [UInt8](repeating: 0x78, count: setups)
        let trailer = number(Int64(content.count)) + number(Int64(table.count)) + checksum(table)
        guard let (memory, object, _) = stored(input.bytes()),
            let index = AccessIndex(content: content + table + trailer, identity: "fuzz")
        else { return }
        let store = PlainStore(memory, object, index)
        for start in [0, index.size / 2, max(index.size - 1000, 0)] {
            _ = try? store.read(object.key, range: start..<min(start + readable, index.size))
        }
    }

    /// An object of some bytes, if these begin as compressed ones do.
    private static func stored(_ bytes: [UInt8]) -> (InMemoryStore, ObjectInfo, Compression)? {
        guard let compression = Compression(magic: bytes.prefix(Compression.magicCount)) else { return nil }
        let memory = InMemoryStore()
        do throws(StorageError) {
            try memory.write("k", bytes)
            return (memory, try memory.info("k"), compression)
        } catch {
            fatalError("the store in memory failed: \(error)")
        }
    }

    private static func number(_ value: Int64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> Int64($0 * 8)) }
    }

    private static func text(_ text: String) -> [UInt8] { number(Int64(text.utf8.count)) + text.utf8 }

    private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        Array(number(Int64(truncatingIfNeeded: crc32_z(0, bytes, bytes.count))).prefix(4))
    }
}
