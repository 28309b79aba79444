package import Storage
import Transport

/// All buckets of the owner of some credentials.
package struct S3Account: StoreAccount {
    private let service: S3Service
    private let wrap: @Sendable (S3Store) -> any ObjectStore

    /// Makes the account.
    ///
    /// - Parameter wrap: Puts around each bucket's store what should be around it.
    package init(_ service: S3Service, wrap: @escaping @Sendable (S3Store) -> any ObjectStore = { $0 }) {
        self.service = service
        self.wrap = wrap
    }

    package var name: String { "s3:" }

    package func buckets() throws(StorageError) -> [BucketInfo] {
        let (_, body) = try service.send(.init(method: .get))
        guard let document = XMLElement.parse(body), document.name == "ListAllMyBucketsResult" else {
            throw StorageError(.corrupted, "the service's list of buckets is damaged")
        }
        let buckets = (document["Buckets"]?.all("Bucket") ?? []).compactMap { element in
            element["Name"].map { name in
                BucketInfo(
                    name: name.text,
                    created: element["CreationDate"].flatMap { Dates.iso8601($0.text) } ?? Timestamp(nanoseconds: 0))
            }
        }
        return buckets.sorted { $0.name < $1.name }
    }

    package func bucket(_ name: String) throws(StorageError) -> any ObjectStore {
        wrap(S3Store(service, bucket: name))
    }
}
