import Bytes
import Glibc
import Storage
import Threads

/// What people are told of a copying: failures as they come, a line while it goes on, and a summary of many.
final class TransferReport: Sendable {
    private struct State {
        var found = 0
        var done = 0
        var failed = 0
        var deleted = 0
        var bytes: Int64 = 0
        var isLineShown = false
        var isOver = false
        /// Whether something failed that all the others need too.
        var isHopeless = false
    }

    private let command: String
    private let isQuiet: Bool
    private let state = Monitor(State())
    private let begin = ContinuousClock.now
    private let line: Thread?

    init(_ command: String, isQuiet: Bool) {
        self.command = command
        self.isQuiet = isQuiet
        let state = state
        let begin = begin
        guard !isQuiet, isatty(STDERR_FILENO) == 1 else {
            line = nil
            return
        }
        line = Thread.start("objfs-progress") {
            while state.wait(atMost: .milliseconds(200), for: { $0.isOver ? true : nil }) == nil {
                state.withLock { state in
                    state.isLineShown = true
                    let text = Self.text(state, begin)
                    Messages.write(Array("\r\u{1B}[K\(text)".utf8), to: STDERR_FILENO)
                }
            }
        }
    }

    private static func text(_ state: State, _ begin: ContinuousClock.Instant) -> String {
        let seconds = max(begin.duration(to: .now) / .seconds(1), 0.001)
        let rate = ByteCount(Int64(Double(state.bytes) / seconds))
        return "\(state.done) of \(state.found) objects, \(ByteCount(state.bytes)), \(rate)/s"
            + (state.failed > 0 ? ", \(state.failed) failed" : "")
    }

    var failed: Int { state.withLock { $0.failed } }
    /// Whether the rest need not be tried.
    var isHopeless: Bool { state.withLock { $0.isHopeless } }
    var done: Int { state.withLock { $0.done } }

    func find() { state.withLock { $0.found += 1 } }
    func delete(_ count: Int) { state.withLock { $0.deleted += count } }
    func finish() { state.withLock { $0.done += 1 } }
    func add(_ bytes: Int) { state.withLock { $0.bytes += Int64(bytes) } }

    /// Tells of one that failed.
    func fail(_ name: String, _ error: StorageError) {
        state.withLock { state in
            state.failed += 1
            // Who interrupted it knows, and what is the same for all is said once.
            guard error.code != .cancelled, !state.isHopeless else { return }
            state.isHopeless = error.code == .noSuchBucket || error.code == .credentials
            if state.isLineShown { Messages.write(Array("\r\u{1B}[K".utf8), to: STDERR_FILENO) }
            Messages.write(Failure(command, name, error))
        }
    }

    /// Takes the line away, and sums up if there were many.
    func end(isMany: Bool) {
        state.update { $0.isOver = true }
        line?.join()
        let state = state.withLock { $0 }
        if state.isLineShown { Messages.write(Array("\r\u{1B}[K".utf8), to: STDERR_FILENO) }
        guard isMany, !isQuiet else { return }
        let tenths = Int(begin.duration(to: .now) / .milliseconds(100))
        var text = "\(state.done) objects, \(ByteCount(state.bytes)), in \(tenths / 10).\(tenths % 10) s"
        if state.deleted > 0 { text += ", \(state.deleted) deleted" }
        if state.failed > 0 { text += ", \(state.failed) failed" }
        Messages.warn("\(command): \(text)")
    }

    /// Ends the process with the status of what failed: 1 if something was done, 3 if nothing was.
    func exit() throws {
        let state = state.withLock { $0 }
        guard state.failed > 0 else { return }
        throw ExitStatusError(status: state.done + state.deleted > 0 ? .failure : .impossible)
    }
}
