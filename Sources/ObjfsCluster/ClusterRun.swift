package import ObjfsRunner
import Storage
import Synchronization
import Threads

/// A job whose tasks are run by workers of a cluster: starts them, gathers what they do, and replaces those that are lost.
package final class ClusterRun: Sendable {
    private let engine: any ClusterEngine
    private let folder: JobFolder
    private let gathering: Gathering
    private let command: WorkerCommandLine
    private let wanted: Int
    private let interval: Duration
    /// How long a task must have taken to be run a second time beside; `nil` for never.
    private let shortestLate: Duration?
    private let stopped = Monitor(false)
    private let state = Mutex(State())

    private struct State {
        /// How often each task was given back, as its worker was lost.
        var losses: [Int: Int] = [:]
        /// The tasks that are run a second time.
        var late: Set<Int> = []
    }

    /// How often the folder is looked at.
    private static let pause = Duration.milliseconds(250)
    /// How often workers are replaced that end without having done anything, and how much less it counts
    /// if they had begun with a task.
    private static let patience = 20
    private static let nothingBegun = 4
    /// How often a task may lose its worker before it counts as what the worker died of.
    private static let mostLosses = 5
    /// How much of the job must be done before a task counts as late, and how much of it may be run twice.
    private static let doneShare = 0.75
    private static let lateShare = 0.1

    /// Makes a run.
    ///
    /// - Parameters:
    ///   - workers: How many run at a time.
    ///   - command: The command line of a worker.
    ///   - interval: How often workers say that they are there; after three times they count as lost.
    ///   - shortestLate: How long a task must have taken to be run a second time beside; `nil` for never.
    package init(
        _ engine: any ClusterEngine, _ gathering: Gathering, folder: JobFolder, workers: Int,
        command: WorkerCommandLine, interval: Duration, shortestLate: Duration?
    ) {
        self.engine = engine
        self.gathering = gathering
        self.folder = folder
        self.command = command
        wanted = workers
        self.interval = interval
        self.shortestLate = shortestLate
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
                fruitless += try replaceLost()
                guard fruitless <= Self.patience else { throw failure() }
                try runLateAgain()
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
    /// - Returns: How bad a sign it is that some had to be started: 0 if none had.
    private func replaceLost() throws(RunError) -> Int {
        let missing = gathering.missing
        let alive = try alive()
        let live: Int
        let released: [Int]
        do throws(StorageError) {
            (live, released) = try releaseLost(missing, isNobodyThere: alive == 0)
            try giveUp(released)
        } catch {
            throw Self.unreadable(error)
        }
        // A worker that the cluster has not noticed to be lost is none; of one that it does not know any more,
        // and that was there a moment ago, it shows soon whether it is lost.
        let present = released.isEmpty ? max(alive, live) : min(alive, live)
        let few = min(wanted, missing.count) - present
        guard few > 0, present == 0 || !released.isEmpty else { return 0 }
        try start(released.isEmpty ? few : min(few, released.count))
        return released.isEmpty ? Self.nothingBegun : 1
    }

    private static func unreadable(_ error: StorageError) -> RunError {
        RunError("the job's folder can't be read: \(error.message)", hint: error.hint)
    }

    /// Gives the tasks of lost workers back; how many workers are there, and which tasks were given back.
    private func releaseLost(
        _ missing: Set<Int>, isNobodyThere: Bool
    ) throws(StorageError) -> (live: Int, released: [Int]) {
        let limit = try folder.now().nanoseconds - 3 * interval.wholeMicroseconds * 1000
        let seen = try folder.workers()
        let live = Set(seen.filter { $0.value.nanoseconds >= limit }.keys)
        guard live.count < seen.count || isNobodyThere else { return (live.count, []) }
        let released = try folder.release(missing.sorted()) { !live.contains($0) }
        for name in seen.keys where !live.contains(name) {
            try folder.store.delete(folder.key("workers/" + name))
        }
        return (live.count, released)
    }

    /// Lets those tasks fail whose workers are lost again and again: they may be the reason.
    private func giveUp(_ released: [Int]) throws(StorageError) {
        let hopeless = state.withLock { state in
            for task in released { state.losses[task, default: 0] += 1 }
            return released.filter { state.losses[$0, default: 0] > Self.mostLosses }
        }
        for task in hopeless {
            var record = TaskRecord(
                task: task, outcome: .failed("the worker that ran it was lost, \(Self.mostLosses + 1) times"))
            record.begin = .now
            record.attempts = Self.mostLosses + 1
            _ = try folder.commit(record)
        }
    }

    // MARK: Tasks that take long

    /// Has those tasks run a second time that take far longer than the others did; whose record is first counts.
    private func runLateAgain() throws(RunError) {
        let missing = gathering.missing
        let done = gathering.count - missing.count
        guard let shortestLate, !missing.isEmpty, Double(done) >= Double(gathering.count) * Self.doneShare,
            let median = gathering.median
        else { return }
        let late: [Int]
        do throws(StorageError) {
            late = try longRunning(missing, max(median * 2, shortestLate))
            guard !late.isEmpty else { return }
            try folder.putLate(state.withLock { $0.late })
            for task in late { try folder.release(task) }
        } catch {
            throw Self.unreadable(error)
        }
        try start(late.count)
    }

    /// The tasks that were claimed longer ago than a limit, as many of them as may be run twice.
    private func longRunning(_ missing: Set<Int>, _ limit: Duration) throws(StorageError) -> [Int] {
        let begin = try folder.now().nanoseconds - limit.wholeMicroseconds * 1000
        let claims = try folder.claims().filter { missing.contains($0.key) && $0.value.nanoseconds < begin }
        return state.withLock { state in
            let most = max(Int(Double(gathering.count) * Self.lateShare), 1) - state.late.count
            let late = claims.filter { !state.late.contains($0.key) }.sorted { $0.value < $1.value }.prefix(
                max(most, 0))
            state.late.formUnion(late.map(\.key))
            return late.map(\.key)
        }
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
