import Bytes
import Digests
import Glibc
import ObjfsEngine
import Storage
import Synchronization
import VFS

extension Transfer {
    /// Makes an object of a file.
    ///
    /// Each request is signed with the SHA-256 of its bytes, which the service checks.
    func upload(_ file: DirectoryReading, to key: ObjectKey) throws(StorageError) {
        let attributes = attributes(of: file, key)
        let size = file.info.size
        guard size > Self.part else {
            return try team.with(memory: size) { () throws(StorageError) in
                let body = try file.read(0..<size)
                try target.write(key, body, attributes: attributes, condition: .always)
                report.add(body.count)
            }
        }
        try inParts(size, key, attributes) { (range) throws(StorageError) in
            let body = try file.read(range)
            report.add(body.count)
            return body
        } check: { () throws(StorageError) in
            try file.refuseChange()
        }
    }

    /// What an object carries of the file that it was, in the names of s3fs.
    private func attributes(of file: DirectoryReading, _ key: ObjectKey) -> ObjectAttributes {
        var attributes = file.info.attributes ?? ObjectAttributes()
        attributes.contentType = attributes.contentType ?? MediaType.of(key.string)
        guard keeping != .content else { return attributes }
        var metadata = FileMetadata()
        metadata.modified = FileTime(nanoseconds: file.info.modified.nanoseconds)
        if keeping == .all { (metadata.mode, metadata.owner, metadata.group) = (file.mode, file.owner, file.group) }
        return metadata.written(into: attributes)
    }

    /// Writes an object in parts, several at a time.
    ///
    /// - Parameters:
    ///   - read: Gives the bytes of a range.
    ///   - check: Is asked, before the object becomes visible, whether it may.
    func inParts(
        _ size: Int64, _ key: ObjectKey, _ attributes: ObjectAttributes,
        _ read: @escaping @Sendable (Range<Int64>) throws(StorageError) -> ByteSlice,
        check: () throws(StorageError) -> Void = { () throws(StorageError) in }
    ) throws(StorageError) {
        let pending = resumes ? try begun(key, size) : nil
        let upload: Upload
        if let pending { upload = pending.upload } else { upload = try target.beginUpload(key, attributes: attributes) }
        let (id, _) = try leftovers.begin({ upload }, clear: { if !resumes { try? target.abort($0) } })
        let parts = Mutex<[UploadedPart]>([])
        do throws(StorageError) {
            try team.each(Self.indices(of: size, by: Self.part(of: size))) { index throws(StorageError) in
                let range = Self.range(index, of: size, by: Self.part(of: size))
                let part = try team.with(memory: Int64(range.count)) { () throws(StorageError) in
                    let body = try read(range)
                    // What is there is what would be sent only if it has the same digest.
                    if let known = pending?.parts[index + 1], known.size == Int64(body.count),
                        known.etag.md5 == body.withUnsafeBytes({ Digest.md5($0) })
                    {
                        return known
                    }
                    return try target.writePart(index + 1, of: upload, body)
                }
                parts.withLock { $0.append(part) }
            }
            try check()
            try target.complete(
                upload, parts.withLock { $0.sorted { $0.number < $1.number } }, condition: .always)
        } catch {
            if !resumes { try? target.abort(upload) }
            try? leftovers.settle(id)
            throw error
        }
        try? leftovers.settle(id)
    }

    /// The latest upload of this key that was begun and not ended, and its parts by their numbers.
    private func begun(
        _ key: ObjectKey, _ size: Int64
    ) throws(StorageError) -> (upload: Upload, parts: [Int: UploadedPart])? {
        let pending = try target.uploads(prefix: key.string).filter { $0.key == key }
        guard let latest = pending.max(by: { $0.begun?.nanoseconds ?? 0 < $1.begun?.nanoseconds ?? 0 }) else {
            return nil
        }
        var parts: [Int: UploadedPart] = [:]
        for part in try target.parts(of: latest.upload) { parts[part.number] = part }
        // Parts that this would not write can't stay; where there are such, it was another's upload.
        let isOurs = parts.values.allSatisfy {
            Self.range($0.number - 1, of: size, by: Self.part(of: size)).count == $0.size
        }
        return isOurs ? (latest.upload, parts) : nil
    }
}
