import Bytes
import Glibc
import ObjfsCluster
import ObjfsRunner
import Storage
import Synchronization
import Threads

/// A job in the hands of a person: shows its progress, ends it when it is interrupted, and says how it went.
final class RunSession: Sendable {
    private let job: Job
    private let plan: Plan
    private let progress: RunProgress
    private let log: JobLog?
    private let sink: OutputSink
    private let state = Monitor(State())

    private struct State {
        var runner: Runner?
        var clusterRun: ClusterRun?
        var early: EarlyReduction?
        var interrupts = 0
        var isOver = false
    }

    init(_ job: Job, progress style: ProgressStyle, log: JobLog?) {
        self.job = job
        plan = job.plan
        self.log = log
        let progress = RunProgress(job.plan, style)
        // On one terminal, output takes the place of the progress line, which comes back below it.
        let sharesTerminal = isatty(STDOUT_FILENO) == 1
        sink = OutputSink(descriptor: STDOUT_FILENO) { if sharesTerminal { progress.clear() } }
        self.progress = progress
    }

    /// Runs the job, and returns the status that it has.
    func run() throws -> ExitStatus {
        Interrupts(handle).watch()
        do throws(StorageError) {
            try job.folder.begin()
        } catch {
            throw Failure("run", "the job's folder", error)
        }
        let beats = Thread.start("objfs-heartbeat") { self.beat() }
        progress.start()
        let result = Result { () throws(Failure) in try stages() }
        progress.stop()
        state.update { $0.isOver = true }
        beats?.join()
        let isInterrupted = state.withLock { $0.interrupts } > 0
        switch result {
        case _ where isInterrupted:
            end(.interrupted, "it was interrupted", tasks: 0)
            Messages.warn("hint: objfs run --resume \(job.folder.id) does the rest")
            return .interrupted
        case _ where sink.failure == .closed:
            end(.impossible, "nobody read its output any more", tasks: 0)
            // As any filter ends whose reader has gone.
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
            return .impossible
        case .success(let outcome):
            end(outcome.status, "", stage: outcome.stage, tasks: outcome.tasks)
            return outcome.status
        case .failure(let failure):
            end(failure.status, failure.message, tasks: 0)
            throw failure
        }
    }

    private func end(_ status: ExitStatus, _ message: String, stage: String = "", tasks: Int) {
        let end = JobEnd(status: status.rawValue, message: message, stage: stage, tasks: tasks)
        do throws(StorageError) {
            try job.folder.put("end", end.text)
        } catch {
            Messages.warn("run: the job's folder can't be written: \(error.message)")
        }
    }

    // MARK: Its stages

    private struct Outcome {
        let status: ExitStatus
        var stage = ""
        var tasks: Int
    }

    private func stages() throws(Failure) -> Outcome {
        var options = job.options
        if job.reduction != nil { options.output = .kept }
        let early = try beginReduction()
        let records: [TaskRecord]
        do throws(Failure) {
            records = try map(options)
        } catch {
            early?.cancel()
            early?.wait()
            throw error
        }
        let status = self.status(of: records)
        let isWhole = records.count == plan.tasks.count && !records.contains { $0.outcome.isFailure }
        if !isWhole { early?.cancel() }
        early?.wait()
        guard let reduction = job.reduction, isWhole, state.withLock({ $0.interrupts }) == 0 else {
            return Outcome(status: status, tasks: plan.tasks.count)
        }
        return try reduce(reduction, status)
    }

    private func map(_ options: RunOptions) throws(Failure) -> [TaskRecord] {
        if let cluster = job.cluster { return try gather(cluster, options) }
        return try perform(plan, job.template, options, job.folder, known: job.known)
    }

    /// Makes reducers that begin before all tasks are done; `nil` if none should.
    private func beginReduction() throws(Failure) -> EarlyReduction? {
        guard let reduction = job.reduction, let share = reduction.beginsAt else { return nil }
        let round = try reduction.round(1, reduction.groups(plan), of: job.folder, job: job.folder, areReady: false)
        let known = try Job.known(round.folder)
        let (options, sink) = (reducing(isLast: false), sink)
        let early = EarlyReduction(round, threshold: Int((Double(plan.tasks.count) * share).rounded(.up))) {
            Runner(round.plan, reduction.template, options: options, folder: round.folder, known: known, sink: sink)
        }
        state.update { $0.early = early }
        return early
    }

    /// How reducers are run.
    private func reducing(isLast: Bool) -> RunOptions {
        var options = RunOptions()
        options.parallelism = job.options.parallelism
        options.retries = job.options.retries
        options.environment = job.options.environment
        options.folder = job.options.folder
        options.output = isLast ? job.options.output : .kept
        return options
    }

    private func reduce(_ reduction: Reduction, _ status: ExitStatus) throws(Failure) -> Outcome {
        var groups = reduction.groups(plan)
        var folder = job.folder
        for number in 1... {
            let round = try reduction.round(number, groups, of: folder, job: job.folder)
            let tasks = round.plan.tasks.count
            let reduced = try perform(
                round.plan, reduction.template, reducing(isLast: round.isLast), round.folder,
                known: try Job.known(round.folder), isTold: false)
            let failed = reduced.filter(\.outcome.isFailure).count
            if failed > 0 || reduced.count < tasks {
                Messages.warn("run: \(failed) of \(tasks) reducers failed")
                return Outcome(status: .failure, stage: "reduce-\(number)", tasks: tasks)
            }
            guard !round.isLast else { return Outcome(status: status, stage: "reduce-\(number)", tasks: tasks) }
            (groups, folder) = (round.groups, round.folder)
        }
        return Outcome(status: status, tasks: 0)
    }

    private func perform(
        _ plan: Plan, _ template: CommandTemplate, _ options: RunOptions, _ folder: JobFolder, known: [TaskRecord],
        isTold: Bool = true
    ) throws(Failure) -> [TaskRecord] {
        if isTold { noteKnown(known) }
        let runner = Runner(plan, template, options: options, folder: folder, known: known, sink: sink) { record in
            self.note(record, plan, template, isTold: isTold)
        }
        let isInterrupted = state.withLock { state in
            state.runner = runner
            return state.interrupts > 0
        }
        if isInterrupted { return [] }
        do {
            return try runner.run()
        } catch {
            throw Failure(.impossible, "run: \(error.message)", hint: error.hint)
        }
    }

    /// Has workers of a cluster run the tasks.
    private func gather(_ cluster: Cluster, _ options: RunOptions) throws(Failure) -> [TaskRecord] {
        noteKnown(job.known)
        let gathering = Gathering(plan, options: options, folder: job.folder, known: job.known, sink: sink) {
            [plan, job] record in self.note(record, plan, job.template, isTold: true)
        }
        do {
            let workers = try cluster.count(plan.tasks.count)
            let run = ClusterRun(
                cluster.engine, gathering, folder: job.folder, workers: workers,
                command: try cluster.command(job, workers: workers), interval: cluster.interval,
                shortestLate: job.shortestLate)
            let isInterrupted = state.withLock { state in
                state.clusterRun = run
                return state.interrupts > 0
            }
            return isInterrupted ? [] : try run.run()
        } catch let failure as Failure {
            throw failure
        } catch let error as RunError {
            throw Failure(.impossible, "run: \(error.message)", hint: error.hint)
        } catch {
            throw Failure(.impossible, "run: \(error)")
        }
    }

    /// Takes notice of tasks that had ended before.
    private func noteKnown(_ records: [TaskRecord]) {
        let early = state.withLock { $0.early }
        for record in records {
            progress.note(record, isKnown: true)
            early?.note(record)
        }
    }

    /// Tells of a task that has ended.
    private func note(_ record: TaskRecord, _ plan: Plan, _ template: CommandTemplate, isTold: Bool) {
        // Why the command can't be run at all is said once, at the end.
        if case .failed(let reason) = record.outcome, !record.isFatal {
            progress.say("run: \(plan.tasks[record.task].label): \(reason)")
        }
        if job.cluster != nil, isTold {
            // Where a task runs on another machine, this is all that its standard error has to come out of.
            progress.pass(record.errors)
        }
        log?.add(record, template.arguments(for: plan.tasks[record.task], of: plan.tasks.count, paths: ["{}"]))
        guard isTold else { return }
        progress.note(record)
        state.withLock { $0.early }?.note(record)
    }

    private func status(of records: [TaskRecord]) -> ExitStatus {
        let failed = records.filter(\.outcome.isFailure).count
        let matched = records.contains { $0.outcome == .succeeded }
        let missing = plan.tasks.count - records.count
        if failed > 0 || missing > 0 {
            let rest = missing > 0 ? ", and \(missing) were not started" : ""
            if sink.failure == nil, state.withLock({ $0.interrupts }) == 0 {
                Messages.warn("run: \(failed) of \(plan.tasks.count) tasks failed\(rest)")
            }
            return .failure
        }
        return matched || records.isEmpty ? .success : .failure
    }

    // MARK: Its life

    private func handle(_ count: Int) {
        let (runner, clusterRun, early) = state.withLock { state in
            state.interrupts = count
            return (state.runner, state.clusterRun, state.early)
        }
        if count == 1 {
            let what = clusterRun == nil ? "\(runner?.running ?? 0) tasks" : "the workers"
            progress.say("run: interrupted: ending \(what)")
        }
        early?.cancel()
        runner?.stop(forcibly: count > 1)
        clusterRun?.stop()
    }

    /// Says now and then that somebody runs the job, and looks whether it should end.
    private func beat() {
        while state.wait(atMost: Heartbeat.interval, for: { $0.isOver ? true : nil }) == nil {
            try? job.folder.put("heartbeat", Heartbeat.own.text)
            if job.folder.isCancelled { handle(1) }
        }
    }
}
