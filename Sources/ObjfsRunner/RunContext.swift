import Glibc
import Processes
import Synchronization
import Threads

/// What all tasks of a job share.
final class RunContext: Sendable {
    let template: CommandTemplate
    let options: RunOptions
    let folder: JobFolder
    /// The number of tasks.
    let count: Int
    let sink: OutputSink
    let presenter: OutputPresenter
    let durations = Durations()
    let memory: MemoryLimit?
    /// Threads that write the commands' input, one for each that runs.
    let feeders: WorkerPool
    /// Threads that read ahead from stores.
    let readers: WorkerPool
    private let stopped = Mutex<Int32?>(nil)
    private let running = Mutex<[ObjectIdentifier: AttemptProcess]>([:])

    /// How long a program that was asked to end may go on.
    static let grace = Duration.seconds(5)

    init(_ plan: Plan, _ template: CommandTemplate, _ options: RunOptions, _ folder: JobFolder, _ sink: OutputSink) {
        self.template = template
        self.options = options
        self.folder = folder
        count = plan.tasks.count
        memory = options.memory.map { MemoryLimit($0) }
        self.sink = sink
        presenter = OutputPresenter(options.output, of: plan.tasks.count, sink)
        feeders = WorkerPool("objfs-feed", limit: options.parallelism)
        readers = WorkerPool("objfs-read", limit: min(options.parallelism * 3, 64))
    }

    /// Whether the job has been ended.
    var isStopped: Bool { stopped.withLock { $0 != nil } }

    /// Sends a signal to all programs, and to those that are about to start.
    func stop(_ signal: Int32 = SIGTERM) {
        stopped.withLock { $0 = signal }
        for process in running.withLock({ Array($0.values) }) { process.end(signal) }
    }

    func add(_ process: AttemptProcess) {
        running.withLock { $0[ObjectIdentifier(process)] = process }
        if let signal = stopped.withLock({ $0 }) { process.end(signal) }
    }

    func remove(_ process: AttemptProcess) { running.withLock { $0[ObjectIdentifier(process)] = nil } }

    /// How long a task may take from now on; `nil` for as long as it likes.
    var timeLimit: Duration? {
        switch options.timeout {
        case .time(let duration): duration
        case .median(let factor): durations.median.map { max($0 * factor, .milliseconds(100)) }
        case nil: nil
        }
    }
}

/// The process of one run of a task, which leads a group; another thread may end it.
final class AttemptProcess: Sendable {
    private struct State {
        var process: ChildProcess?
        /// The signal that ended it before it was there.
        var signal: Int32?
    }

    private let state = Mutex(State())

    /// Whether somebody has ended it.
    var isEnded: Bool { state.withLock { $0.signal != nil } }

    func start(_ process: ChildProcess) {
        state.withLock { state in
            state.process = process
            if let signal = state.signal { process.signal(signal) }
        }
    }

    /// Must be called before the process is waited for: its number may be another's afterwards.
    func finish() { state.withLock { $0.process = nil } }

    func end(_ signal: Int32) {
        state.withLock { state in
            state.signal = signal
            state.process?.signal(signal)
        }
    }
}

/// How long tasks took: the last thousand of them.
final class Durations: Sendable {
    private struct State {
        var times: [Duration] = []
        var next = 0
    }

    private let state = Mutex(State())

    /// How many must have ended before they say anything.
    private static let fewest = 3
    private static let most = 1001

    func add(_ time: Duration) {
        state.withLock { state in
            guard state.times.count == Self.most else { return state.times.append(time) }
            state.times[state.next] = time
            state.next = (state.next + 1) % Self.most
        }
    }

    var median: Duration? {
        let times = state.withLock { $0.times }
        return times.count < Self.fewest ? nil : times.sorted()[times.count / 2]
    }
}
