import Glibc
import Processes
import Synchronization
import Threads

/// What all tasks of a job share.
final class RunContext: Sendable {
    let template: CommandTemplate
    let options: RunOptions
    /// The number of tasks.
    let count: Int
    let sink: OutputSink
    let collator: OutputCollator
    let processes = RunningProcesses()
    /// Threads that write the commands' input, one for each that runs.
    let feeders: WorkerPool
    /// Threads that read ahead from stores.
    let readers: WorkerPool

    /// How long a program that was asked to end may go on.
    static let grace = Duration.seconds(5)

    init(_ plan: Plan, _ template: CommandTemplate, _ options: RunOptions, _ sink: OutputSink) {
        self.template = template
        self.options = options
        count = plan.tasks.count
        self.sink = sink
        collator = OutputCollator(isOrdered: options.output == .ordered, sink)
        feeders = WorkerPool("objfs-feed", limit: options.parallelism)
        readers = WorkerPool("objfs-read", limit: min(options.parallelism * 3, 64))
    }

    /// Starts no more tasks, and asks those that run to end.
    func stop() { processes.stop(SIGTERM) }
}

/// The processes that run now, each leading a group.
final class RunningProcesses: Sendable {
    private struct State {
        var running: [Int32: ChildProcess] = [:]
        /// The signal that ended the job.
        var stopped: Int32?
    }

    private let state = Mutex(State())

    /// Whether the job has been ended.
    var isStopped: Bool { state.withLock { $0.stopped != nil } }

    /// Notes a process; one that comes after the end is ended too.
    func add(_ process: ChildProcess) {
        let signal = state.withLock { state in
            state.running[process.pid] = process
            return state.stopped
        }
        if let signal { process.signal(signal) }
    }

    func remove(_ process: ChildProcess) {
        state.withLock { $0.running[process.pid] = nil }
    }

    /// Sends a signal to all, and to those that are about to start.
    func stop(_ signal: Int32) {
        state.withLock { state in
            state.stopped = signal
            for process in state.running.values { process.signal(signal) }
        }
    }
}
