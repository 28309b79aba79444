package import ObjfsRunner
import Storage
import Synchronization
import Threads

/// A job whose tasks are run by workers of a cluster: starts them, gathers what they do, and replaces those that are lost.
package final class ClusterRun: Sendable {
    private let engine: any ClusterEngine
    private let folder: JobFolder
    private let gathering: Gathering
    private let command: [String]
    private let wanted: Int
    private let interval: Duration
    private let stopped = Monitor(false)

    /// How often the folder is looked at.
    private static let pause = Duration.milliseconds(250)
    /// How often workers that end without having done anything are replaced.
    private static let patience = 5

    /// Makes a run.
    ///
    /// - Parameters:
    ///   - workers: How many run at a time.
    ///   - command: The command line of a worker.
    ///   - interval: How often workers say that they are there; after three times they count as lost.
    package init(
        _ engine: any ClusterEngine, _ gathering: Gathering, folder: JobFolder, workers: Int, command: [String],
        interval: Duration
    ) {
        self.engine = engine
        self.gathering = gathering
        self.folder = folder
        self.command = command
        wanted = workers
        self.interval = interval
    }

    /// Runs all tasks that are missing.
    package func run() throws(RunError) -> [TaskRecord] {
        let result = Result { () throws(RunError) in try work() }
        // Nothing may go on that nobody waits for: not even a worker that hangs after all is done.
        if case .failure = result { tellWorkers() } else if !gathering.missing.isEmpty { tellWorkers() }
        engine.cancel()
        _ = try result.get()
        return gathering.records
    }

    /// Ends the job.
    package func stop() { stopped.update { $0 = true } }

    private func tellWorkers() { try? folder.put("cancel", Array("cancel\n".utf8)) }

    private func work() throws(RunError) {
        try start(min(wanted, gathering.missing.count))
        var lastCheck = ContinuousClock.now
        var fruitless = 0
        while !gathering.missing.isEmpty {
            let begin = ContinuousClock.now
            let new = try gathering.look()
            if new > 0 { fruitless = 0 }
            guard !gathering.isToEnd, !gathering.missing.isEmpty else { return }
            if begin - lastCheck >= interval {
                lastCheck = begin
                let isStarted = try replaceLost()
                fruitless += isStarted ? 1 : 0
                guard fruitless <= Self.patience else { throw failure() }
            }
            // Looking takes longer the more there is to see.
            let pause = max(Self.pause, begin.duration(to: .now) * 4)
            if stopped.wait(atMost: pause, for: { $0 ? true : nil }) != nil { return }
        }
    }

    private func start(_ count: Int) throws(RunError) {
        guard count > 0 else { return }
        do throws(EngineError) {
            try engine.start(count, command)
        } catch {
            throw RunError("\(engine.name): \(error.message)", hint: error.hint)
        }
    }

    /// Gives the tasks of lost workers back, and starts as many workers as there are too few of.
    ///
    /// - Returns: Whether any were started.
    private func replaceLost() throws(RunError) -> Bool {
        let missing = gathering.missing
        let alive = try alive()
        let live: Int
        let released: Int
        do throws(StorageError) {
            (live, released) = try releaseLost(missing, isNobodyThere: alive == 0)
        } catch {
            throw RunError("the job's folder can't be read: \(error.message)", hint: error.hint)
        }
        // A worker that the cluster has not noticed to be lost is none.
        let present = released > 0 ? min(alive, live) : alive
        let few = min(wanted, missing.count) - present
        guard few > 0, present == 0 || released > 0 else { return false }
        try start(released > 0 ? min(few, released) : few)
        return true
    }

    /// Gives the tasks of lost workers back; how many workers are there, and how many tasks were given back.
    private func releaseLost(
        _ missing: Set<Int>, isNobodyThere: Bool
    ) throws(StorageError) -> (live: Int, released: Int) {
        let (seen, now) = try folder.workers()
        let limit = now.nanoseconds - 3 * interval.wholeMicroseconds * 1000
        let live = Set(seen.filter { $0.value.nanoseconds >= limit }.keys)
        guard live.count < seen.count || isNobodyThere else { return (live.count, 0) }
        let released = try folder.release(missing.sorted()) { !live.contains($0) }
        for name in seen.keys where !live.contains(name) {
            try folder.store.delete(folder.key("workers/" + name))
        }
        return (live.count, released)
    }

    private func alive() throws(RunError) -> Int {
        do throws(EngineError) {
            return try engine.alive()
        } catch {
            throw RunError("\(engine.name): \(error.message)", hint: error.hint)
        }
    }

    private func failure() -> RunError {
        let name = (try? folder.names("failures/"))?.last
        let reason = name.flatMap { try? folder.get($0) }.flatMap { $0 }.map { String(decoding: $0, as: UTF8.self) }
        return RunError(
            "\(engine.name): the workers end without having done anything" + (reason.map { ": \($0)" } ?? ""),
            hint: reason == nil ? "can the machines of the cluster reach the job's folder, and run objfs?" : nil)
    }
}
