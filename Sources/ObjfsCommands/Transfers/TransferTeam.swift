import Storage
import Threads

/// The threads that copy, and the memory that they may fill.
final class TransferTeam: Sendable {
    /// How many objects are on their way at a time, and how many parts of large ones.
    private static let objects = 32
    private static let parts = 16
    /// How many bytes may be in memory at a time.
    private static let memory: Int64 = 128 << 20

    private let objectPool = WorkerPool("objfs-copy", limit: objects)
    private let partPool = WorkerPool("objfs-part", limit: parts)
    private let open = Monitor(0)
    private let used = Monitor(Int64(0))

    /// Has a job done; returns when it has begun, or soon will.
    func submit(_ job: @escaping @Sendable () -> Void) {
        open.wait { open -> Void? in
            guard open < 4 * Self.objects else { return nil }
            open += 1
            return ()
        }
        objectPool.submit {
            job()
            self.open.update { $0 -= 1 }
        }
    }

    /// Waits until all jobs are done.
    func finish() { open.wait { $0 == 0 ? .some(()) : nil } }

    /// Has the parts of something done, several at a time, and waits for them; after a failure no other is begun.
    func each(_ parts: [Int], _ body: @escaping @Sendable (Int) throws(StorageError) -> Void) throws(StorageError) {
        _ = try partPool.each(parts, body)
    }

    /// Has one part of something done, when its turn comes.
    func submitPart(_ job: @escaping @Sendable () -> Void) { partPool.submit(job) }

    /// Does something that needs memory, when there is some.
    ///
    /// - Parameter bytes: How many; more than there are altogether wait until nothing else is used.
    func with<Result>(memory bytes: Int64, _ body: () throws(StorageError) -> Result) throws(StorageError) -> Result {
        take(bytes)
        defer { give(bytes) }
        return try body()
    }

    /// Takes memory, when there is some.
    func take(_ bytes: Int64) {
        used.wait { used -> Void? in
            guard used == 0 || used <= Self.memory - bytes else { return nil }
            used += bytes
            return ()
        }
    }

    /// Gives memory back.
    func give(_ bytes: Int64) { used.update { $0 -= bytes } }
}
