package import Bytes

/// A store that tells of each call what it asked for, how it ended and how long it took.
package struct ReportingStore: ObjectStore {
    private let base: any ObjectStore
    private let report: @Sendable (String) -> Void

    /// Wraps a store.
    ///
    /// - Parameter report: Takes a line for each call, by any thread.
    package init(_ base: any ObjectStore, report: @escaping @Sendable (String) -> Void) {
        self.base = base
        self.report = report
    }

    package var name: String { base.name }
    package var sinkMayBlock: Bool { base.sinkMayBlock }

    package func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo {
        try told("info \(name)/\(key)") { () throws(StorageError) in try base.info(key) }
    }

    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage {
        try told("list \(name)/\(request.prefix)") { () throws(StorageError) in try base.list(request) }
    }

    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        let part = range.map { " \($0.lowerBound)..<\($0.upperBound)" } ?? ""
        return try told("read \(name)/\(key)\(part)") { () throws(StorageError) in
            try base.read(key, range: range, ifVersion: version, into: sink)
        }
    }

    @discardableResult
    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo {
        try told("write \(name)/\(key) \(body.count) bytes") { () throws(StorageError) in
            try base.write(key, body, attributes: attributes, condition: condition)
        }
    }

    package func delete(_ key: ObjectKey) throws(StorageError) {
        try told("delete \(name)/\(key)") { () throws(StorageError) in try base.delete(key) }
    }

    package func delete(_ keys: [ObjectKey]) throws(StorageError) -> [Undeleted] {
        try told("delete \(keys.count) keys of \(name)") { () throws(StorageError) in try base.delete(keys) }
    }

    package var reference: BucketReference? { base.reference }

    @discardableResult
    package func copy(
        _ source: ObjectKey, of bucket: BucketReference, ifVersion version: ETag, to target: ObjectKey
    ) throws(StorageError) -> ObjectInfo {
        try told("copy s3://\(bucket.bucket)/\(source) to \(name)/\(target)") { () throws(StorageError) in
            try base.copy(source, of: bucket, ifVersion: version, to: target)
        }
    }

    @discardableResult
    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo {
        try told("copy \(name)/\(source) to \(target)") { () throws(StorageError) in
            try base.copy(source, ifVersion: version, to: target, attributes: attributes)
        }
    }

    // MARK: Objects written in parts

    package var uploadLimits: UploadLimits { base.uploadLimits }

    package func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload {
        try told("begin \(name)/\(key)") { () throws(StorageError) in
            try base.beginUpload(key, attributes: attributes)
        }
    }

    package func writePart(
        _ number: Int, of upload: Upload, _ body: ByteSlice
    ) throws(StorageError) -> UploadedPart {
        try told("part \(number) of \(name)/\(upload.key) \(body.count) bytes") { () throws(StorageError) in
            try base.writePart(number, of: upload, body)
        }
    }

    package func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart {
        let bytes = "\(range.lowerBound)..<\(range.upperBound)"
        return try told("part \(number) of \(name)/\(upload.key) from \(source) \(bytes)") {
            () throws(StorageError) in
            try base.copyPart(number, of: upload, from: source, range: range, ifVersion: version)
        }
    }

    @discardableResult
    package func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload {
        try told("complete \(name)/\(upload.key) of \(parts.count) parts") { () throws(StorageError) in
            try base.complete(upload, parts, condition: condition)
        }
    }

    package func abort(_ upload: Upload) throws(StorageError) {
        try told("abort \(name)/\(upload.key)") { () throws(StorageError) in try base.abort(upload) }
    }

    package func uploads(prefix: String) throws(StorageError) -> [PendingUpload] {
        try told("uploads \(name)/\(prefix)") { () throws(StorageError) in try base.uploads(prefix: prefix) }
    }

    package func parts(of upload: Upload) throws(StorageError) -> [UploadedPart] {
        try told("parts \(name)/\(upload.key)") { () throws(StorageError) in try base.parts(of: upload) }
    }

    private func told<Result>(
        _ call: String, _ body: () throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        let begin = ContinuousClock.now
        func milliseconds() -> Int64 { Int64(begin.duration(to: .now) / .milliseconds(1)) }
        do throws(StorageError) {
            let result = try body()
            report("\(call): \(milliseconds()) ms")
            return result
        } catch {
            report("\(call): \(error.message), \(milliseconds()) ms")
            throw error
        }
    }
}
