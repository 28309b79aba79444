import Glibc
import Synchronization
import Threads

/// Waits for signals that ask this process to end, on a thread of its own.
///
/// The corresponding C function is `sigwait`.
final class Interrupts: Sendable {
    private let state = Mutex(0)
    private let handler: @Sendable (Int) -> Void

    init(_ handler: @escaping @Sendable (Int) -> Void) { self.handler = handler }

    /// How many have come.
    var count: Int { state.withLock { $0 } }

    /// Begins to watch; from here on these signals end nothing by themselves.
    func watch() {
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(signal) { sigaddset(&signals, signal) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let watched = signals
        Thread.start("objfs-signals") { self.wait(for: watched) }?.detach()
    }

    private func wait(for signals: sigset_t) {
        var signals = signals
        while true {
            var signal: Int32 = 0
            guard sigwait(&signals, &signal) == 0 else { return }
            let count = state.withLock { count in
                count += 1
                return count
            }
            handler(count)
            guard count == 1 else { continue }
            // Who does not end in time is made to.
            Thread.start("objfs-grace") {
                sleep(5)
                self.handler(2)
            }?.detach()
        }
    }

    /// Whether the signal was ignored when this process started, as for a job in the background of a script.
    private func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        sigaction(signal, nil, &action)
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }
}
