import Bytes

/// The name of one version of an object's content, as its store gave it, without the quotation marks of HTTP.
package struct ETag: Hashable, Sendable, CustomStringConvertible {
    package let string: String

    package init(_ string: String) { self.string = string }

    package var description: String { string }

    /// The MD5 that this may be: 32 digits; whether it is one, only the store knows.
    package var md5: [UInt8]? { string.utf8.count == 32 ? Hex.bytes(string) : nil }
}

/// A moment, in nanoseconds since 1970-01-01 00:00:00 UTC.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// A moment in whole seconds; one that does not fit becomes the nearest that does.
    package init(seconds: Int64) {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        nanoseconds = overflow ? (seconds < 0 ? .min : .max) : product
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.nanoseconds < right.nanoseconds }
}

/// What an object carries beside its content.
package struct ObjectAttributes: Hashable, Sendable {
    /// The media type; `nil` leaves it to the store.
    package var contentType: String?
    /// The user's own names and values; names are in lower case, without a service's prefix.
    package var metadata: [String: String]
    /// What HTTP says of content beside its type, of the names in ``handedOn``.
    package var headers: [String: String] = [:]

    /// The headers, in lower case, that stores keep and hand on to whoever fetches an object.
    package static let handedOn = [
        "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
    ]

    package init(contentType: String? = nil, metadata: [String: String] = [:]) {
        self.contentType = contentType
        self.metadata = metadata
    }
}

/// What a store says of an object.
package struct ObjectInfo: Hashable, Sendable {
    package let key: ObjectKey
    /// The length of the content, in bytes.
    package let size: Int64
    package let etag: ETag
    /// When this version was written, as the store's clock had it.
    package let modified: Timestamp
    /// What the object carries; `nil` where a listing did not say.
    package let attributes: ObjectAttributes?
    /// The MD5 of the content, where the store is known to have told it; 16 bytes.
    package var contentMD5: [UInt8]?

    package init(
        key: ObjectKey, size: Int64, etag: ETag, modified: Timestamp, attributes: ObjectAttributes? = nil
    ) {
        self.key = key
        self.size = size
        self.etag = etag
        self.modified = modified
        self.attributes = attributes
    }
}

/// What must hold for an object to be written.
package enum WriteCondition: Hashable, Sendable {
    case always
    /// There is no such object. The corresponding HTTP header is `If-None-Match: *`.
    case absent
    /// The object is still this version. The corresponding HTTP header is `If-Match`.
    case unchanged(ETag)
}

extension ObjectInfo {
    /// The same with what it carries; `nil` says nothing of that.
    package func carrying(_ attributes: ObjectAttributes?) -> ObjectInfo {
        ObjectInfo(key: key, size: size, etag: etag, modified: modified, attributes: attributes)
    }
}
