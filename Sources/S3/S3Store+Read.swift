package import Storage
import Transport

extension S3Store {
    @discardableResult
    package func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        if let range, range.isEmpty { return try past(key, version) }
        var call = S3Service.Call(method: .get, bucket: bucket, key: key)
        if let range { call.headers.append(("Range", Self.header(range))) }
        if let version { call.headers.append(("If-Match", version.header)) }
        var body = RangedBody(key, range, version)
        do throws(StorageError) {
            let response = try service.send(call) { response, part in body.take(part, of: response, into: sink) }
            noteBucket()
            try body.finish(response)
            return try ObjectInfo(key, response, size: body.objectSize)
        } catch {
            // A range that begins past the end has nothing to read: the service refuses it, and this does not.
            if error.code == .rangeNotSatisfiable { return try past(key, version) }
            throw body.failure ?? Self.meaning(of: error)
        }
    }

    private func past(_ key: ObjectKey, _ version: ETag?) throws(StorageError) -> ObjectInfo {
        let info = try info(key)
        guard version == nil || version == info.etag else { throw .changed() }
        return info
    }

    /// A range as HTTP writes it, its last byte included.
    private static func header(_ range: Range<Int64>) -> String {
        "bytes=\(range.lowerBound)-\(range.upperBound == .max ? "" : "\(range.upperBound - 1)")"
    }

    /// A read whose condition does not hold found another version.
    private static func meaning(of error: StorageError) -> StorageError {
        error.code == .preconditionFailed ? .changed() : error
    }
}

/// Checks that a response's body is what was asked for, and cuts it to that if it is more.
///
/// Services differ: some answer a range with the whole object, and some do not look at `If-Match`.
struct RangedBody {
    private let key: ObjectKey
    private let range: Range<Int64>?
    private let version: ETag?
    /// What is wrong with the response, once something is.
    private(set) var failure: StorageError?
    /// The size of the whole object, once it is known.
    private(set) var objectSize: Int64?

    private var isHeadChecked = false
    /// How many bytes of the body come before what was asked for, and how many of that are still to come.
    private var skip: Int64 = 0
    private var left: Int64 = 0

    init(_ key: ObjectKey, _ range: Range<Int64>?, _ version: ETag?) {
        self.key = key
        self.range = range
        self.version = version
    }

    /// Takes some bytes of the body; `false` ends the exchange.
    mutating func take(
        _ part: UnsafeRawBufferPointer, of response: HTTPResponse, into sink: (UnsafeRawBufferPointer) -> Bool
    ) -> Bool {
        guard checkHead(response) else { return false }
        let skipped = min(skip, Int64(part.count))
        skip -= skipped
        let wanted = min(Int64(part.count) - skipped, left)
        left -= wanted
        guard wanted > 0 else { return true }
        return sink(UnsafeRawBufferPointer(rebasing: part[Int(skipped)..<Int(skipped + wanted)]))
    }

    /// Checks, when the body has ended, that it was whole.
    mutating func finish(_ response: HTTPResponse) throws(StorageError) {
        _ = checkHead(response)
        if failure == nil, left > 0 { failure = StorageError(.corrupted, "the service sent less than it promised") }
        if let failure { throw failure }
    }

    private mutating func checkHead(_ response: HTTPResponse) -> Bool {
        guard !isHeadChecked else { return failure == nil }
        isHeadChecked = true
        do throws(StorageError) { try readHead(response) } catch { failure = error }
        return failure == nil
    }

    private mutating func readHead(_ response: HTTPResponse) throws(StorageError) {
        let etag = try ETag(of: key, response)
        if let version, etag != version { throw .changed() }
        // rclone sends a part with the status of the whole.
        if response.status == 206 || response.headers["content-range"] != nil { return try readPart(response) }
        guard let length = response.headers["content-length"].flatMap({ Int64($0) }), length >= 0 else {
            throw StorageError(.corrupted, "the service does not tell the size of the object")
        }
        objectSize = length
        let wanted = (range ?? 0..<length).clamped(to: 0..<length)
        skip = wanted.lowerBound
        left = Int64(wanted.count)
    }

    /// Reads `Content-Range: bytes FIRST-LAST/SIZE`.
    private mutating func readPart(_ response: HTTPResponse) throws(StorageError) {
        let wrong = StorageError(.corrupted, "the service sent another part than was asked for")
        guard let range, let header = response.headers["content-range"], header.hasPrefix("bytes ") else { throw wrong }
        let parts = header.dropFirst(6).split(separator: "/")
        let ends = (parts.first ?? "").split(separator: "-").compactMap { Int64($0) }
        guard parts.count == 2, ends.count == 2, let size = Int64(parts[1]), size > 0 else { throw wrong }
        let wanted = range.clamped(to: 0..<size)
        guard !wanted.isEmpty, ends[0] == wanted.lowerBound, ends[1] == wanted.upperBound - 1 else { throw wrong }
        objectSize = size
        left = Int64(wanted.count)
    }
}
