import Glibc
import Storage
import Threads

/// What is half done, so that an interrupted command leaves none of it behind.
final class Leftovers: Sendable {
    private struct State {
        var isClosed = false
        var next = 0
        var entries: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Monitor(State())

    /// From here on, Ctrl-C and its like take away what is half done and end the process.
    func watch() {
        Interrupts { _ in
            self.clear()
            ExitStatus.interrupted.exit()
        }.watch()
    }

    /// Begins something that `clear` will take away if it is not settled by then.
    ///
    /// - Throws: ``StorageError/Code/cancelled`` if it is too late to begin anything, and what `begin` throws.
    func begin<Thing: Sendable>(
        _ begin: () throws(StorageError) -> Thing, clear: @escaping @Sendable (Thing) -> Void
    ) throws(StorageError) -> (id: Int, thing: Thing) {
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw StorageError(.cancelled, "interrupted") }
            let thing = try begin()
            state.next += 1
            state.entries[state.next] = { clear(thing) }
            return (state.next, thing)
        }
    }

    /// Ends something, with nothing left to take away; one thread at a time.
    func settle(_ id: Int, _ body: () throws(StorageError) -> Void = {}) throws(StorageError) {
        try state.withLock { state throws(StorageError) in
            guard !state.isClosed else { throw StorageError(.cancelled, "interrupted") }
            try body()
            state.entries[id] = nil
        }
    }

    /// Takes all away, several at a time; a service that does not answer is waited for only so long.
    private func clear() {
        let entries = state.withLock { state in
            state.isClosed = true
            defer { state.entries = [:] }
            return Array(state.entries.values)
        }
        let left = Monitor(entries.count)
        let pool = WorkerPool("objfs-clear", limit: 16)
        for entry in entries {
            pool.submit {
                entry()
                left.update { $0 -= 1 }
            }
        }
        _ = left.wait(atMost: .seconds(4)) { $0 == 0 ? true : nil }
    }
}
