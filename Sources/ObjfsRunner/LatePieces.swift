import Storage
import Threads

/// The outputs of some tasks as the input of another one, which may begin before all of them are there.
package final class LatePieces: Sendable {
    private struct State {
        /// The tasks whose outputs are there; `nil` for all.
        var ready: Set<Int>?
        var isCancelled = false
        var bytes: Int64 = 0
    }

    private let tasks: Range<Int>
    private let folder: JobFolder
    private let state: Monitor<State>

    /// Makes the input.
    ///
    /// - Parameters:
    ///   - tasks: Whose outputs it is, in order.
    ///   - folder: Where their records are.
    ///   - areReady: Whether all are there.
    package init(_ tasks: Range<Int>, in folder: JobFolder, areReady: Bool) {
        self.tasks = tasks
        self.folder = folder
        state = Monitor(State(ready: areReady ? nil : []))
    }

    /// Says that the output of a task is there.
    package func add(_ task: Int) {
        guard tasks.contains(task) else { return }
        state.update { _ = $0.ready?.insert(task) }
    }

    /// Says that some outputs will never be there.
    package func cancel() { state.update { $0.isCancelled = true } }

    /// How many bytes were found so far.
    var count: Int64 { state.withLock { $0.bytes } }

    /// Finds one output after another, each as soon as it is there.
    ///
    /// - Throws: What `body` throws; ``StorageError/Code/cancelled`` as its store's error if some will never be there.
    func each(_ body: ([Piece]) throws(PieceFeed.Failure) -> Void) throws(PieceFeed.Failure) {
        state.withLock { $0.bytes = 0 }
        for task in tasks {
            let isReady = state.wait { state -> Bool? in
                if state.isCancelled { return false }
                return state.ready?.contains(task) ?? true ? true : nil
            }
            guard isReady else { throw .store(StorageError(.cancelled, "a task failed whose output it needs")) }
            let pieces: [Piece]
            do throws(StorageError) { pieces = try folder.outputPieces(task) } catch { throw .store(error) }
            state.withLock { $0.bytes += pieces.reduce(0) { $0 + $1.count } }
            try body(pieces)
        }
    }
}
