/// Which task runs next: those of the plan in order, then those that are tried again, then those that take too long.
struct Schedule {
    /// A run of a task that should start.
    struct Start {
        let task: Int
        /// Which run of the task it is, from 1.
        let attempt: Int
        let isSpeculative: Bool
        let process = AttemptProcess()
    }

    /// What a thread without a task should do.
    enum Next {
        case run(Start)
        /// Ask again after this time, or earlier if something has changed.
        case wait(Duration)
        /// There will be no more.
        case end
    }

    private struct Running {
        let start: Start
        let begin: ContinuousClock.Instant
    }

    private let tasks: [Int]
    private let speculates: Bool
    private let shortestLate: Duration
    private let delay: Duration
    private var next = 0
    private var retries: [(ready: ContinuousClock.Instant, task: Int, attempt: Int)] = []
    private var running: [Int: [Running]] = [:]
    private var lastStart: ContinuousClock.Instant?
    private(set) var ended = 0

    /// How much of the job must be done before a task counts as late.
    private static let doneShare = 0.75

    /// Makes the schedule of some tasks of a plan.
    init(_ tasks: [Int], _ options: RunOptions) {
        self.tasks = tasks
        speculates = options.speculates
        shortestLate = options.shortestLate
        delay = options.delay
    }

    /// How many runs of tasks there are now.
    var runs: Int { running.values.reduce(0) { $0 + $1.count } }

    /// What comes next.
    ///
    /// - Parameter median: How long half of the tasks took at most, if that is known.
    mutating func take(median: () -> Duration?) -> Next {
        let now = ContinuousClock.now
        if let lastStart, delay > .zero, lastStart + delay > now { return .wait(lastStart + delay - now) }
        if let index = retries.firstIndex(where: { $0.ready <= now }) {
            let retry = retries.remove(at: index)
            return .run(start(retry.task, retry.attempt, false, now))
        }
        if next < tasks.count {
            defer { next += 1 }
            return .run(start(tasks[next], 1, false, now))
        }
        guard !running.isEmpty || !retries.isEmpty else { return .end }
        if speculates, let late = late(now, median) { return .run(start(late, 2, true, now)) }
        let ready = retries.map { $0.ready - now }.min() ?? .seconds(1)
        return .wait(max(min(ready, .seconds(1)), .milliseconds(1)))
    }

    /// A task that takes far longer than the others and runs once; the one that has run longest.
    private func late(_ now: ContinuousClock.Instant, _ median: () -> Duration?) -> Int? {
        guard Double(ended) >= Double(tasks.count) * Self.doneShare, let median = median() else { return nil }
        let limit = max(median * 2, shortestLate)
        let once = running.values.filter { $0.count == 1 }.compactMap(\.first)
        return once.filter { now - $0.begin > limit }.min { $0.begin < $1.begin }?.start.task
    }

    private mutating func start(
        _ task: Int, _ attempt: Int, _ isSpeculative: Bool, _ now: ContinuousClock.Instant
    ) -> Start {
        let start = Start(task: task, attempt: attempt, isSpeculative: isSpeculative)
        running[task, default: []].append(Running(start: start, begin: now))
        lastStart = now
        return start
    }

    /// Notes that a run is over and the task is not.
    ///
    /// - Parameter pause: After which time it is run again; `nil` for not at all by this run.
    mutating func retry(_ start: Start, after pause: Duration?) {
        remove(start)
        guard let pause, running[start.task] == nil else { return }
        retries.append((.now + pause, start.task, start.attempt + 1))
    }

    /// Notes that a task is done, and returns its other runs, which are of no use any more.
    ///
    /// `nil` says that another run has done it before.
    mutating func end(_ start: Start) -> [Start]? {
        guard running[start.task]?.contains(where: { $0.start.process === start.process }) ?? false else { return nil }
        remove(start)
        ended += 1
        defer { running[start.task] = nil }
        return running[start.task]?.map(\.start) ?? []
    }

    private mutating func remove(_ start: Start) {
        running[start.task]?.removeAll { $0.start.process === start.process }
        if running[start.task]?.isEmpty ?? false { running[start.task] = nil }
    }

    /// Whether another run of the task is under way.
    func hasOther(_ start: Start) -> Bool {
        running[start.task]?.contains { $0.start.process !== start.process } ?? false
    }
}
