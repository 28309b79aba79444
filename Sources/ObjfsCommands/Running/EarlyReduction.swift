import ObjfsRunner
import Threads

/// Reducers that begin while tasks still run, beside them: what they find out is kept, and nobody sees it before the end.
///
/// If a task fails they are ended, and have done nothing.
final class EarlyReduction: Sendable {
    private struct State {
        var done = 0
        var runner: Runner?
        var thread: Thread?
        var isCancelled = false
    }

    private let round: Reduction.Round
    private let threshold: Int
    private let makeRunner: @Sendable () -> Runner
    private let state = Monitor(State())

    /// Makes reducers that have not begun.
    ///
    /// - Parameters:
    ///   - round: The first round of the reduction.
    ///   - threshold: How many tasks must be done before they begin.
    ///   - makeRunner: Makes what runs them.
    init(_ round: Reduction.Round, threshold: Int, makeRunner: @escaping @Sendable () -> Runner) {
        self.round = round
        self.threshold = threshold
        self.makeRunner = makeRunner
    }

    /// Takes notice of a task that has ended.
    func note(_ record: TaskRecord) {
        guard !record.outcome.isFailure else { return cancel() }
        round.add(record.task)
        state.update { state in
            state.done += 1
            guard state.done >= threshold, state.runner == nil, !state.isCancelled else { return }
            let runner = makeRunner()
            state.runner = runner
            // Why it can't be run is said by those that run when all tasks are done.
            state.thread = Thread.start("objfs-reduce") { _ = try? runner.run() }
        }
    }

    /// Ends the reducers.
    func cancel() {
        round.cancel()
        state.update { $0.isCancelled = true }
        state.withLock { $0.runner }?.stop(forcibly: true)
    }

    /// Waits until the reducers have ended.
    func wait() { state.withLock { $0.thread }?.join() }
}
