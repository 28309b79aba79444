import CLinux
import Glibc
package import Storage

/// Writes the file of an index, while its points are found.
///
/// What a point needs is written at once; the points themselves follow at the end, and then a trailer of a fixed length.
/// The file gets its name when it is whole.
package final class AccessIndexWriter {
    private let path: String?
    private let temporary: String?
    private let identity: String
    private let file: IndexFile
    private var points: [AccessPoint] = []
    private var offset: Int64

    package static let magic = Array("objfs access index 1\n".utf8)

    /// Begins an index.
    ///
    /// - Parameters:
    ///   - path: Where the file is to be; `nil` keeps it in memory only.
    ///   - identity: What tells this version of this object from others.
    package init(path: String?, identity: String) throws(StorageError) {
        self.path = path
        self.identity = identity
        let descriptor: Int32
        if let path {
            let name = path + ".\(getpid())-\(UInt32.random(in: .min ... .max))"
            temporary = name
            descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        } else {
            temporary = nil
            descriptor = clinux_memory_file("objfs-index")
        }
        guard descriptor >= 0 else { throw .index(errno) }
        file = IndexFile(takingOwnershipOf: descriptor)
        offset = Int64(Self.magic.count)
        try file.write(Self.magic, at: 0)
    }

    deinit {
        if let temporary { unlink(temporary) }
    }

    /// Adds a point, which lies behind those that were added before.
    func add(compressed: Int64, plain: Int64, bits: UInt8 = 0, setup: [UInt8] = []) throws(StorageError) {
        guard let count = Int32(exactly: setup.count) else { throw .noMemory }
        points.append(
            AccessPoint(
                compressed: compressed, plain: plain, bits: bits,
                setup: .init(offset: offset, count: count, checksum: setup.isEmpty ? 0 : IndexFile.checksum(setup))))
        try file.write(setup, at: offset)
        offset += Int64(setup.count)
    }

    /// Ends the index, and gives its file a name.
    ///
    /// The corresponding C function is `rename`.
    func finish(_ compression: Compression, compressedSize: Int64, size: Int64) throws(StorageError) -> AccessIndex {
        let table = IndexTable(
            compression: compression, compressedSize: compressedSize, size: size, identity: identity, points: points)
        try file.write(table.bytes(at: offset), at: offset)
        if let path, let temporary, rename(temporary, path) != 0 { throw .index(errno) }
        return AccessIndex(compression, compressedSize: compressedSize, size: size, AccessPoints(points), file)
    }
}

extension AccessIndex {
    /// Reads the file of an index; `nil` if it is missing, damaged, or about something else.
    package convenience init?(path: String, identity: String) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        self.init(IndexFile(takingOwnershipOf: descriptor), identity)
    }

    /// Takes the content of such a file, kept elsewhere; `nil` if it is damaged, or about something else.
    package convenience init?(content: [UInt8], identity: String) {
        let descriptor = clinux_memory_file("objfs-index")
        guard descriptor >= 0 else { return nil }
        let file = IndexFile(takingOwnershipOf: descriptor)
        do throws(StorageError) { try file.write(content, at: 0) } catch { return nil }
        self.init(file, identity)
    }

    private convenience init?(_ file: IndexFile, _ identity: String) {
        guard let table = try? IndexTable(file), table.identity == identity else { return nil }
        self.init(
            table.compression, compressedSize: table.compressedSize, size: table.size, AccessPoints(table.points), file)
    }
}

/// What stands at the end of an index's file.
private struct IndexTable {
    let compression: Compression
    let compressedSize: Int64
    let size: Int64
    let identity: String
    let points: [AccessPoint]

    /// The offset, the length and the checksum of the table.
    private static let trailerCount = 8 + 8 + 4
    /// The length of a point.
    private static let pointCount = 5 * 8
    /// What no object's size, compressed or not, is larger than, so that sums can't overflow: an exbibyte.
    private static let largestSize: Int64 = 1 << 60

    init(compression: Compression, compressedSize: Int64, size: Int64, identity: String, points: [AccessPoint]) {
        self.compression = compression
        self.compressedSize = compressedSize
        self.size = size
        self.identity = identity
        self.points = points
    }

    func bytes(at offset: Int64) -> [UInt8] {
        var table = Fields()
        table.add(compression.rawValue)
        table.add(identity)
        table.add(compressedSize)
        table.add(size)
        table.add(Int64(points.count))
        for point in points {
            table.add(point.compressed)
            table.add(point.plain)
            table.add(Int64(point.bits))
            table.add(point.setup.offset)
            table.add(Int64(point.setup.count) | Int64(point.setup.checksum) << 32)
        }
        var trailer = Fields()
        trailer.add(offset)
        trailer.add(Int64(table.bytes.count))
        trailer.bytes += (0..<4).map { UInt8(truncatingIfNeeded: IndexFile.checksum(Array(table.bytes)) >> ($0 * 8)) }
        return Array(table.bytes + trailer.bytes)
    }

    init?(_ file: IndexFile) throws(StorageError) {
        let magic = AccessIndexWriter.magic
        let count = try file.count()
        guard count >= Int64(magic.count + Self.trailerCount), try file.read(0, magic.count) == magic else {
            return nil
        }
        var trailer = Fields(try file.read(count - Int64(Self.trailerCount), Self.trailerCount))
        guard let offset = trailer.number(), let length = trailer.number().flatMap({ Int(exactly: $0) }),
            offset >= magic.count, length > 0, offset <= count,
            Int64(length) == count - offset - Int64(Self.trailerCount)
        else { return nil }
        let checksum = trailer.bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let bytes = try file.read(offset, length)
        guard IndexFile.checksum(bytes) == checksum else { return nil }
        var table = Fields(bytes)
        guard let name = table.text(), let compression = Compression(rawValue: name), let identity = table.text(),
            let compressedSize = table.number(), let size = table.number(), let number = table.number(),
            0...Self.largestSize ~= compressedSize, 0...Self.largestSize ~= size,
            table.bytes.count.isMultiple(of: Self.pointCount), number == table.bytes.count / Self.pointCount
        else { return nil }
        var points: [AccessPoint] = []
        points.reserveCapacity(Int(number))
        for _ in 0..<number {
            // An index beside an object is anybody's who may write there: what is out of order or of bounds is refused.
            guard let point = table.point(setupsEnd: offset),
                (points.last?.compressed ?? 0)...compressedSize ~= point.compressed,
                (points.last?.plain ?? 0)...size ~= point.plain
            else { return nil }
            points.append(point)
        }
        self.init(
            compression: compression, compressedSize: compressedSize, size: size, identity: identity, points: points)
    }
}

/// Numbers and texts one after the other, the lowest byte first.
private struct Fields {
    var bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8] = []) { self.bytes = bytes[...] }

    mutating func add(_ number: Int64) {
        for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: number >> Int64(shift))) }
    }

    mutating func add(_ text: String) {
        add(Int64(text.utf8.count))
        bytes += text.utf8
    }

    mutating func number() -> Int64? {
        guard bytes.count >= 8 else { return nil }
        defer { bytes = bytes.dropFirst(8) }
        return bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int64($1) }
    }

    mutating func text() -> String? {
        guard let count = number(), 0...Int64(bytes.count) ~= count else { return nil }
        defer { bytes = bytes.dropFirst(Int(count)) }
        return String(decoding: bytes.prefix(Int(count)), as: UTF8.self)
    }

    mutating func point(setupsEnd: Int64) -> AccessPoint? {
        guard let compressed = number(), let plain = number(), let bits = number().flatMap({ UInt8(exactly: $0) }),
            let offset = number(), let word = number(), compressed >= 0, plain >= 0, bits < 8
        else { return nil }
        let count = Int32(truncatingIfNeeded: word)
        guard count >= 0, 0...setupsEnd ~= offset, Int64(count) <= setupsEnd - offset else { return nil }
        return AccessPoint(
            compressed: compressed, plain: plain, bits: bits,
            setup: .init(offset: offset, count: count, checksum: UInt32(truncatingIfNeeded: word >> 32)))
    }
}
