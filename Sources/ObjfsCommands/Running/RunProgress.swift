import Bytes
import CLinux
import Glibc
import ObjfsRunner
import Threads

/// Tells how far a job is: one line on a terminal that changes, a line now and then elsewhere, or JSON.
final class RunProgress: Sendable {
    private struct State {
        var figures = ProgressFigures()
        var isRunning = false
        var isLineShown = false
    }

    private let plan: Plan
    private let style: ProgressStyle
    private let isTerminal: Bool
    private let begin = ContinuousClock.now
    private let state: Monitor<State>

    /// How often the line changes on a terminal, and how often JSON is written.
    private static let short = Duration.milliseconds(500)
    /// How often there is a line elsewhere.
    private static let long = Duration.seconds(10)

    init(_ plan: Plan, _ style: ProgressStyle) {
        self.plan = plan
        self.style = style
        isTerminal = isatty(STDERR_FILENO) == 1
        state = Monitor(State(figures: ProgressFigures(tasks: plan.tasks.count, total: plan.count)))
    }

    func start() {
        guard style != .none else { return }
        state.update { $0.isRunning = true }
        let pause = style == .json || isTerminal ? Self.short : Self.long
        Thread.start("objfs-progress") {
            while self.state.wait(atMost: pause, for: { $0.isRunning ? nil : true }) == nil { self.show() }
        }?.detach()
    }

    /// Ends the line, with the final numbers.
    func stop() {
        guard style != .none else { return }
        state.update { $0.isRunning = false }
        if style == .json { show() } else { clear() }
    }

    /// Takes notice of a task that has ended.
    ///
    /// - Parameter isKnown: Whether it had before this process was there.
    func note(_ record: TaskRecord, isKnown: Bool = false) {
        state.withLock { $0.figures.add(record, isKnown: isKnown) }
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
        var figures = state.withLock { $0.figures }
        figures.seconds = max(begin.duration(to: .now) / .seconds(1), 0.001)
        switch style {
        case .none: return
        case .json: Messages.write(Array((figures.json + "\n").utf8), to: STDERR_FILENO)
        case .auto where !isTerminal: Messages.warn("run: \(figures.line)")
        case .auto:
            state.withLock { $0.isLineShown = true }
            let width = max(Int(clinux_terminal_width(STDERR_FILENO)), 20)
            Messages.write(Array("\r\u{1B}[K\(figures.line.prefix(width - 1))".utf8), to: STDERR_FILENO)
        }
    }
}

/// How far a job is, in numbers.
struct ProgressFigures {
    var tasks = 0
    /// The number of bytes of all tasks.
    var total: Int64 = 0
    /// Since when this process works on it.
    var seconds = 0.001
    private var done = 0
    private var failed = 0
    private var retried = 0
    private var speculative = 0
    private var bytes: Int64 = 0
    /// How many of the bytes were done before.
    private var knownBytes: Int64 = 0
    private var known = 0
    private var times: [Duration] = []

    /// The quantiles of durations are those of so many tasks at most.
    private static let sample = 10_000

    init() {}

    init(tasks: Int, total: Int64) {
        self.tasks = tasks
        self.total = total
    }

    mutating func add(_ record: TaskRecord, isKnown: Bool) {
        done += 1
        if record.outcome.isFailure { failed += 1 }
        if record.isSpeculative { speculative += 1 } else if record.attempts > 1 { retried += 1 }
        bytes += record.bytesIn
        if isKnown { (known, knownBytes) = (known + 1, knownBytes + record.bytesIn) }
        if times.count < Self.sample { times.append(record.time) }
    }

    private var rate: Double { Double(bytes - knownBytes) / seconds }

    /// What is left, in seconds; `nil` if nobody can say yet.
    private var secondsLeft: Double? {
        let isByBytes = total > 0
        let part = isByBytes ? Double(bytes - knownBytes) : Double(done - known)
        guard part > 0 else { return nil }
        return (isByBytes ? Double(total - bytes) : Double(tasks - done)) / part * seconds
    }

    /// The words of a line.
    var line: String {
        let times = times.sorted()
        var words = ["\(done)/\(tasks) tasks"]
        if failed > 0 { words.append("\(failed) failed") }
        if retried > 0 { words.append("\(retried) retried") }
        if speculative > 0 { words.append("\(speculative) run twice") }
        words.append("\(ByteCount(bytes)) of \(ByteCount(total))")
        words.append("\(ByteCount(Int64(rate)))/s")
        if let secondsLeft, done < tasks { words.append("\(Self.time(secondsLeft)) left") }
        if !times.isEmpty {
            words.append("half under \(Self.time(Self.quantile(times, 50)))")
            words.append("95% under \(Self.time(Self.quantile(times, 95)))")
        }
        return words.joined(separator: ", ")
    }

    /// A JSON object.
    var json: String {
        let times = times.sorted()
        func milliseconds(_ percent: Int) -> Int64 { Int64(Self.quantile(times, percent) * 1000) }
        return JSONText.object([
            ("tasks", .number(Int64(tasks))), ("done", .number(Int64(done))), ("failed", .number(Int64(failed))),
            ("bytes", .number(bytes)), ("totalBytes", .number(total)), ("bytesPerSecond", .number(Int64(rate))),
            ("retried", .number(Int64(retried))), ("speculative", .number(Int64(speculative))),
            ("medianMilliseconds", .number(milliseconds(50))), ("p95Milliseconds", .number(milliseconds(95))),
            ("secondsLeft", secondsLeft.map { .number(Int64($0.rounded(.up))) } ?? .null),
        ])
    }

    private static func quantile(_ times: [Duration], _ percent: Int) -> Double {
        guard !times.isEmpty else { return 0 }
        return Double(times[min(times.count * percent / 100, times.count - 1)].wholeMicroseconds) / 1e6
    }

    /// A time as people read it.
    private static func time(_ seconds: Double) -> String {
        switch seconds {
        case ..<0.9995: "\(Int64((seconds * 1000).rounded())) ms"
        case ..<9.95: "\(Int64(seconds * 10 + 0.5) / 10).\(Int64(seconds * 10 + 0.5) % 10) s"
        case ..<120: "\(Int64(seconds.rounded())) s"
        case ..<7200: "\(Int64(seconds / 60)) min \(Int64(seconds) % 60) s"
        default: "\(Int64(seconds / 3600)) h \(Int64(seconds / 60) % 60) min"
        }
    }
}
