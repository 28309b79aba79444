import Storage
import Synchronization

/// One bucket that is mounted: its store, and what is known of its keys.
final class Bucket: Sendable {
    /// Its name in the account; empty where the bucket is the whole mount.
    let name: String
    let store: any ObjectStore
    let listings: Listings
    private let retired = Mutex<Set<Version>>([])

    private struct Version: Hashable {
        let key: ObjectKey
        let etag: ETag
    }

    init(name: String, store: any ObjectStore, options: EngineOptions) {
        self.name = name
        self.store = store
        listings = Listings(store: store, ttl: options.metadataTTL, absenceTTL: options.absenceTTL)
    }

    /// Remembers that a version is no longer the one in the store, and forgets what was known of its folder.
    func retire(_ object: ObjectInfo) {
        retired.withLock { versions in
            // The kernel asks for a new version at once; what is long past need not be remembered.
            if versions.count >= 1024 { versions.removeAll() }
            versions.insert(Version(key: object.key, etag: object.etag))
        }
        listings.forget(object.key)
    }

    /// Notes that the store has just named a version; it may be an old one that was put back.
    func confirm(_ object: ObjectInfo) {
        retired.withLock { versions in
            guard !versions.isEmpty else { return }
            versions.remove(Version(key: object.key, etag: object.etag))
        }
    }

    /// Whether the store was seen to have another version since it named this one.
    func isRetired(_ object: ObjectInfo) -> Bool {
        retired.withLock { versions in
            !versions.isEmpty && versions.contains(Version(key: object.key, etag: object.etag))
        }
    }
}
