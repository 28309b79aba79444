package import Bytes

/// A store of which nothing can be asked but to read objects that are known by name.
package protocol ReadOnlyStore: ObjectStore {}

extension ReadOnlyStore {
    private static var refusal: StorageError { StorageError(.unsupported, "this store can only be read from") }

    package var uploadLimits: UploadLimits { .s3 }

    package func list(_ request: ListingRequest) throws(StorageError) -> ListingPage { throw Self.refusal }

    package func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo { throw Self.refusal }

    package func delete(_ key: ObjectKey) throws(StorageError) { throw Self.refusal }

    package func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo { throw Self.refusal }

    package func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload {
        throw Self.refusal
    }

    package func writePart(
        _ number: Int, of upload: Upload, _ body: ByteSlice
    ) throws(StorageError) -> UploadedPart { throw Self.refusal }

    package func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart { throw Self.refusal }

    package func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload { throw Self.refusal }

    package func abort(_ upload: Upload) throws(StorageError) { throw Self.refusal }

    package func uploads(prefix: String) throws(StorageError) -> [PendingUpload] { throw Self.refusal }
}
