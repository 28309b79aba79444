import Bytes
import Digests
import ObjfsEngine
import Storage
import VFS

/// Whether what is in two places is the same.
struct Sameness: Sendable {
    let source: any ObjectStore
    let target: any ObjectStore
    let sourceFolder: DirectoryStore?
    let targetFolder: DirectoryStore?
    /// Whether contents are compared rather than times, where that can be.
    let byDigest: Bool

    /// How far two times of one file may be apart: what some programs keep in whole seconds, and services always do.
    private static let second: Int64 = 1_000_000_000

    func holds(_ here: ObjectInfo, _ there: ObjectInfo) throws(StorageError) -> Bool {
        guard here.size == there.size else { return false }
        if byDigest, let same = try digests(here, there) { return same }
        switch (sourceFolder, targetFolder) {
        case (.some, .some): return isClose(here.modified, there.modified)
        case (.some, nil):
            if let kept = try modified(there, target) { return isClose(kept, here.modified) }
            return there.modified >= here.modified
        case (nil, .some):
            if isClose(here.modified, there.modified) { return true }
            return try modified(here, source).map { isClose($0, there.modified) } ?? false
        case (nil, nil):
            if !here.etag.string.isEmpty, here.etag == there.etag { return true }
            if let first = try modified(here, source), let second = try modified(there, target) {
                return isClose(first, second)
            }
            return there.modified >= here.modified
        }
    }

    private func isClose(_ first: Timestamp, _ second: Timestamp) -> Bool {
        let (difference, overflow) = first.nanoseconds.subtractingReportingOverflow(second.nanoseconds)
        guard !overflow else { return false }
        // A time without a fraction was kept by somebody who keeps none.
        let isCoarse = first.nanoseconds % Self.second == 0 || second.nanoseconds % Self.second == 0
        return difference.magnitude < (isCoarse ? Self.second : Self.second / 1000).magnitude
    }

    /// When the file was modified of which an object was made, as s3fs and rclone keep it.
    private func modified(_ info: ObjectInfo, _ store: any ObjectStore) throws(StorageError) -> Timestamp? {
        let attributes = info.attributes == nil ? try store.info(info.key).attributes : info.attributes
        return FileMetadata(attributes ?? ObjectAttributes()).modified.map { Timestamp(nanoseconds: $0.nanoseconds) }
    }

    // MARK: By content

    /// Whether the contents are the same; `nil` if that can't be told without reading what is in a store.
    private func digests(_ here: ObjectInfo, _ there: ObjectInfo) throws(StorageError) -> Bool? {
        switch (sourceFolder, targetFolder) {
        case (.some(let first), .some(let second)):
            return try digest(DirectoryReading(first, here.key)) == digest(DirectoryReading(second, there.key))
        case (.some(let folder), nil): return try isDigest(there.etag, of: DirectoryReading(folder, here.key))
        case (nil, .some(let folder)): return try isDigest(here.etag, of: DirectoryReading(folder, there.key))
        case (nil, nil):
            if here.etag == there.etag { return true }
            return here.etag.md5 != nil && there.etag.md5 != nil ? false : nil
        }
    }

    /// Whether a version is the digest of a file; of one in parts, with parts of a size that is in use.
    private func isDigest(_ etag: ETag, of file: DirectoryReading) throws(StorageError) -> Bool? {
        if let digest = etag.md5 { return try self.digest(file) == digest }
        let words = etag.string.split(separator: "-")
        guard words.count == 2, let count = Int64(words[1]), count > 0, words[0].utf8.count == 32,
            let digest = Hex.bytes(words[0])
        else { return nil }
        let size = file.info.size
        let sizes = [Transfer.part(of: size)] + [5, 8, 10, 15, 16, 25, 32, 50, 64, 100, 128, 256, 512].map { $0 << 20 }
        let fitting = Set(sizes.filter { (size - 1) / $0 + 1 == count }).sorted()
        guard !fitting.isEmpty else { return nil }
        for part in fitting {
            var digests: [UInt8] = []
            for start in stride(from: 0, to: size, by: Int64.Stride(part)) {
                digests += try self.digest(file, start..<min(start + part, size))
            }
            if digests.withUnsafeBytes({ Digest.md5($0) }) == digest { return true }
        }
        // Or its parts have a size that nobody uses: then it is copied once more than need be, and not once too few.
        return false
    }

    private func digest(_ file: DirectoryReading, _ range: Range<Int64>? = nil) throws(StorageError) -> [UInt8] {
        let range = range ?? 0..<file.info.size
        var digest = RunningMD5()
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 20) {
            try file.read(start..<min(start + (1 << 20), range.upperBound)).withUnsafeBytes { digest.add($0) }
        }
        return digest.finish()
    }
}
