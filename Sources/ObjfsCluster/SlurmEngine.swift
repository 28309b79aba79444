import Synchronization

/// Slurm: each worker is an element of an array of batch jobs.
package final class SlurmEngine: ClusterEngine {
    private let job: String
    private let program: String
    private let arguments: [String]
    private let login: String?
    /// The arrays that were started.
    private let arrays = Mutex<[String]>([])

    /// Slurm refuses larger arrays as it is installed.
    private static let largestArray = 1000

    /// Makes an engine that has started nothing.
    ///
    /// - Parameters:
    ///   - job: What Slurm should call the workers.
    ///   - program: The path of objfs on the machines of the cluster.
    ///   - arguments: Further arguments of `sbatch`.
    ///   - login: The machine that Slurm's commands are run on, by `ssh`; `nil` for this one.
    package init(job: String, program: String, arguments: [String], login: String?) {
        self.job = job
        self.program = program
        self.arguments = arguments
        self.login = login
    }

    package var name: String { "slurm" }

    /// The corresponding command is `sinfo`.
    package func capacity() throws(EngineError) -> Int {
        let counts = try run(["sinfo", "-h", "-o", "%C"]).split { $0 == "/" || $0 == "\n" }.compactMap { Int($0) }
        // Allocated, idle, other, total.
        guard counts.count >= 4, counts[0] + counts[1] > 0 else { throw EngineError("the cluster has no processor up") }
        return counts[0] + counts[1]
    }

    /// The corresponding command is `sbatch`.
    package func start(_ count: Int, _ command: WorkerCommandLine) throws(EngineError) {
        let words = ([program] + command.arguments).map(Tool.quoted).joined(separator: " ")
        // Slurm shows a script to its owner alone, and no list of processes shows it.
        let input = command.input.isEmpty ? "" : " <<'END-OF-INPUT'\n\(command.input)\nEND-OF-INPUT"
        let script = "#!/bin/sh\nexec \(words)\(input)\n"
        var left = count
        while left > 0 {
            let size = min(left, Self.largestArray)
            let answer = try run(
                [
                    "sbatch", "--parsable", "--array=0-\(size - 1)", "--requeue", "--export=NONE", "--chdir=/",
                    "--output=/dev/null", "--error=/dev/null", "--job-name=objfs-\(job)",
                ] + arguments, input: script)
            // The name of a cluster may follow behind a semicolon.
            guard let id = answer.split(whereSeparator: { $0 == ";" || $0 == "\n" }).first.flatMap({ Int($0) }) else {
                throw EngineError("sbatch: it printed no number of a job")
            }
            arrays.withLock { $0.append(String(id)) }
            left -= size
        }
    }

    /// The corresponding command is `squeue`.
    package func alive() throws(EngineError) -> Int {
        let ids = arrays.withLock { $0 }
        guard !ids.isEmpty else { return 0 }
        let tool = try Tool.run(remote(["squeue", "-h", "-r", "-j", ids.joined(separator: ","), "-o", "%T"]))
        // Of one job only, Slurm soon says that it knows it no more.
        if tool.status != 0, tool.errors.contains("Invalid job id") { return 0 }
        let here: Set<Substring> = ["PENDING", "RUNNING", "CONFIGURING", "REQUEUED", "SUSPENDED"]
        return try tool.checked("squeue").split(separator: "\n").count { here.contains($0) }
    }

    /// The corresponding command is `scancel`.
    package func cancel() {
        let ids = arrays.withLock { $0 }
        guard !ids.isEmpty else { return }
        // Elements that have ended are no failure, and for the rest nothing more can be done.
        _ = try? Tool.run(remote(["scancel"] + ids))
    }

    private func run(_ words: [String], input: String = "") throws(EngineError) -> String {
        try Tool.run(remote(words), input: input).checked(words[0])
    }

    private func remote(_ words: [String]) -> [String] {
        guard let login else { return words }
        return ["ssh", "-o", "BatchMode=yes", "--", login] + [words.map(Tool.quoted).joined(separator: " ")]
    }
}
