import Glibc
import Synchronization

/// How often, how soon and how long something is tried again.
package struct Patience: Sendable {
    /// For how long a call may go on, from its start.
    package var limit: Duration
    /// For how long, where the store works on bytes that it has already, and may take its time before it fails.
    package var workLimit: Duration
    /// For how long, while the service has never answered at all: a wrong address should be told soon.
    package var limitBeforeAnswer: Duration
    /// How many times a call is made at most.
    package var attempts: Int
    /// The longest first pause; each later one may be twice as long.
    package var firstPause: Duration
    /// The longest pause there is; a store that asks for a longer one gets this.
    package var longestPause: Duration
    /// Sleeps; tests don't.
    package var sleep: @Sendable (Duration) -> Void
    /// The time; tests make their own.
    package var now: @Sendable () -> ContinuousClock.Instant

    package init(
        limit: Duration = .seconds(60), workLimit: Duration = .seconds(300),
        limitBeforeAnswer: Duration = .seconds(7), attempts: Int = 12,
        firstPause: Duration = .milliseconds(100), longestPause: Duration = .seconds(20),
        sleep: @escaping @Sendable (Duration) -> Void = Patience.sleep,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.limit = limit
        self.workLimit = workLimit
        self.limitBeforeAnswer = limitBeforeAnswer
        self.attempts = attempts
        self.firstPause = firstPause
        self.longestPause = longestPause
        self.sleep = sleep
        self.now = now
    }

    /// The pause before attempt `attempt + 1`: what the store asked for, or anything up to a limit that doubles.
    ///
    /// That the whole pause is random keeps many clients that failed together from coming back together.
    func pause(after attempt: Int, asked: Duration?) -> Duration {
        if let asked { return min(max(asked, .zero), longestPause) }
        let limit = min(firstPause * (1 << min(attempt - 1, 20)), longestPause)
        return limit * Double.random(in: 0...1)
    }

    /// The corresponding C function is `nanosleep`.
    package static let sleep: @Sendable (Duration) -> Void = { duration in
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        var left = timespec()
        while nanosleep(&time, &left) != 0, errno == EINTR { time = left }
    }
}
