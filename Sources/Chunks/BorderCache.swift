import Bytes
import Glibc
import Records
import Storage
import Threads

/// Remembers the borders of chunks, in a folder, from one mount or run to the next.
///
/// There is one file for each version of an object and way of cutting it, and one for each version and way of scanning
/// it, which serves all ways of cutting. What a scan finds out is also kept in memory for those who come soon.
package struct BorderCache: Sendable {
    private let folder: String?
    private let scans = Monitor<[String: ObjectScan]>([:])

    /// How many scans are kept in memory.
    private static let scanLimit = 16

    /// How many files the folder keeps; the oldest are removed when a new one would be too many.
    private static let limit = 4096

    /// Makes a cache.
    ///
    /// - Parameter folder: Where it is kept; made if it is missing. `nil` remembers nothing.
    package init(folder: String?) {
        guard let folder, mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            self.folder = nil
            return
        }
        self.folder = folder
    }

    /// The borders that are known of a version of an object.
    func entry(of object: ObjectInfo, in store: String, cut: String) -> Entry? {
        file(of: object, in: store, "borders 1", cut).map { Entry($0, size: object.size) }
    }

    /// The scan of a version of an object: the one that others use, or a new one.
    func scan(_ bytes: ObjectBytes, _ scan: QuoteScan, pool: WorkerPool) -> ObjectScan {
        let words = [scan.quote, scan.escape ?? scan.quote].map { String($0) }.joined(separator: " ")
        let identity = Self.identity(of: bytes.object, in: bytes.store.name, "scan 1", words)
        if let known = scans.withLock({ $0[identity] }) { return known }
        let file = file(of: bytes.object, in: bytes.store.name, "scan 1", words)
        let new = ObjectScan(bytes, scan, file: file, pool: pool)
        return scans.withLock { scans in
            if let known = scans[identity] { return known }
            if scans.count >= Self.scanLimit, let some = scans.keys.first { scans[some] = nil }
            scans[identity] = new
            return new
        }
    }

    private static func identity(of object: ObjectInfo, in store: String, _ kind: String, _ words: String) -> String {
        let parts = [
            store, object.key.string, object.etag.string, String(object.size), String(object.modified.nanoseconds),
            words,
        ]
        return "objfs \(kind) " + parts.map { Hex.string($0.utf8) }.joined(separator: " ")
    }

    private func file(of object: ObjectInfo, in store: String, _ kind: String, _ words: String) -> FactFile? {
        guard let folder else { return nil }
        let identity = Self.identity(of: object, in: store, kind, words)
        let path = folder + "/" + Hex.string(Checksum.of(identity)) + Hex.string(Checksum.of(identity + "'"))
        return FactFile(path: path, identity: identity) { trim(folder) }
    }

    /// Removes the oldest files where there are too many.
    private func trim(_ folder: String) {
        guard let directory = opendir(folder) else { return }
        defer { closedir(directory) }
        var files: [(path: String, time: Int)] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            var status = stat()
            let path = folder + "/" + name
            guard !name.hasPrefix("."), lstat(path, &status) == 0 else { continue }
            files.append((path, status.st_mtim.tv_sec))
        }
        guard files.count > Self.limit else { return }
        for file in files.sorted(by: { $0.time < $1.time }).prefix(files.count - Self.limit / 2) { unlink(file.path) }
    }
}

extension BorderCache {
    /// The known borders of one version of an object, cut in one way.
    final class Entry: Sendable {
        private let file: FactFile
        private let borders: Monitor<[Int64: Int64]>

        fileprivate init(_ file: FactFile, size: Int64) {
            self.file = file
            var borders: [Int64: Int64] = [:]
            for (index, word) in file.load() {
                if let border = Int64(word), 0...size ~= border { borders[index] = border }
            }
            self.borders = Monitor(borders)
        }

        /// A border that is known, by the index of the chunk that begins with it.
        func border(_ index: Int64) -> Int64? { borders.withLock { $0[index] } }

        /// Remembers a border, and writes it down.
        func remember(_ border: Int64, of index: Int64) {
            borders.withLock { $0[index] = border }
            file.add(index, String(border))
        }
    }
}
