package import Bytes
import CLinux
import Glibc

/// Uploads to a folder: a hidden file that holds the key and carries the attributes, and one for each part.
extension DirectoryStore {
    package var uploadLimits: UploadLimits { .s3 }

    package func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload {
        guard let path = DirectoryRoot.path(of: key), !DirectoryRoot.isTemporary(path), !key.endsInSlash
        else {
            throw StorageError(.invalid, "a folder can't hold such a key")
        }
        let root = try openRoot()
        let upload = Upload(key: key, id: String(UInt64.random(in: 1 ... .max), radix: 36))
        let file = try root.createTemporary(Self.name(of: upload.id))
        do throws(StorageError) {
            try file.set(attributes)
            try file.write(ByteSlice(key.string.utf8))
        } catch {
            root.removeTemporary(Self.name(of: upload.id))
            throw error
        }
        return upload
    }

    package func writePart(
        _ number: Int, of upload: Upload, _ body: ByteSlice
    ) throws(StorageError) -> UploadedPart {
        try addPart(number, of: upload) { (_, file) throws(StorageError) in
            try file.write(body)
            return Int64(body.count)
        }
    }

    package func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart {
        try addPart(number, of: upload) { (root, file) throws(StorageError) in
            let original = try root.open(source, O_RDONLY | O_NONBLOCK)
            let info = try original.info(source)
            guard info.etag == version else { throw .changed() }
            guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= info.size else {
                throw StorageError(.invalid, "the range is not inside the object")
            }
            try file.append(range, of: original, unlessChanged: info)
            return Int64(range.count)
        }
    }

    @discardableResult
    package func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload {
        let root = try openRoot()
        let attributes = try root.openTemporary(Self.name(of: upload.id)).attributes()
        guard !parts.isEmpty else { throw StorageError(.invalid, "an object has one part at least") }
        for (part, next) in zip(parts, parts.dropFirst()) {
            guard part.number < next.number else { throw StorageError(.invalid, "the parts are out of order") }
            guard part.size >= uploadLimits.smallestPart else {
                throw StorageError(.invalid, "part \(part.number) is too small")
            }
        }
        let info = try root.write(upload.key, attributes: attributes, condition: condition) {
            (file) throws(StorageError) in
            for part in parts {
                let piece = try root.openTemporary(Self.name(of: upload.id, part: part.number))
                let info = try piece.info(upload.key)
                guard info.size == part.size else { throw StorageError(.invalid, "part \(part.number) is missing") }
                guard part.size > 0 else { continue }
                try file.append(0..<part.size, of: piece, unlessChanged: info)
            }
        }
        try abort(upload)
        return .object(info)
    }

    package func abort(_ upload: Upload) throws(StorageError) {
        let root = try openRoot()
        let name = Self.name(of: upload.id)
        for other in root.temporaryNames() where other == name || other.hasPrefix(name + ".") {
            root.removeTemporary(other)
        }
    }

    package func uploads(prefix: String) throws(StorageError) -> [PendingUpload] {
        let root = try openRoot()
        let start = Self.name(of: "")
        return root.temporaryNames().compactMap { name in
            guard name.hasPrefix(start), !name.dropFirst(start.count).contains("."),
                let file = try? root.openTemporary(name), let key = file.text, key.utf8.starts(with: prefix.utf8)
            else {
                return nil
            }
            let upload = Upload(key: ObjectKey(key), id: String(name.dropFirst(start.count)))
            return PendingUpload(upload, begun: try? file.info(upload.key).modified)
        }
    }

    private static func name(of id: String, part: Int? = nil) -> String {
        DirectoryRoot.temporaryPrefix + "upload-" + id + (part.map { ".\($0)" } ?? "")
    }

    private func addPart(
        _ number: Int, of upload: Upload,
        _ fill: (borrowing DirectoryRoot, DirectoryFile) throws(StorageError) -> Int64
    ) throws(StorageError) -> UploadedPart {
        guard 1...uploadLimits.parts ~= number else { throw StorageError(.invalid, "no part has such a number") }
        let root = try openRoot()
        _ = try root.openTemporary(Self.name(of: upload.id))
        let name = Self.name(of: upload.id, part: number)
        root.removeTemporary(name)
        let file = try root.createTemporary(name)
        do throws(StorageError) {
            let size = try fill(root, file)
            return UploadedPart(number: number, etag: try file.info(upload.key).etag, size: size)
        } catch {
            root.removeTemporary(name)
            throw error
        }
    }
}

extension DirectoryRoot {
    fileprivate func createTemporary(_ name: String) throws(StorageError) -> DirectoryFile {
        let file = openat(descriptor, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw StorageError(errno: errno) }
        return DirectoryFile(takingOwnershipOf: file)
    }

    fileprivate func openTemporary(_ name: String) throws(StorageError) -> DirectoryFile {
        let file = openat(descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            guard errno != ENOENT else { throw StorageError(.notFound, "no such upload, or no such part") }
            throw StorageError(errno: errno)
        }
        return DirectoryFile(takingOwnershipOf: file)
    }

    fileprivate func removeTemporary(_ name: String) { unlinkat(descriptor, name, 0) }

    /// The names of the bucket's own folder that stand for no object yet.
    fileprivate func temporaryNames() -> [String] {
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = Glibc.readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(Self.temporaryPrefix) { names.append(name) }
        }
        return names
    }
}

extension DirectoryFile {
    /// Adds bytes of another file at the end, inside the kernel.
    ///
    /// The corresponding C function is `copy_file_range`, or `read` and `write` where that can't be.
    fileprivate func append(
        _ range: Range<Int64>, of other: DirectoryFile, unlessChanged info: ObjectInfo
    ) throws(StorageError) {
        var offset = Int(range.lowerBound)
        while offset < range.upperBound {
            let rest = Int(min(range.upperBound - Int64(offset), 1 << 30))
            let count = clinux_copy_range(other.descriptor, &offset, descriptor, rest)
            if count > 0 { continue }
            if count < 0, errno == EINTR { continue }
            guard count < 0, [EXDEV, EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) else {
                throw count == 0 ? .changed() : StorageError(errno: errno)
            }
            var failure: StorageError?
            try other.read(Int64(offset)..<range.upperBound, unlessChanged: info) { part in
                do throws(StorageError) { try write(part) } catch { failure = error }
                return failure == nil
            }
            if let failure { throw failure }
            return
        }
        try other.refuseChange(since: info)
    }

    /// The content of a small file as text.
    fileprivate var text: String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        return count >= 0 ? String(validating: bytes.prefix(count), as: UTF8.self) : nil
    }
}
