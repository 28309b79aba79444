import Bytes
import Glibc
import Storage
import Threads

/// Brings the bytes of objects from one store to another.
///
/// An object becomes visible in its new place whole or not at all, be that a bucket or a folder.
enum Transfer {
    /// How large a part is, and up to which size an object is one, in bytes.
    private static let part: Int64 = 16 << 20
    /// How many objects, or parts of one, are on their way at a time.
    private static let width = 8

    /// Does something for each object, several at a time; throws the first failure when all have ended.
    static func each(
        _ objects: [ObjectInfo], _ body: @escaping @Sendable (ObjectInfo) throws(StorageError) -> Void
    ) throws(StorageError) {
        let pool = WorkerPool("objfs-copy", limit: width)
        let state = Monitor((open: objects.count, failure: StorageError?.none))
        for object in objects {
            pool.submit {
                let result = Result { () throws(StorageError) in try body(object) }
                state.update { state in
                    state.open -= 1
                    if case .failure(let error) = result { state.failure = state.failure ?? error }
                }
            }
        }
        if let failure = state.wait(for: { $0.open == 0 ? .some($0.failure) : nil }) { throw failure }
    }

    /// Copies one version of an object.
    static func copy(
        _ object: ObjectInfo, from source: any ObjectStore, to target: any ObjectStore, _ key: ObjectKey
    ) throws(StorageError) {
        // Listings do not tell what an object carries.
        let info = object.attributes == nil ? try source.info(object.key) : object
        guard info.etag == object.etag else { throw .changed() }
        guard source.name != target.name || info.key != key else {
            throw StorageError(.invalid, "source and target are the same")
        }
        if source.name == target.name {
            try target.copy(info.key, ifVersion: info.etag, to: key, attributes: nil)
            return
        }
        // Of a file, all that there is everywhere is its content.
        let isFile = target.name.hasPrefix("file://")
        let attributes = isFile ? ObjectAttributes() : info.attributes ?? ObjectAttributes()
        guard info.size > part else {
            let bytes = try source.read(info.key, ifVersion: info.etag)
            guard Int64(bytes.count) == info.size else {
                throw StorageError(.corrupted, "the store sent too few bytes")
            }
            try target.write(key, ByteSlice(bytes), attributes: attributes, condition: .always)
            return
        }
        let upload = try target.beginUpload(key, attributes: attributes)
        do throws(StorageError) {
            try target.complete(
                upload, parts(of: info, from: source, to: target, upload), condition: .always)
        } catch {
            try? target.abort(upload)
            throw error
        }
    }

    private static func parts(
        of info: ObjectInfo, from source: any ObjectStore, to target: any ObjectStore, _ upload: Upload
    ) throws(StorageError) -> [UploadedPart] {
        // 10,000 parts must do, and all but the last are of one size.
        let size = max(part, info.size / 9_000)
        let starts = Array(stride(from: 0, to: info.size, by: Int64.Stride(size)))
        let pool = WorkerPool("objfs-part", limit: width)
        let state = Monitor((open: starts.count, parts: [UploadedPart](), failure: StorageError?.none))
        for (index, start) in starts.enumerated() {
            pool.submit {
                let hasFailed = state.withLock { $0.failure != nil }
                let result = Result { () throws(StorageError) in
                    guard !hasFailed else { throw StorageError(.cancelled, "another part failed") }
                    let range = start..<min(start + size, info.size)
                    let bytes = try source.read(info.key, range: range, ifVersion: info.etag)
                    guard bytes.count == range.count else {
                        throw StorageError(.corrupted, "the store sent too few bytes")
                    }
                    return try target.writePart(index + 1, of: upload, ByteSlice(bytes))
                }
                state.update { state in
                    state.open -= 1
                    switch result {
                    case .success(let part): state.parts.append(part)
                    case .failure(let error): state.failure = state.failure ?? error
                    }
                }
            }
        }
        let (parts, failure) = state.wait { $0.open == 0 ? ($0.parts, $0.failure) : nil }
        if let failure { throw failure }
        return parts.sorted { $0.number < $1.number }
    }

    /// Makes an object of standard input, in parts if it is long.
    static func standardInput(to target: any ObjectStore, _ key: ObjectKey) throws(StorageError) {
        var bytes = try block()
        guard Int64(bytes.count) == part else {
            try target.write(key, ByteSlice(bytes), attributes: ObjectAttributes(), condition: .always)
            return
        }
        let upload = try target.beginUpload(key, attributes: ObjectAttributes())
        do throws(StorageError) {
            var parts: [UploadedPart] = []
            while !bytes.isEmpty {
                guard parts.count < target.uploadLimits.parts else {
                    throw StorageError(.noSpace, "standard input is longer than the store takes")
                }
                parts.append(try target.writePart(parts.count + 1, of: upload, ByteSlice(bytes)))
                bytes = try block()
            }
            try target.complete(upload, parts, condition: .always)
        } catch {
            try? target.abort(upload)
            throw error
        }
    }

    /// The next bytes of standard input, as many as a part has; fewer only at its end.
    private static func block() throws(StorageError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(part))
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                read(STDIN_FILENO, $0.baseAddress.map { $0 + filled }, $0.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StorageError(.unavailable, "standard input can't be read") }
            guard count > 0 else { break }
            filled += count
        }
        return Array(bytes[..<filled])
    }
}
