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
        let records: [TaskRecord]
        if let cluster = job.cluster {
            records = try gather(cluster, options)
        } else {
            records = try perform(plan, job.template, options, job.folder, known: job.known)
        }
        let status = self.status(of: records)
        guard let reduction = job.reduction, status != .interrupted else {
            return Outcome(status: status, tasks: plan.tasks.count)
        }
        guard records.count == plan.tasks.count, !records.contains(where: { $0.outcome.isFailure }) else {
            return Outcome(status: status, tasks: plan.tasks.count)
        }
        return try reduce(reduction, records, status)
    }

    private func reduce(
        _ reduction: Reduction, _ records: [TaskRecord], _ status: ExitStatus
    ) throws(Failure) -> Outcome {
        var groups = reduction.groups(plan, records, job.folder)
        var round = 1
        while true {
            let (plan, isLast) = try reduction.plan(&groups)
            let folder = job.folder.stage("reduce-\(round)")
            var options = RunOptions()
            options.parallelism = job.options.parallelism
            options.retries = job.options.retries
            options.environment = job.options.environment
            options.folder = job.options.folder
            options.output = isLast ? job.options.output : .kept
            let known = try Job.known(folder)
            let reduced = try perform(plan, reduction.template, options, folder, known: known, isTold: false)
            let failed = reduced.filter(\.outcome.isFailure).count
            if failed > 0 || reduced.count < plan.tasks.count {
                Messages.warn("run: \(failed) of \(plan.tasks.count) reducers failed")
                return Outcome(status: .failure, stage: "reduce-\(round)", tasks: plan.tasks.count)
            }
            guard !isLast else { return Outcome(status: status, stage: "reduce-\(round)", tasks: plan.tasks.count) }
            reduction.take(reduced, plan, &groups, folder)
            round += 1
        }
    }

    private func perform(
        _ plan: Plan, _ template: CommandTemplate, _ options: RunOptions, _ folder: JobFolder, known: [TaskRecord],
        isTold: Bool = true
    ) throws(Failure) -> [TaskRecord] {
        if isTold { for record in known { progress.note(record) } }
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
        for record in job.known { progress.note(record) }
        let gathering = Gathering(plan, options: options, folder: job.folder, known: job.known, sink: sink) {
            [plan, job] record in self.note(record, plan, job.template, isTold: true)
        }
        do {
            let run = ClusterRun(
                cluster.engine, gathering, folder: job.folder, workers: try cluster.count(plan.tasks.count),
                command: cluster.command, interval: cluster.interval)
            let isInterrupted = state.withLock { state in
                state.clusterRun = run
                return state.interrupts > 0
            }
            return isInterrupted ? [] : try run.run()
        } catch {
            throw Failure(.impossible, "run: \(error.message)", hint: error.hint)
        }
    }

    /// Tells of a task that has ended.
    private func note(_ record: TaskRecord, _ plan: Plan, _ template: CommandTemplate, isTold: Bool) {
        if case .failed(let reason) = record.outcome {
            progress.say("run: \(plan.tasks[record.task].label): \(reason)")
        }
        if job.cluster != nil, isTold {
            // Where a task runs on another machine, this is all that its standard error has to come out of.
            progress.pass(record.errors)
        }
        log?.add(record, template.arguments(for: plan.tasks[record.task], of: plan.tasks.count, paths: ["{}"]))
        if isTold { progress.note(record) }
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
        let (runner, clusterRun) = state.withLock { state in
            state.interrupts = count
            return (state.runner, state.clusterRun)
        }
        if count == 1 {
            let what = clusterRun == nil ? "\(runner?.running ?? 0) tasks" : "the workers"
            progress.say("run: interrupted: ending \(what)")
        }
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

/// One line on a terminal that tells how far a job is; nothing where nobody looks.
final class RunProgress: Sendable {
    private struct State {
        var done = 0
        var failed = 0
        var retried = 0
        var bytes: Int64 = 0
        var times: [Duration] = []
        var isRunning = false
        var isLineShown = false
    }

    private let plan: Plan
    private let style: ProgressStyle
    private let total: Int64
    private let begin = ContinuousClock.now
    private let state = Monitor(State())

    /// The quantiles of durations are those of so many tasks at most.
    private static let sample = 10_000

    init(_ plan: Plan, _ style: ProgressStyle) {
        self.plan = plan
        self.style = style == .auto && isatty(STDERR_FILENO) != 1 ? .none : style
        total = plan.count
    }

    func start() {
        guard style != .none else { return }
        state.update { $0.isRunning = true }
        Thread.start("objfs-progress") {
            while self.state.wait(atMost: .milliseconds(500), for: { $0.isRunning ? nil : true }) == nil { self.show() }
        }?.detach()
    }

    /// Ends the line, with the final numbers.
    func stop() {
        guard style != .none else { return }
        state.update { $0.isRunning = false }
        if style == .json { show() } else { clear() }
    }

    func note(_ record: TaskRecord) {
        state.withLock { state in
            state.done += 1
            if case .failed = record.outcome { state.failed += 1 }
            state.retried += record.attempts > 1 ? 1 : 0
            state.bytes += record.bytesIn
            if state.times.count < Self.sample { state.times.append(record.time) }
        }
    }

    /// Says something on a line of its own.
    func say(_ message: String) {
        clear()
        Messages.warn(message)
    }

    /// Passes on lines that a command wrote to its standard error elsewhere.
    func pass(_ text: String) {
        guard !text.isEmpty else { return }
        clear()
        Messages.write(Array((text.hasSuffix("\n") ? text : text + "\n").utf8), to: STDERR_FILENO)
    }

    /// Takes the line away.
    func clear() {
        let isShown = state.withLock { state in
            defer { state.isLineShown = false }
            return state.isLineShown
        }
        if isShown { Messages.write(Array("\r\u{1B}[K".utf8), to: STDERR_FILENO) }
    }

    private func show() {
        let (done, failed, bytes, retried, unsorted) = state.withLock {
            ($0.done, $0.failed, $0.bytes, $0.retried, $0.times)
        }
        let times = unsorted.sorted()
        let seconds = max(begin.duration(to: .now) / .seconds(1), 0.001)
        let rate = Int64(Double(bytes) / seconds)
        guard style == .json else {
            let left = bytes > 0 ? Double(total - bytes) / Double(bytes) * seconds : 0
            var line =
                "\(done)/\(plan.tasks.count) tasks, \(ByteCount(bytes)) of \(ByteCount(total)), \(ByteCount(rate))/s"
            if bytes > 0, bytes < total { line += ", \(Int64(left)) s left" }
            if retried > 0 { line += ", \(retried) retried" }
            if failed > 0 { line += ", \(failed) failed" }
            state.withLock { $0.isLineShown = true }
            Messages.write(Array("\r\u{1B}[K\(line)".utf8), to: STDERR_FILENO)
            return
        }
        let line = JSONText.object([
            ("tasks", .number(Int64(plan.tasks.count))), ("done", .number(Int64(done))),
            ("failed", .number(Int64(failed))), ("bytes", .number(bytes)), ("totalBytes", .number(total)),
            ("bytesPerSecond", .number(rate)), ("retried", .number(Int64(retried))),
            ("medianMilliseconds", .number(Self.quantile(times, 50))),
            ("p95Milliseconds", .number(Self.quantile(times, 95))),
        ])
        Messages.write(Array((line + "\n").utf8), to: STDERR_FILENO)
    }

    private static func quantile(_ times: [Duration], _ percent: Int) -> Int64 {
        guard !times.isEmpty else { return 0 }
        return times[min(times.count * percent / 100, times.count - 1)].wholeMicroseconds / 1000
    }
}
