import CZlib
import Glibc
package import Storage

/// Where one version of a compressed object can be decompressed from, and how long its content is.
///
/// The points are in memory; what else must be known of a point is read from the index's file when it is used.
package final class AccessIndex: Sendable {
    package let compression: Compression
    /// The length of the object, in bytes.
    package let compressedSize: Int64
    /// The length of what it decompresses to, in bytes.
    package let size: Int64
    package let points: AccessPoints
    let file: IndexFile

    init(_ compression: Compression, compressedSize: Int64, size: Int64, _ points: AccessPoints, _ file: IndexFile) {
        self.compression = compression
        self.compressedSize = compressedSize
        self.size = size
        self.points = points
        self.file = file
    }

    /// What must be known to begin at a point.
    func setup(of point: Int) throws(StorageError) -> [UInt8] {
        let setup = points[point].setup
        guard setup.count > 0 else { return [] }
        let bytes = try file.read(setup.offset, Int(setup.count))
        guard IndexFile.checksum(bytes) == setup.checksum else {
            throw .damagedIndex
        }
        return bytes
    }

    /// The whole file of the index, for keeping it elsewhere.
    package func content() throws(StorageError) -> [UInt8] {
        guard let count = Int(exactly: try file.count()) else { throw .noMemory }
        return try file.read(0, count)
    }
}

/// Access points in the order of their positions.
package struct AccessPoints: Sendable, RandomAccessCollection {
    private let points: [AccessPoint]

    init(_ points: [AccessPoint]) { self.points = points }

    package var startIndex: Int { 0 }
    package var endIndex: Int { points.count }
    package subscript(_ index: Int) -> AccessPoint { points[index] }

    /// The last point at or before a position of the decompressed bytes; `nil` if there is none.
    func last(before plain: Int64) -> Int? {
        let next = partition { $0.plain > plain }
        return next > 0 ? next - 1 : nil
    }

    /// The first point at or behind a position of the decompressed bytes.
    func first(from plain: Int64) -> AccessPoint? {
        let index = partition { $0.plain >= plain }
        return index < count ? points[index] : nil
    }

    /// Whether a point says that what stands at a compressed position comes out at another one than this.
    func contradict(compressed: Int64, plain: Int64) -> Bool {
        let index = partition { $0.compressed >= compressed }
        guard index < count, points[index].compressed == compressed else { return false }
        return points[index].plain != plain
    }

    /// The first point for which something is true that is true of all behind it too.
    private func partition(_ isBehind: (AccessPoint) -> Bool) -> Int {
        var (low, high) = (0, points.count)
        while low < high {
            let middle = low + (high - low) / 2
            if isBehind(points[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

/// The file that holds an index; closed when nobody has it any more.
final class IndexFile: Sendable {
    let descriptor: Int32

    init(takingOwnershipOf descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// The corresponding C function is `fstat`.
    func count() throws(StorageError) -> Int64 {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .index(errno) }
        return Int64(status.st_size)
    }

    /// Reads exactly so many bytes.
    ///
    /// The corresponding C function is `pread`.
    func read(_ offset: Int64, _ count: Int) throws(StorageError) -> [UInt8] {
        var failure: Int32?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let read = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, count - filled, Int(offset) + filled)
                if read < 0, errno == EINTR { continue }
                guard read > 0 else {
                    failure = read < 0 ? errno : 0
                    return
                }
                filled += read
            }
        }
        if let failure { throw .index(failure) }
        return bytes
    }

    /// The corresponding C function is `pwrite`.
    func write(_ bytes: [UInt8], at offset: Int64) throws(StorageError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written, Int(offset) + written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .index(errno) }
            written += count
        }
    }

    /// A checksum against accidents: CRC-32.
    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32_z(0, $0.baseAddress, $0.count)) }
    }
}

extension StorageError {
    static var noMemory: StorageError {
        StorageError(.unavailable, "there is not enough memory to decompress the object")
    }

    static var damagedIndex: StorageError {
        StorageError(.corrupted, "the index of the compressed object is damaged")
    }

    /// What went wrong with an index's file; 0 is a file that ends too early.
    static func index(_ number: Int32) -> StorageError {
        if number == ENOSPC || number == EDQUOT {
            return StorageError(.noSpace, "there is no room for the index of the compressed object")
        }
        let reason = number == 0 ? "it ends too early" : String(cString: strerror(number))
        return StorageError(.corrupted, "the index of the compressed object can't be used: \(reason)")
    }
}
