import Storage
import Synchronization
import Threads

/// The buckets of an account; each one's store is opened when something is first asked of it.
final class Buckets: Sendable {
    private struct State {
        var open: [String: Bucket] = [:]
        var list: [BucketInfo] = []
        var expires: ContinuousClock.Instant?
    }

    private let account: any StoreAccount
    private let options: EngineOptions
    private let state = Monitor(State())

    init(_ account: any StoreAccount, options: EngineOptions) {
        self.account = account
        self.options = options
    }

    /// The URL of the account.
    var name: String { account.name }

    /// All buckets, and until when that may be believed.
    func list() throws(StorageError) -> (buckets: [BucketInfo], expires: ContinuousClock.Instant) {
        let now = ContinuousClock.now
        let known = state.withLock { state in
            state.expires.flatMap { $0 > now ? (state.list, $0) : nil }
        }
        if let known { return known }
        let list = try account.buckets()
        let expires = now + options.metadataTTL
        state.withLock { state in
            state.list = list
            state.expires = expires
        }
        return (list, expires)
    }

    /// A bucket, if the account has it, and until when that may be believed.
    ///
    /// Who may not list the buckets may still use one whose name is known.
    func find(_ name: String) throws(StorageError) -> (bucket: Bucket, expires: ContinuousClock.Instant)? {
        do throws(StorageError) {
            let (list, expires) = try list()
            guard list.contains(where: { sameBytes($0.name, name) }) else { return nil }
            return (try bucket(name), expires)
        } catch {
            guard error.code == .accessDenied else { throw error }
        }
        let expires = ContinuousClock.now + options.metadataTTL
        let bucket = try bucket(name)
        do throws(StorageError) {
            _ = try bucket.store.list(ListingRequest(isDelimited: true, limit: 1))
            return (bucket, expires)
        } catch {
            guard error.code == .noSuchBucket else { throw error }
            return nil
        }
    }

    /// A bucket by its name, whether or not it is there.
    func bucket(_ name: String) throws(StorageError) -> Bucket {
        if let known = state.withLock({ $0.open[name] }) { return known }
        let store = try account.bucket(name)
        return state.withLock { state in
            if let known = state.open[name] { return known }
            let bucket = Bucket(name: name, store: store, options: options)
            state.open[name] = bucket
            return bucket
        }
    }
}
