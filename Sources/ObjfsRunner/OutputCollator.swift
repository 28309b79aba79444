import Glibc
import Storage
import Threads

/// Puts the output of tasks that run at a time into the order of the tasks.
///
/// The task whose turn it is writes straight through; the others' output waits, see ``TaskOutput``.
final class OutputCollator: Sendable {
    fileprivate struct State {
        /// The task whose turn it is.
        var turn = 0
        /// The output of tasks that have ended before their turn.
        var ended: [Int: TaskOutput] = [:]
        /// Whether a thread writes what has ended.
        var isWriting = false
        var failure: StorageError?
    }

    private let isOrdered: Bool
    private let sink: OutputSink
    private let state = Monitor(State())

    init(isOrdered: Bool, _ sink: OutputSink) {
        self.isOrdered = isOrdered
        self.sink = sink
    }

    /// Why some output could not be read back; `nil` as long as all could.
    var failure: StorageError? { state.withLock { $0.failure } }

    /// Whether a task's output may go out as it comes.
    func isTurn(of task: Int) -> Bool {
        isOrdered && state.withLock { $0.turn == task && !$0.isWriting }
    }

    /// Writes the output of a task that has ended, and of those that waited for it.
    func end(_ task: Int, _ output: TaskOutput) {
        guard isOrdered else { return state.withLock { Self.write(output, to: sink, &$0) } }
        var next = state.withLock { state -> TaskOutput? in
            state.ended[task] = output
            return state.isWriting ? nil : state.take()
        }
        while let output = next {
            var failure: StorageError?
            do throws(StorageError) { try output.write(to: sink) } catch { failure = error }
            next = state.withLock { state in
                state.failure = state.failure ?? failure
                state.turn += 1
                return state.take()
            }
        }
    }

    private static func write(_ output: TaskOutput, to sink: OutputSink, _ state: inout State) {
        do throws(StorageError) { try output.write(to: sink) } catch { state.failure = state.failure ?? error }
    }
}

extension OutputCollator.State {
    /// The output whose turn it is, if its task has ended; the calling thread must write it.
    fileprivate mutating func take() -> TaskOutput? {
        let output = ended.removeValue(forKey: turn)
        isWriting = output != nil
        return output
    }
}
