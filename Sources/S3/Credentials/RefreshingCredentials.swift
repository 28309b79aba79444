import Glibc
package import Storage
import Threads

/// Credentials that are kept until shortly before they expire, and got anew by one thread for all.
package final class RefreshingCredentials: CredentialSource {
    private enum State {
        case empty
        case refreshing(old: Credentials?)
        case known(Credentials?)
    }

    private let base: any CredentialSource
    private let now: @Sendable () -> Timestamp
    private let state = Monitor(State.empty)

    /// How long before they expire they are got anew, in nanoseconds.
    private static let early: Int64 = 300 * 1_000_000_000

    package init(
        _ base: any CredentialSource,
        now: @escaping @Sendable () -> Timestamp = { Timestamp(seconds: Int64(time(nil))) }
    ) {
        self.base = base
        self.now = now
    }

    package var name: String { base.name }

    package func credentials() throws(StorageError) -> Credentials? {
        let known = state.wait { state -> Credentials??? in
            switch state {
            case .known(let credentials) where isFresh(credentials): return .some(.some(credentials))
            case .known(let credentials): state = .refreshing(old: credentials)
            case .empty: state = .refreshing(old: nil)
            // What is still good serves while another thread gets new ones.
            case .refreshing(let old): return old.flatMap { isGood($0) ? .some(.some($0)) : nil }
            }
            return .some(nil)
        }
        if let known { return known }
        return try refresh()
    }

    private func refresh() throws(StorageError) -> Credentials? {
        do throws(StorageError) {
            let credentials = try base.credentials()
            state.update { $0 = .known(credentials) }
            return credentials
        } catch {
            let old = state.update { state -> Credentials? in
                guard case .refreshing(let old?) = state, isGood(old) else {
                    state = .empty
                    return nil
                }
                state = .known(old)
                return old
            }
            guard let old else { throw error }
            return old
        }
    }

    private func isFresh(_ credentials: Credentials?) -> Bool {
        guard let expires = credentials?.expires else { return true }
        return now().nanoseconds < expires.nanoseconds - Self.early
    }

    private func isGood(_ credentials: Credentials) -> Bool {
        credentials.expires.map { now() < $0 } ?? true
    }
}
