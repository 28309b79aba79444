import Glibc
import Processes
import Synchronization
import Threads

/// Runs a command once for each task of a plan, some at a time, on this machine.
package final class Runner: Sendable {
    private struct State {
        var next = 0
        var running = 0
        var records: [TaskRecord] = []
        var fatal: RunError?
    }

    private let plan: Plan
    private let options: RunOptions
    private let context: RunContext
    private let observer: @Sendable (TaskRecord) -> Void
    private let state = Monitor(State())

    /// Makes a job.
    ///
    /// - Parameters:
    ///   - plan: What is to be done.
    ///   - template: The command.
    ///   - options: How.
    ///   - sink: Where the output goes.
    ///   - observer: Is told of each task that has ended, by any thread.
    package init(
        _ plan: Plan, _ template: CommandTemplate, options: RunOptions, sink: OutputSink,
        observer: @escaping @Sendable (TaskRecord) -> Void = { _ in }
    ) {
        self.plan = plan
        self.options = options
        self.observer = observer
        context = RunContext(plan, template, options, sink)
    }

    /// Runs all tasks, and returns how each of those that were started has ended.
    ///
    /// - Throws: Why the job could not be run: the command can't be started, or output can't be kept.
    package func run() throws(RunError) -> [TaskRecord] {
        let count = min(max(options.parallelism, 1), max(plan.tasks.count, 1))
        let threads = (0..<count).compactMap { _ in Thread.start("objfs-task") { self.work() } }
        // Where the system allows no thread, this one does the work.
        if threads.isEmpty { work() }
        for thread in threads { thread.join() }
        let (records, fatal) = state.withLock { ($0.records, $0.fatal) }
        if let fatal { throw fatal }
        if case .error(let number) = context.sink.failure {
            throw RunError("the output can't be written: \(String(cString: strerror(number)).lowercased())")
        }
        return records.sorted { $0.task < $1.task }
    }

    /// Ends the job: no more tasks start, and those that run are asked to end, or made to.
    package func stop(forcibly: Bool) { context.processes.stop(forcibly ? SIGKILL : SIGTERM) }

    /// How many tasks run now.
    package var running: Int { state.withLock { $0.running } }

    private func work() {
        while let task = take() {
            let record = perform(task)
            state.update { state in
                state.running -= 1
                state.records.append(record)
            }
            observer(record)
        }
    }

    private func take() -> RunTask? {
        guard !context.processes.isStopped else { return nil }
        return state.withLock { state in
            guard state.next < plan.tasks.count else { return nil }
            defer {
                state.next += 1
                state.running += 1
            }
            return plan.tasks[state.next]
        }
    }

    private func perform(_ task: RunTask) -> TaskRecord {
        var attempt = 1
        while true {
            let output = TaskOutput(tag: options.isTagged ? task.label + "\t" : "")
            let begin = ContinuousClock.now
            // Output that has been seen can't be taken back, so a task that may be run again keeps its own.
            let isDirect = options.output == .ordered && options.retries == 0
            let result = Attempt(
                task: task, number: attempt, context: context, output: output, isDirect: isDirect
            ).run()
            let outcome = self.outcome(result, output)
            if case .failed = outcome, !result.isFatal, attempt <= options.retries, !context.processes.isStopped {
                pause(after: attempt)
                attempt += 1
                continue
            }
            finish(task, output, outcome, result)
            return TaskRecord(
                task: task.number, outcome: outcome, attempts: attempt, time: begin.duration(to: .now),
                ending: result.ending)
        }
    }

    private func outcome(_ result: Attempt.Result, _ output: TaskOutput) -> TaskRecord.Outcome {
        if result.isFatal { return .failed(result.reason ?? "") }
        if let number = output.failure {
            return .failed("its output can't be kept: \(String(cString: strerror(number)).lowercased())")
        }
        if context.processes.isStopped, result.ending?.isSuccess != true { return .cancelled }
        if let reason = result.reason { return .failed(reason) }
        switch result.ending?.how {
        case .exited(let status) where options.goodStatuses.contains(status): return .succeeded
        case .exited(1) where options.oneIsNoMatch: return .nothingFound
        case .exited(let status): return .failed("exit status \(status)")
        case .killed(let signal): return .failed("killed by signal \(signal)")
        case nil: return .failed("it could not be run")
        }
    }

    private func finish(
        _ task: RunTask, _ output: TaskOutput, _ outcome: TaskRecord.Outcome, _ result: Attempt.Result
    ) {
        if case .folder(let folder) = options.output {
            write(output, to: folder, task)
        } else {
            context.collator.end(task.number, output)
        }
        if context.sink.failure != nil { context.stop() }
        guard case .failed(let reason) = outcome else { return }
        // A command that the shell could not find, or not run, will not be found the next time either.
        let status = result.ending?.how
        if result.isFatal || status == .exited(127) || status == .exited(126) {
            fail(RunError(result.isFatal ? reason : "\(task.label): the command can't be run (\(reason))"))
        } else if options.failsFast {
            context.stop()
        }
    }

    private func fail(_ error: RunError) {
        state.update { $0.fatal = $0.fatal ?? error }
        context.stop()
    }

    /// Writes a task's output as a file, which is there whole or not at all.
    ///
    /// The corresponding C function is `rename`.
    private func write(_ output: TaskOutput, to folder: String, _ task: RunTask) {
        let width = String(plan.tasks.count - 1).utf8.count
        let number = String(task.number)
        let name = folder + "/" + String(repeating: "0", count: max(width - number.utf8.count, 0)) + number
        let file = open(name + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard file >= 0 else {
            return fail(RunError("\(name): \(String(cString: strerror(errno)).lowercased())"))
        }
        let sink = OutputSink(descriptor: file)
        output.write(to: sink)
        close(file)
        if case .error(let number) = sink.failure {
            unlink(name + ".new")
            return fail(RunError("\(name): \(String(cString: strerror(number)).lowercased())"))
        }
        rename(name + ".new", name)
    }

    /// Waits before a task is run again, longer each time, unless the job ends meanwhile.
    private func pause(after attempt: Int) {
        let deadline = ContinuousClock.now + .milliseconds(200 * (1 << min(attempt - 1, 6)))
        while ContinuousClock.now < deadline, !context.processes.isStopped { usleep(20_000) }
    }
}
