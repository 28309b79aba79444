import Glibc
package import Storage
import Synchronization
import Threads

/// Credentials that are kept until shortly before they expire, and got anew by one thread for all.
///
/// They are got anew before their time too, if the service refuses them.
/// That there are none is believed for a while only, and not at all where there were some:
/// a service that gives credentials may be silent for a moment, and requests would go out as nobody's.
package final class RefreshingCredentials: CredentialSource {
    private enum State {
        case empty
        case refreshing(old: Known?)
        case known(Known)
    }

    /// What the source gave, and when.
    private struct Known {
        let credentials: Credentials?
        let since: Timestamp
        /// Whether they were refused before, and there were no others.
        var isWithoutOthers = false
    }

    private let base: any CredentialSource
    private let now: @Sendable () -> Timestamp
    private let state = Monitor(State.empty)
    private let hadSome = Atomic(false)

    /// How long before they expire they are got anew at most, in nanoseconds.
    private static let early: Int64 = 300 * 1_000_000_000
    /// How long after the last time the source is asked again for others than those it gave, in nanoseconds.
    private static let pause: Int64 = 10 * 1_000_000_000
    /// For how long it is believed that there are none, in nanoseconds.
    private static let doubt: Int64 = 30 * 1_000_000_000

    package init(
        _ base: any CredentialSource,
        now: @escaping @Sendable () -> Timestamp = { Timestamp(seconds: Int64(time(nil))) }
    ) {
        self.base = base
        self.now = now
    }

    package var name: String { base.name }

    package func credentials() throws(StorageError) -> Credentials? {
        let known = state.wait { state -> Known?? in
            switch state {
            case .known(let known) where isFresh(known): return .some(known)
            case .known(let known): state = .refreshing(old: known)
            case .empty: state = .refreshing(old: nil)
            // What is still good serves while another thread gets new ones.
            case .refreshing(let old):
                guard let old, isGood(old) else { return nil }
                return .some(old)
            }
            return .some(nil)
        }
        if let known { return known.credentials }
        return try refresh()
    }

    package func credentials(insteadOf refused: Credentials) throws(StorageError) -> Credentials? {
        let isAsking = state.update { state -> Bool in
            guard case .known(let known) = state, known.credentials == refused,
                !known.isWithoutOthers || now().nanoseconds - known.since.nanoseconds >= Self.pause
            else { return false }
            state = .refreshing(old: nil)
            return true
        }
        let others = try isAsking ? refresh(insteadOf: refused) : credentials()
        return others == refused ? nil : others
    }

    private func refresh(insteadOf refused: Credentials? = nil) throws(StorageError) -> Credentials? {
        do throws(StorageError) {
            let credentials = try ask()
            let known = Known(
                credentials: credentials, since: now(), isWithoutOthers: refused != nil && refused == credentials)
            state.update { $0 = .known(known) }
            return credentials
        } catch {
            let old = state.update { state -> Known? in
                guard case .refreshing(let old?) = state, old.credentials != nil, isGood(old) else {
                    state = .empty
                    return nil
                }
                state = .known(old)
                return old
            }
            guard let old else { throw error }
            return old.credentials
        }
    }

    /// What the source gives, which must be something once it has given some.
    private func ask() throws(StorageError) -> Credentials? {
        if let credentials = try base.credentials() {
            hadSome.store(true, ordering: .relaxed)
            return credentials
        }
        guard !hadSome.load(ordering: .relaxed) else {
            throw StorageError(
                .credentials, "there are no credentials any more", hint: "objfs doctor tells where they are from")
        }
        return nil
    }

    /// Whether there is time left before others are wanted: five minutes, or half of what there was.
    private func isFresh(_ known: Known) -> Bool {
        guard let credentials = known.credentials else {
            return now().nanoseconds - known.since.nanoseconds < Self.doubt
        }
        guard let expires = credentials.expires else { return true }
        let life = expires.nanoseconds.subtractingReportingOverflow(known.since.nanoseconds).partialValue
        let early = min(Self.early, max(life / 2, 0))
        return now().nanoseconds < expires.nanoseconds.subtractingReportingOverflow(early).partialValue
    }

    private func isGood(_ known: Known) -> Bool {
        known.credentials?.expires.map { now() < $0 } ?? true
    }
}
