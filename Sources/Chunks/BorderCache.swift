import Bytes
import Decompression
import Glibc
import Records
package import Storage
import Threads

/// Remembers the borders of chunks, in a folder, from one mount or run to the next.
///
/// There is one file for each version of an object and way of cutting it, and one for each version and way of scanning
/// it, which serves all ways of cutting. What a scan finds out is also kept in memory for those who come soon.
package struct BorderCache: Sendable {
    private let folder: String?
    private let scans = Monitor<[String: ObjectScan]>([:])
    private let accesses = Monitor<[String: Once<AccessIndex>]>([:])
    private let progress: Progress?

    /// Is told of an object that is read from its start to its end how many bytes of it were read.
    package typealias Progress = @Sendable (ObjectInfo, Int64) -> Void

    /// How many scans are kept in memory.
    private static let scanLimit = 16
    /// How many indexes of compressed objects are kept in memory.
    private static let accessLimit = 64

    /// How many files the folder keeps, and how many bytes; the oldest are removed when a new one would be too many.
    private static let limit = 4096
    private static let sizeLimit: Int64 = 8 << 30

    /// Makes a cache.
    ///
    /// - Parameters:
    ///   - folder: Where it is kept; made if it is missing. `nil` remembers nothing.
    ///   - progress: Is told how far an object has been read.
    package init(folder: String?, progress: Progress? = nil) {
        self.progress = progress
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
        let new = ObjectScan(bytes, scan, file: file, pool: pool, progress: progress)
        return scans.withLock { scans in
            if let known = scans[identity] { return known }
            if scans.count >= Self.scanLimit, let some = scans.keys.first { scans[some] = nil }
            scans[identity] = new
            return new
        }
    }

    /// Where a compressed object can be decompressed from: as it is known already, or found out by reading the object.
    ///
    /// Of the threads that want to know it of one version, one finds it out.
    func access(
        to bytes: ObjectBytes, _ compression: Compression, pool: WorkerPool
    ) throws(StorageError) -> AccessIndex {
        let identity = Self.identity(of: bytes.object, in: bytes.store.name, "access 1", "")
        let once = accesses.withLock { accesses in
            if let known = accesses[identity] { return known }
            if accesses.count >= Self.accessLimit, let some = accesses.keys.first { accesses[some] = nil }
            let new = Once<AccessIndex>()
            accesses[identity] = new
            return new
        }
        return try once.value { () throws(StorageError) in
            try findAccess(to: bytes, compression, path: path(identity).map { $0 + ".access" }, pool: pool)
        }
    }

    private func findAccess(
        to bytes: ObjectBytes, _ compression: Compression, path: String?, pool: WorkerPool
    ) throws(StorageError) -> AccessIndex {
        let identity = AccessIndex.identity(of: bytes.object)
        if let path, let known = AccessIndex(path: path, identity: identity) { return known }
        if let kept = try IndexObject.read(for: bytes) { return kept }
        if let folder { trim(folder) }
        return try Decompression.index(compression) { () throws(StorageError) in
            try AccessIndexWriter(path: path, identity: identity)
        } input: {
            PlainStore.input(bytes.store, bytes.object, pool: pool) { progress?(bytes.object, $0) }
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
        let identity = Self.identity(of: object, in: store, kind, words)
        guard let folder, let path = path(identity) else { return nil }
        return FactFile(path: path, identity: identity) { trim(folder) }
    }

    /// The file of what is known of something.
    private func path(_ identity: String) -> String? {
        folder.map { $0 + "/" + Hex.string(Checksum.of(identity)) + Hex.string(Checksum.of(identity + "'")) }
    }

    /// Removes the oldest files where there are too many.
    private func trim(_ folder: String) {
        guard let directory = opendir(folder) else { return }
        defer { closedir(directory) }
        var files: [(path: String, time: Int, size: Int64)] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            var status = stat()
            let path = folder + "/" + name
            guard !name.hasPrefix("."), lstat(path, &status) == 0 else { continue }
            files.append((path, status.st_mtim.tv_sec, Int64(status.st_size)))
        }
        var size = files.reduce(0) { $0 + $1.size }
        guard files.count > Self.limit || size > Self.sizeLimit else { return }
        // Room is made for some time to come.
        var count = files.count
        for file in files.sorted(by: { $0.time < $1.time })
        where count > Self.limit / 2 || size > Self.sizeLimit / 2 {
            unlink(file.path)
            count -= 1
            size -= file.size
        }
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
