import Bytes
import Glibc
import ObjfsRunner
import Synchronization
import Threads

/// A job in the hands of a person: shows its progress, ends it when it is interrupted, and says how it went.
struct RunSession {
    private let plan: Plan
    private let runner: Runner
    private let sink: OutputSink
    private let progress: RunProgress
    private let interrupts: Interrupts

    init(_ plan: Plan, _ template: CommandTemplate, _ options: RunOptions, progress style: ProgressStyle) {
        self.plan = plan
        let progress = RunProgress(plan, style)
        // On one terminal, output takes the place of the progress line, which comes back below it.
        let sharesTerminal = isatty(STDOUT_FILENO) == 1
        sink = OutputSink(descriptor: STDOUT_FILENO) { if sharesTerminal { progress.clear() } }
        self.progress = progress
        runner = Runner(plan, template, options: options, sink: sink) { record in
            if case .failed(let reason) = record.outcome {
                progress.say("run: \(plan.tasks[record.task].label): \(reason)")
            }
            progress.note(record)
        }
        let runner = runner
        interrupts = Interrupts { count in
            if count == 1 { progress.say("run: interrupted: ending \(runner.running) tasks") }
            runner.stop(forcibly: count > 1)
        }
    }

    /// Runs the job, and returns the status that it has.
    func run() throws -> ExitStatus {
        interrupts.watch()
        progress.start()
        let result = Result { () throws(RunError) in try runner.run() }
        progress.stop()
        if interrupts.count > 0 { return .interrupted }
        if sink.failure == .closed {
            // As any filter ends whose reader has gone.
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        }
        switch result {
        case .success(let records): return status(of: records)
        case .failure(let error): throw Failure(.impossible, "run: \(error.message)", hint: error.hint)
        }
    }

    private func status(of records: [TaskRecord]) -> ExitStatus {
        var failed = 0
        var matched = 0
        for record in records {
            switch record.outcome {
            case .succeeded: matched += 1
            case .nothingFound: break
            case .failed, .cancelled: failed += 1
            }
        }
        let missing = plan.tasks.count - records.count
        if failed > 0 || missing > 0 {
            let rest = missing > 0 ? ", and \(missing) were not started" : ""
            Messages.warn("run: \(failed) of \(plan.tasks.count) tasks failed\(rest)")
            return .failure
        }
        return matched > 0 || records.isEmpty ? .success : .failure
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
        var bytes: Int64 = 0
        var isRunning = false
        var isLineShown = false
    }

    private let plan: Plan
    private let style: ProgressStyle
    private let total: Int64
    private let begin = ContinuousClock.now
    private let state = Monitor(State())

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
            state.bytes += plan.tasks[record.task].count
        }
    }

    /// Says something on a line of its own.
    func say(_ message: String) {
        clear()
        Messages.warn(message)
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
        let (done, failed, bytes) = state.withLock { ($0.done, $0.failed, $0.bytes) }
        let seconds = max(begin.duration(to: .now) / .seconds(1), 0.001)
        let rate = Int64(Double(bytes) / seconds)
        guard style == .json else {
            let left = bytes > 0 ? Double(total - bytes) / Double(bytes) * seconds : 0
            var line =
                "\(done)/\(plan.tasks.count) tasks, \(ByteCount(bytes)) of \(ByteCount(total)), \(ByteCount(rate))/s"
            if bytes > 0, bytes < total { line += ", \(Int64(left)) s left" }
            if failed > 0 { line += ", \(failed) failed" }
            state.withLock { $0.isLineShown = true }
            Messages.write(Array("\r\u{1B}[K\(line)".utf8), to: STDERR_FILENO)
            return
        }
        let line = JSONText.object([
            ("tasks", .number(Int64(plan.tasks.count))), ("done", .number(Int64(done))),
            ("failed", .number(Int64(failed))), ("bytes", .number(bytes)), ("totalBytes", .number(total)),
            ("bytesPerSecond", .number(rate)),
        ])
        Messages.write(Array((line + "\n").utf8), to: STDERR_FILENO)
    }
}
