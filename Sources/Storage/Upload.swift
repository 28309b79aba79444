/// An object that is being written in parts.
package struct Upload: Hashable, Sendable {
    package let key: ObjectKey
    /// What the store calls it.
    package let id: String

    package init(key: ObjectKey, id: String) {
        self.key = key
        self.id = id
    }
}

/// An upload that was begun and is not over.
package struct PendingUpload: Hashable, Sendable {
    package let upload: Upload
    /// When it was begun, as the store's clock had it; `nil` if the store does not tell.
    package let begun: Timestamp?

    package var key: ObjectKey { upload.key }

    package init(_ upload: Upload, begun: Timestamp?) {
        self.upload = upload
        self.begun = begun
    }
}

/// A part that the store has.
package struct UploadedPart: Hashable, Sendable {
    /// Its place among the parts, from 1 on; numbers may be left out.
    package let number: Int
    package let etag: ETag
    /// Its length, in bytes.
    package let size: Int64

    package init(number: Int, etag: ETag, size: Int64) {
        self.number = number
        self.etag = etag
        self.size = size
    }
}

/// What has become of the parts of an upload.
package enum CompletedUpload: Hashable, Sendable {
    /// An object that the store knows.
    case object(ObjectInfo)
    /// An object that must be asked for. With some services this version is another word for the one it has.
    case named(ETag)

    /// The object, if the store knows it.
    package var object: ObjectInfo? { if case .object(let info) = self { info } else { nil } }
}

/// How large objects and their parts may be, in bytes.
package struct UploadLimits: Hashable, Sendable {
    /// The smallest part that need not be the last.
    package var smallestPart: Int64
    package var largestPart: Int64
    /// The highest number of a part.
    package var parts: Int
    package var largestObject: Int64
    /// How many bytes a key has at most.
    package var longestKey = 1024

    package init(smallestPart: Int64, largestPart: Int64, parts: Int, largestObject: Int64) {
        self.smallestPart = smallestPart
        self.largestPart = largestPart
        self.parts = parts
        self.largestObject = largestObject
    }

    /// Those of Amazon S3.
    package static let s3 = UploadLimits(
        smallestPart: 5 << 20, largestPart: 5 << 30, parts: 10_000, largestObject: 5 << 40)
}
