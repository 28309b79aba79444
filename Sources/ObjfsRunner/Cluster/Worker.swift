import Glibc
package import Storage
import Synchronization
import Threads

/// Runs tasks of a job beside other workers, on a machine of a cluster.
package final class Worker: Sendable {
    private let folder: JobFolder
    private let name: String
    private let runner: Runner
    private let interval: Duration
    private let isOver = Monitor(false)
    /// Who ran the job when this began.
    private let client: [UInt8]?
    private let isEnding = Atomic(false)

    /// Makes a worker.
    ///
    /// - Parameters:
    ///   - name: Tells it from all others of the job.
    ///   - interval: How often it says that it is there.
    package init(
        _ name: String, _ plan: Plan, _ template: CommandTemplate, options: RunOptions, folder: JobFolder,
        interval: Duration
    ) throws(StorageError) {
        self.folder = folder
        self.name = name
        self.interval = interval
        client = try folder.get("heartbeat")
        var options = options
        options.output = .kept
        options.worker = name
        // Whether others are late, and how many have failed, is for who sees all workers.
        options.speculates = false
        options.failureLimit = nil
        options.late = try folder.late()
        runner = Runner(
            plan, template, options: options, folder: folder, known: try Self.done(folder),
            claims: Claims(folder, worker: name), sink: OutputSink(descriptor: STDOUT_FILENO))
    }

    /// The tasks that nobody needs to claim, as records that say only that.
    private static func done(_ folder: JobFolder) throws(StorageError) -> [TaskRecord] {
        var done: [TaskRecord] = []
        do throws(StorageError) {
            try folder.recorded { number in done.append(TaskRecord(task: number, outcome: .succeeded)) }
        } catch {
            // Who may not list the folder learns it by its claims.
            guard error.code == .notFound || error.code == .accessDenied else { throw error }
        }
        return done
    }

    /// Runs tasks until there is none that nobody has claimed.
    package func run() throws(RunError) {
        beat()
        let beats = Thread.start("objfs-heartbeat") {
            while self.isOver.wait(atMost: self.interval, for: { $0 ? true : nil }) == nil { self.beat() }
        }
        let result = Result { () throws(RunError) in try runner.run() }
        isOver.update { $0 = true }
        beats?.join()
        try? folder.store.delete(folder.key("workers/" + name))
        _ = try result.get()
    }

    /// Ends the tasks that run.
    package func stop(forcibly: Bool) { runner.stop(forcibly: forcibly) }

    private func beat() {
        try? folder.put("workers/" + name, Heartbeat.own.text)
        guard folder.isCancelled || isSuperseded else { return }
        stop(forcibly: isEnding.exchange(true, ordering: .relaxed))
    }

    /// Whether somebody else runs the job now, with workers of its own.
    private var isSuperseded: Bool {
        guard let client, let now = (try? folder.get("heartbeat")) ?? nil else { return false }
        return now != client
    }
}
