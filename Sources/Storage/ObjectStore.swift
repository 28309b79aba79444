package import Bytes

/// A bucket of objects, each a name and some bytes, of one service.
///
/// Every call blocks until it has its answer, and may be made by many threads at once.
/// Nothing is retried in here: ``RetryingStore`` wraps a store that should try again.
/// What a store lacks throws ``StorageError/Code/unsupported``.
///
/// Every store passes `StoreConformance`, the suite in which these promises are tests.
package protocol ObjectStore: Sendable {
    /// The URL of the bucket, for messages: `s3://bucket`, without a `/` at its end.
    var name: String { get }

    /// Whether the sink of a read may take its time; otherwise other reads wait while it does.
    var sinkMayBlock: Bool { get }

    /// Asks what is known of an object without its content.
    ///
    /// - Throws: ``StorageError/Code/notFound`` only if the store said that there is no such object.
    ///
    /// The corresponding S3 operation is `HeadObject`.
    func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo

    /// Lists one page of the keys that begin with a prefix, in the order of their UTF-8 bytes.
    ///
    /// A bucket that is not there throws ``StorageError/Code/noSuchBucket``.
    ///
    /// The corresponding S3 operation is `ListObjectsV2`.
    func list(_ request: ListingRequest) throws(StorageError) -> ListingPage

    /// Reads part of an object, handing the bytes on as they arrive.
    ///
    /// What was handed on before an error is thrown is right as far as it goes:
    /// the bytes of `range`, in order, from its start.
    /// A read that returns has handed on every byte of `range` that the object has, and no other.
    ///
    /// - Parameters:
    ///   - key: The object to read.
    ///   - range: The bytes to read, end excluded; `nil` is the whole object.
    ///     What lies past the end of the object is cut away, so a range that begins there reads nothing.
    ///   - version: If not `nil`, the version that the caller believes it is reading.
    ///   - sink: Takes the bytes; `false` ends the read with ``StorageError/Code/cancelled``.
    /// - Returns: The object that was read, as the answer described it. A range past the end may know less.
    /// - Throws: ``StorageError/Code/changed`` if the object is no longer `version`.
    ///
    /// The corresponding S3 operation is `GetObject`.
    @discardableResult
    func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo

    /// Writes a whole object, which becomes visible at once or not at all.
    ///
    /// - Parameters:
    ///   - key: The object to create or to replace.
    ///   - body: Its content.
    ///   - attributes: What the object carries beside its content.
    ///   - condition: What must hold for the object to be written.
    /// - Throws: ``StorageError/Code/preconditionFailed`` if the condition does not hold,
    ///   ``StorageError/Code/unsupported`` if the store can't check it.
    ///
    /// The corresponding S3 operation is `PutObject`.
    @discardableResult
    func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo

    /// Deletes an object; one that is not there is deleted already.
    ///
    /// The corresponding S3 operation is `DeleteObject`.
    func delete(_ key: ObjectKey) throws(StorageError)

    /// Deletes objects, many with one request where the store can; those that are not there are deleted already.
    ///
    /// - Parameter keys: As many as there are; the store divides them as it must.
    /// - Returns: Those that are still there, and why.
    /// - Throws: Why none of those that were left could be deleted, such as credentials that are not known.
    ///
    /// The corresponding S3 operation is `DeleteObjects`.
    func delete(_ keys: [ObjectKey]) throws(StorageError) -> [Undeleted]

    /// Copies an object inside the bucket, without its bytes leaving the store.
    ///
    /// - Parameters:
    ///   - source: The object to copy.
    ///   - version: If not `nil`, the version of the source that must be copied.
    ///   - target: The object to create or to replace.
    ///   - attributes: What the copy carries; `nil` keeps those of the source.
    /// - Throws: ``StorageError/Code/changed`` if the source is no longer `version`.
    ///
    /// The corresponding S3 operation is `CopyObject`.
    @discardableResult
    func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo

    /// The bucket, as others of its service name it when they copy from it; `nil` if none can.
    var reference: BucketReference? { get }

    /// Copies an object of another bucket into this one, without its bytes leaving the service.
    ///
    /// - Parameters:
    ///   - source: The object to copy.
    ///   - bucket: Where it is.
    ///   - version: The version of the source that must be copied.
    ///   - target: The object of this bucket to create or to replace, which carries what the source does.
    /// - Throws: ``StorageError/Code/changed`` if the source is no longer `version`,
    ///   ``StorageError/Code/unsupported`` if the bucket is of another service, or the service can't do this.
    ///
    /// The corresponding S3 operations are `CopyObject` and `UploadPartCopy`.
    @discardableResult
    func copy(
        _ source: ObjectKey, of bucket: BucketReference, ifVersion version: ETag, to target: ObjectKey
    ) throws(StorageError) -> ObjectInfo

    /// Opens one version of an object as the file of this machine that it is.
    ///
    /// - Returns: `nil` if the objects of this store are no files.
    /// - Throws: ``StorageError/Code/changed`` if the object is no longer `version`.
    func file(_ key: ObjectKey, ifVersion version: ETag) throws(StorageError) -> (any OpenObject)?

    // MARK: Objects written in parts

    /// How large objects and their parts may be.
    var uploadLimits: UploadLimits { get }

    /// Begins to write an object in parts; nothing is visible before ``complete(_:_:condition:)``.
    ///
    /// The corresponding S3 operation is `CreateMultipartUpload`.
    func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload

    /// Writes one part; one of the same number that was written before is replaced.
    ///
    /// - Throws: ``StorageError/Code/notFound`` if there is no such upload.
    ///
    /// The corresponding S3 operation is `UploadPart`.
    func writePart(_ number: Int, of upload: Upload, _ body: ByteSlice) throws(StorageError) -> UploadedPart

    /// Makes one part of bytes that the bucket has already, without them leaving the store.
    ///
    /// - Parameters:
    ///   - number: The number of the part, from 1 on.
    ///   - upload: The object that is being written.
    ///   - source: The object whose bytes are copied.
    ///   - range: Which of them, the end excluded; not empty, and inside the object.
    ///   - version: The version of the source that must be copied.
    /// - Throws: ``StorageError/Code/changed`` if the source is no longer `version`,
    ///   ``StorageError/Code/unsupported`` if the store can't do this.
    ///
    /// The corresponding S3 operation is `UploadPartCopy`.
    func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart

    /// Puts the parts together, in the order of their numbers; the object becomes visible, and the upload is over.
    ///
    /// - Parameters:
    ///   - upload: The object that was written.
    ///   - parts: At least one part; all but the last hold ``UploadLimits/smallestPart`` bytes or more.
    ///   - condition: What must hold for the object to be written. A store that can only look before it writes does so.
    ///
    /// - Returns: The object, where the store knows it by then. If not, ``info(_:)`` asks for it, for which some
    ///   services read all of it again.
    ///
    /// The corresponding S3 operation is `CompleteMultipartUpload`.
    @discardableResult
    func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload

    /// Gives an upload up, and its parts; one that is not there is given up already.
    ///
    /// The corresponding S3 operation is `AbortMultipartUpload`.
    func abort(_ upload: Upload) throws(StorageError)

    /// The uploads that were begun and are not over, of keys that begin with a prefix.
    ///
    /// The corresponding S3 operation is `ListMultipartUploads`.
    func uploads(prefix: String) throws(StorageError) -> [PendingUpload]

    /// The parts that the store has of an upload, in the order of their numbers.
    ///
    /// - Throws: ``StorageError/Code/notFound`` if there is no such upload,
    ///   ``StorageError/Code/unsupported`` if the store can't tell.
    ///
    /// The corresponding S3 operation is `ListParts`.
    func parts(of upload: Upload) throws(StorageError) -> [UploadedPart]
}

/// An object that is an open file of this machine.
package protocol OpenObject: AnyObject, Sendable {
    /// Is closed with this.
    var descriptor: Int32 { get }

    /// Looks whether the file is the version still that was opened.
    ///
    /// - Throws: ``StorageError/Code/changed`` if it is not: what was read of it may be of two versions.
    func refuseChange() throws(StorageError)
}

extension ObjectStore {
    package var sinkMayBlock: Bool { false }

    package func delete(_ keys: [ObjectKey]) throws(StorageError) -> [Undeleted] { try deleteEach(keys) }

    /// Deletes objects one by one.
    ///
    /// - Returns: Those that could not be deleted.
    /// - Throws: What would be the same for all.
    package func deleteEach(_ keys: [ObjectKey]) throws(StorageError) -> [Undeleted] {
        var undeleted: [Undeleted] = []
        for key in keys {
            do throws(StorageError) {
                try delete(key)
            } catch {
                guard error.code != .noSuchBucket, error.code != .credentials else { throw error }
                undeleted.append(Undeleted(key: key, error: error))
            }
        }
        return undeleted
    }

    package var reference: BucketReference? { nil }

    package func copy(
        _ source: ObjectKey, of bucket: BucketReference, ifVersion version: ETag, to target: ObjectKey
    ) throws(StorageError) -> ObjectInfo {
        throw StorageError(.unsupported, "this store copies from no other bucket")
    }

    package func file(_ key: ObjectKey, ifVersion version: ETag) throws(StorageError) -> (any OpenObject)? { nil }

    package func parts(of upload: Upload) throws(StorageError) -> [UploadedPart] {
        throw StorageError(.unsupported, "this store does not tell which parts it has")
    }

    /// Reads part of an object into memory; see ``read(_:range:ifVersion:into:)``.
    ///
    /// - Throws: What the read with a sink throws.
    package func read(
        _ key: ObjectKey, range: Range<Int64>? = nil, ifVersion version: ETag? = nil
    ) throws(StorageError) -> [UInt8] {
        var bytes: [UInt8] = []
        try read(key, range: range, ifVersion: version) { part in
            bytes.append(contentsOf: part)
            return true
        }
        return bytes
    }

    /// Writes a whole object whatever was there before.
    ///
    /// - Throws: What the write with a condition throws.
    @discardableResult
    package func write(_ key: ObjectKey, _ body: some Sequence<UInt8>) throws(StorageError) -> ObjectInfo {
        try write(key, ByteSlice(body), attributes: ObjectAttributes(), condition: .always)
    }
}
