/// A bucket, as another bucket of the same service names it when it copies from it.
package struct BucketReference: Hashable, Sendable {
    /// The service, and who asks it: buckets copy from each other only if this is the same.
    private let service: ObjectIdentifier
    /// The name of the bucket there.
    package let bucket: String

    /// Makes a reference that is good for as long as the service lives.
    package init(service: AnyObject, bucket: String) {
        self.service = ObjectIdentifier(service)
        self.bucket = bucket
    }

    /// Whether the other bucket is of the same service, and asked by the same owner.
    package func isNeighbour(of other: BucketReference) -> Bool { service == other.service }
}

/// An object that could not be deleted with others, and why.
package struct Undeleted: Sendable {
    package let key: ObjectKey
    package let error: StorageError

    package init(key: ObjectKey, error: StorageError) {
        self.key = key
        self.error = error
    }
}
