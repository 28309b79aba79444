import Bytes
import Glibc
import Storage
import Threads

/// A line on a terminal that tells how far an object has been read that must be read from its start to its end.
final class ReadingProgress: Sendable {
    private struct State {
        var isShown = false
        var next = ContinuousClock.now + .milliseconds(500)
    }

    private let command: String
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let state = Monitor(State())

    init(_ command: String) { self.command = command }

    /// Tells of some more bytes, five times a second at most.
    func report(_ object: ObjectInfo, _ count: Int64) {
        guard isTerminal else { return }
        state.withLock { state in
            guard ContinuousClock.now >= state.next else { return }
            state.next = .now + .milliseconds(200)
            state.isShown = true
            let percent = object.size > 0 ? Int(Double(count) / Double(object.size) * 100) : 100
            let name = TerminalText.visible(object.key.string)
            let text = "\(command): \(name): read \(ByteCount(count)) of \(ByteCount(object.size)), \(percent) %"
            Messages.write(Array("\r\u{1B}[K\(text)".utf8), to: STDERR_FILENO)
        }
    }

    /// Takes the line away.
    func clear() {
        state.withLock { state in
            if state.isShown { Messages.write(Array("\r\u{1B}[K".utf8), to: STDERR_FILENO) }
            state.isShown = false
        }
    }
}
