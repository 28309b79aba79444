import CLinux
import Glibc
import Processes
import Storage
import Threads

/// Runs a command once for each task of a plan that has no record yet, some at a time, on this machine.
package final class Runner: Sendable {
    private struct State {
        var schedule: Schedule
        var records: [TaskRecord] = []
        var failed = 0
        var fatal: RunError?
        /// Counts what happens, for threads that wait for something to happen.
        var events = 0
    }

    private let plan: Plan
    private let options: RunOptions
    private let folder: JobFolder
    private let context: RunContext
    private let claims: Claims?
    private let observer: @Sendable (TaskRecord) -> Void
    private let state: Monitor<State>

    /// How often a task is run again that a store let down, at least.
    private static let storeRetries = 3

    /// Makes a job.
    ///
    /// - Parameters:
    ///   - plan: What is to be done.
    ///   - template: The command.
    ///   - options: How.
    ///   - folder: Where records and outputs are kept.
    ///   - known: How those tasks have ended that have already.
    ///   - claims: If others run tasks of the same job: how they agree on who runs which.
    ///   - sink: Where the output goes, that of the known ones too.
    ///   - observer: Is told of each task that has ended, by any thread.
    package init(
        _ plan: Plan, _ template: CommandTemplate, options: RunOptions, folder: JobFolder,
        known: [TaskRecord] = [], claims: Claims? = nil, sink: OutputSink,
        observer: @escaping @Sendable (TaskRecord) -> Void = { _ in }
    ) {
        self.plan = plan
        self.options = options
        self.folder = folder
        self.observer = observer
        context = RunContext(plan, template, options, folder, sink)
        let ended = Set(known.map(\.task))
        let missing = (claims?.order(plan.tasks.count) ?? Array(plan.tasks.indices)).filter { !ended.contains($0) }
        self.claims = claims
        state = Monitor(State(schedule: Schedule(missing, options), records: known))
    }

    /// Runs all tasks that are missing, and returns how each of those has ended that were started ever.
    ///
    /// - Throws: Why the job could not be run: the command can't be started, or output can't be kept.
    package func run() throws(RunError) -> [TaskRecord] {
        if options.output != .kept {
            for record in state.withLock({ $0.records }) { show(TaskOutput(record, in: folder), of: record.task) }
        }
        let count = min(max(options.parallelism, 1), max(plan.tasks.count, 1))
        let threads = (0..<count).compactMap { slot in Thread.start("objfs-task") { self.work(slot) } }
        // Where the system allows no thread, this one does the work.
        if threads.isEmpty { work(0) }
        for thread in threads { thread.join() }
        let (records, fatal) = state.withLock { ($0.records, $0.fatal) }
        if let fatal { throw fatal }
        if let failure = context.presenter.failure { throw failure }
        return records.sorted { $0.task < $1.task }
    }

    /// Ends the job: no more tasks start, and those that run are asked to end, or made to.
    package func stop(forcibly: Bool) {
        context.stop(forcibly ? SIGKILL : SIGTERM)
        state.update { $0.events += 1 }
    }

    /// How many tasks run now.
    package var running: Int { state.withLock { $0.schedule.runs } }

    // MARK: The threads

    private func work(_ slot: Int) {
        // On Linux this concerns the calling thread, and what it starts.
        if options.nice != 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, options.nice) }
        while let start = take() { perform(start, slot) }
    }

    private func take() -> Schedule.Start? {
        while !context.isStopped {
            if let load = options.load, isLoaded(above: load) {
                sleep(atMost: .milliseconds(500))
                continue
            }
            let (next, events) = state.withLock { state in
                (state.schedule.take { context.durations.median }, state.events)
            }
            switch next {
            case .run(let start):
                if isOurs(start) { return start }
            case .end: return nil
            case .wait(let time):
                let slice = min(time, .milliseconds(500))
                _ = state.wait(atMost: slice) { $0.events != events ? true : nil }
            }
        }
        return nil
    }

    /// Whether this worker may run a task; one that another has is dropped.
    private func isOurs(_ start: Schedule.Start) -> Bool {
        guard let claims, start.attempt == 1 else { return true }
        do throws(StorageError) {
            if try claims.take(start.task) { return true }
        } catch {
            fail(RunError("the job's folder can't be written: \(error.message)", hint: error.hint))
        }
        state.update { state in
            _ = state.schedule.end(start)
            state.events += 1
        }
        return false
    }

    private func isLoaded(above limit: Double) -> Bool {
        var loads = [0.0]
        return getloadavg(&loads, 1) == 1 && loads[0] > limit && running > 0
    }

    private func sleep(atMost time: Duration) {
        let events = state.withLock { $0.events }
        _ = state.wait(atMost: time) { $0.events != events ? true : nil }
    }

    private func perform(_ start: Schedule.Start, _ slot: Int) {
        let task = plan.tasks[start.task]
        let output = TaskOutput(
            task.number, in: folder, names: options.partNames, tag: options.isTagged ? task.label + "\t" : "")
        let (moment, begin) = (Timestamp.now, ContinuousClock.now)
        // Output that has been seen can't be taken back, so a task that may be run again keeps its own.
        let isDirect = options.output == .ordered && options.retries == 0 && !options.speculates
        let attempt = Attempt(
            task: task, number: start.attempt, process: start.process, context: context, output: output,
            isDirect: isDirect)
        let result = attempt.run()
        output.finish()
        var record = TaskRecord(task: task.number, outcome: outcome(result, output))
        record.attempts = start.attempt
        record.begin = moment
        record.time = begin.duration(to: .now)
        record.how = result.ending?.how
        record.processorTime = result.ending?.processorTime ?? .zero
        record.peakMemory = Self.memory(of: result.ending)
        record.bytesIn = task.late?.count ?? task.count
        record.requests = attempt.meter.requests
        record.worker = "\(options.worker)/\(slot)"
        record.isSpeculative = start.isSpeculative || options.late.contains(task.number)
        record.isFatal = result.isFatal || isMissing(result)
        record.errors = String(decoding: result.errors, as: UTF8.self)
        output.describe(in: &record)
        end(start, record, output, result)
    }

    /// The memory of a program; 0 if it is less than this one's own, in whose memory the system counts it at first.
    ///
    /// The corresponding C function is `getrusage`.
    private static func memory(of ending: Ending?) -> Int64 {
        var own = rusage()
        guard let ending, getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &own) == 0 else { return 0 }
        return ending.peakMemory > Int64(own.ru_maxrss) * 1024 ? ending.peakMemory : 0
    }

    // MARK: Its end

    private func end(_ start: Schedule.Start, _ record: TaskRecord, _ output: TaskOutput, _ result: Attempt.Result) {
        // Another run of the task was faster.
        if start.process.isEnded, !context.isStopped { return output.discard() }
        if isToBeTriedAgain(start, record, result, output) { return output.discard() }
        if record.outcome == .cancelled {
            if settle(start, record) { show(output, of: record.task) }
            return
        }
        do throws(StorageError) {
            let isOurs = try folder.commit(record)
            if isOurs { output.isRecorded(as: record.task) } else { output.discard() }
            guard let counted = isOurs ? record : try folder.record(record.task) else { return }
            guard settle(start, counted) else { return }
            show(isOurs ? output : TaskOutput(counted, in: folder), of: record.task)
            judge(counted, result)
        } catch {
            fail(RunError("the job's folder can't be written: \(error.message)", hint: error.hint))
        }
    }

    /// Whether the task has another chance, which is then taken.
    private func isToBeTriedAgain(
        _ start: Schedule.Start, _ record: TaskRecord, _ result: Attempt.Result, _ output: TaskOutput
    ) -> Bool {
        guard case .failed = record.outcome, !result.isFatal, !context.isStopped, !isMissing(result),
            output.isHidden
        else { return false }
        let allowed = result.isStoreFailure ? max(options.retries, Self.storeRetries) : options.retries
        let pause = Duration.milliseconds(200 * (1 << min(max(start.attempt - 1, 0), 6)))
        return state.update { state in
            let mayAgain = start.attempt <= allowed && !start.isSpeculative
            guard mayAgain || state.schedule.hasOther(start) else { return false }
            state.schedule.retry(start, after: mayAgain ? pause : nil)
            state.events += 1
            return true
        }
    }

    /// Notes how a task has ended; whether it had not before.
    private func settle(_ start: Schedule.Start, _ record: TaskRecord) -> Bool {
        let others = state.update { state -> [Schedule.Start]? in
            state.events += 1
            guard let others = state.schedule.end(start) else { return nil }
            state.records.append(record.shortened)
            if record.outcome.isFailure { state.failed += 1 }
            return others
        }
        guard let others else { return false }
        for other in others { other.process.end(SIGKILL) }
        if !record.outcome.isFailure { context.durations.add(record.time) }
        observer(record)
        return true
    }

    private func judge(_ record: TaskRecord, _ result: Attempt.Result) {
        guard case .failed(let reason) = record.outcome else { return }
        let label = plan.tasks[record.task].label
        if record.isFatal {
            fail(RunError(result.isFatal ? reason : "\(label): the command can't be run (\(reason))"))
        } else if let limit = options.failureLimit?.count(of: plan.tasks.count),
            state.withLock({ $0.failed }) > limit
        {
            stop(forcibly: false)
        }
    }

    /// A command that the shell could not find, or not run, will not be found the next time either.
    private func isMissing(_ result: Attempt.Result) -> Bool {
        let how = result.ending?.how
        return result.reason == nil && (how == .exited(127) || how == .exited(126))
    }

    private func outcome(_ result: Attempt.Result, _ output: TaskOutput) -> TaskRecord.Outcome {
        if result.isFatal { return .failed(result.reason ?? "") }
        if let failure = output.failure { return .failed("its output can't be kept: \(failure.message)") }
        let isEnded = context.isStopped
        if isEnded, result.ending?.isSuccess != true { return .cancelled }
        if let reason = result.reason { return .failed(reason) }
        let limit = isMissing(result) ? "" : result.limit.map { " (\($0))" } ?? ""
        switch result.ending?.how {
        case .exited(let status) where options.goodStatuses.contains(status): return .succeeded
        case .exited(1) where options.oneIsNoMatch: return .nothingFound
        case .exited(let status): return .failed("exit status \(status)\(limit)")
        case .killed(let signal): return .failed("killed by signal \(signal)\(limit)")
        case nil: return .failed("it could not be run")
        }
    }

    private func fail(_ error: RunError) {
        state.update { $0.fatal = $0.fatal ?? error }
        stop(forcibly: false)
    }

    // MARK: Its output

    private func show(_ output: TaskOutput, of task: Int) {
        context.presenter.show(output, of: task)
        if context.presenter.failure != nil || context.sink.failure != nil { stop(forcibly: false) }
    }
}
