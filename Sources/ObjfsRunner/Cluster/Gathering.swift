import Storage
import Synchronization

/// Takes what workers elsewhere have done from the job's folder, and brings the output to the person.
package final class Gathering: Sendable {
    private struct State {
        var missing: Set<Int>
        /// The first task that is missing.
        var first = 0
        var records: [TaskRecord]
        var failed = 0
    }

    private let plan: Plan
    private let options: RunOptions
    private let folder: JobFolder
    private let presenter: OutputPresenter
    private let sink: OutputSink
    private let observer: @Sendable (TaskRecord) -> Void
    private let state: Mutex<State>

    package init(
        _ plan: Plan, options: RunOptions, folder: JobFolder, known: [TaskRecord], sink: OutputSink,
        observer: @escaping @Sendable (TaskRecord) -> Void
    ) {
        self.plan = plan
        self.options = options
        self.folder = folder
        self.sink = sink
        self.observer = observer
        presenter = OutputPresenter(options.output, of: plan.tasks.count, sink)
        let missing = Set(plan.tasks.indices).subtracting(known.map(\.task))
        state = Mutex(State(missing: missing, records: known))
        for record in known { presenter.show(TaskOutput(record, in: folder), of: record.task) }
    }

    /// The tasks that have no record yet.
    package var missing: Set<Int> { state.withLock { $0.missing } }

    /// The number of all tasks.
    package var count: Int { plan.tasks.count }

    /// How people call a task.
    package func label(_ task: Int) -> String { plan.tasks[task].label }

    /// How long half of the tasks took at most that have ended well; `nil` as long as there are too few.
    package var median: Duration? {
        let times = state.withLock { $0.records.filter { !$0.outcome.isFailure }.map(\.time) }.sorted()
        return times.count < 3 ? nil : times[times.count / 2]
    }

    /// How all tasks have ended that have, in order.
    package var records: [TaskRecord] { state.withLock { $0.records }.sorted { $0.task < $1.task } }

    /// Whether nobody wants more of the output, or more failed than may.
    package var isToEnd: Bool {
        if sink.failure != nil { return true }
        guard let limit = options.failureLimit?.count(of: plan.tasks.count) else { return false }
        return state.withLock { $0.failed } > limit
    }

    /// Takes what is new.
    ///
    /// - Returns: How many tasks these were.
    /// - Throws: Why the job can't go on: the folder can't be read, the output not be written, the command not be run.
    package func look() throws(RunError) -> Int {
        let first = state.withLock { state in
            while state.first < plan.tasks.count, !state.missing.contains(state.first) { state.first += 1 }
            return state.first
        }
        var new: [Int] = []
        do throws(StorageError) {
            try folder.recorded(from: first) { number in
                if state.withLock({ $0.missing.contains(number) }) { new.append(number) }
            }
            for number in new { try take(number) }
        } catch  where error.code == .notFound {
            // Nobody has written anything yet.
        } catch {
            throw RunError("the job's folder can't be read: \(error.message)", hint: error.hint)
        }
        if let failure = presenter.failure { throw failure }
        let fatal = state.withLock { state in state.records.last(where: \.isFatal) }
        if let fatal, case .failed(let reason) = fatal.outcome {
            throw RunError("\(plan.tasks[fatal.task].label): the command can't be run (\(reason))")
        }
        return new.count
    }

    private func take(_ number: Int) throws(StorageError) {
        guard let record = try folder.record(number) else {
            // Who wrote it died in the middle.
            return try folder.forget(number)
        }
        state.withLock { state in
            state.missing.remove(number)
            state.records.append(record.shortened)
            if record.outcome.isFailure { state.failed += 1 }
        }
        presenter.show(TaskOutput(record, in: folder), of: number)
        observer(record)
    }
}
