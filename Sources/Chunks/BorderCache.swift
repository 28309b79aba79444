import Bytes
import Glibc
import Records
import Storage
import Threads

/// Remembers the borders of chunks, in a folder, from one mount or run to the next.
///
/// There is one file for each version of an object and way of cutting it.
/// It begins with a line that says which, and has a line for each border, with a checksum:
/// what is damaged, foreign or half-written is not believed. A cache that can't be written remembers nothing.
package struct BorderCache: Sendable {
    private let folder: String?

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
    func entry(of object: ObjectInfo, in store: String, cut parameters: ChunkParameters) -> Entry? {
        guard let folder else { return nil }
        // A border of fixed records is reckoned, not searched.
        guard case .terminated = parameters.format else { return nil }
        let parts = [
            store, object.key.string, object.etag.string, String(object.size), String(object.modified.nanoseconds),
            parameters.borderWords,
        ]
        let identity = "objfs borders 1 " + parts.map { Hex.string($0.utf8) }.joined(separator: " ")
        let path = folder + "/" + Hex.string(Checksum.of(identity)) + Hex.string(Checksum.of(identity + "'"))
        return Entry(path: path, identity: identity, size: object.size) { trim(folder) }
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
        private struct State {
            var borders: [Int64: Int64] = [:]
            /// The file, once something is to be written; -1 if it can't be.
            var descriptor: Int32?
        }

        private let path: String
        private let identity: String
        private let state: Monitor<State>
        private let whenNew: @Sendable () -> Void

        fileprivate init(path: String, identity: String, size: Int64, whenNew: @escaping @Sendable () -> Void) {
            self.path = path
            self.identity = identity
            self.whenNew = whenNew
            state = Monitor(State(borders: Self.load(path, identity: identity, size: size)))
        }

        deinit {
            let descriptor = state.withLock { $0.descriptor }
            if let descriptor, descriptor >= 0 { close(descriptor) }
        }

        /// A border that is known, by the index of the chunk that begins with it.
        func border(_ index: Int64) -> Int64? { state.withLock { $0.borders[index] } }

        /// Remembers a border, and writes it down.
        ///
        /// The corresponding C function is `write`, to a file opened with `O_APPEND`: lines of several programs don't mix.
        func remember(_ border: Int64, of index: Int64) {
            state.withLock { state in
                state.borders[index] = border
                let descriptor = state.descriptor ?? open()
                state.descriptor = descriptor
                guard descriptor >= 0 else { return }
                let fact = "\(index) \(border)"
                write(descriptor, "\(fact) \(Hex.string(Checksum.of(identity + fact)))\n")
            }
        }

        private func open() -> Int32 {
            let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else { return -1 }
            var status = stat()
            if fstat(descriptor, &status) == 0, status.st_size == 0 {
                whenNew()
                write(descriptor, identity + "\n")
            }
            return descriptor
        }

        private func write(_ descriptor: Int32, _ line: String) {
            var line = line
            // A line that is not written whole has no right checksum, and is then not believed.
            _ = line.withUTF8 { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        }

        private static func load(_ path: String, identity: String, size: Int64) -> [Int64: Int64] {
            guard let text = SmallFile.text(path) else { return [:] }
            var lines = text.split(separator: "\n")[...]
            guard let first = lines.popFirst(), first == identity else { return [:] }
            var borders: [Int64: Int64] = [:]
            for line in lines {
                let words = line.split(separator: " ")
                guard words.count == 3, let index = Int64(words[0]), let border = Int64(words[1]) else { continue }
                guard words[2] == Hex.string(Checksum.of(identity + "\(index) \(border)")) else { continue }
                guard 0...size ~= border else { continue }
                borders[index] = border
            }
            return borders
        }
    }
}
