/// All buckets of one owner at one service.
package protocol StoreAccount: Sendable {
    /// The URL of the account, for messages: `s3:`.
    var name: String { get }

    /// Lists the buckets, in the order of their names.
    ///
    /// The corresponding S3 operation is `ListBuckets`.
    func buckets() throws(StorageError) -> [BucketInfo]

    /// The store of one bucket, whether or not it is there.
    func bucket(_ name: String) throws(StorageError) -> any ObjectStore
}

/// What an account says of one of its buckets.
package struct BucketInfo: Hashable, Sendable {
    package let name: String
    package let created: Timestamp

    package init(name: String, created: Timestamp) {
        self.name = name
        self.created = created
    }
}
