import Glibc
import Synchronization

/// Slurm with three nodes of this machine, all in one folder.
package struct SlurmCluster: Sendable {
    private let folder: String

    private static let started = Mutex<Result<SlurmCluster, any Error>?>(nil)

    /// The one cluster of all tests of this process; started for the first that asks.
    package static func shared() throws -> SlurmCluster {
        try started.withLock { started in
            let result = started ?? Result { try start() }
            started = result
            return try result.get()
        }
    }

    /// What a program needs in its environment to find the cluster.
    package var environment: [String: String] { ["SLURM_CONF": folder + "/slurm.conf"] }

    private static func start() throws -> SlurmCluster {
        var template = Array("/tmp/objfs-slurm-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw ServerError("no folder for Slurm") }
        let folder = String(cString: made)
        MarkedProcesses.killAtExit(folder, removing: folder)
        for name in ["munge", "state"] { mkdir(folder + "/" + name, 0o700) }
        // Its socket is looked for by others, its key is not.
        chmod(folder, 0o755)
        try prepare(folder)
        let cluster = SlurmCluster(folder: folder)
        try cluster.daemon(
            [
                "munged", "--foreground", "--force", "--key-file=\(folder)/munge/key", "--socket=\(folder)/munge.sock",
                "--pid-file=\(folder)/munge/pid", "--log-file=\(folder)/munge/log", "--seed-file=\(folder)/munge/seed",
            ])
        try wait("munged") { access(folder + "/munge.sock", F_OK) == 0 }
        try cluster.daemon(["slurmctld", "-D", "-i", "-f", folder + "/slurm.conf"])
        for node in ["n1", "n2", "n3"] { try cluster.startNode(node) }
        try wait("slurmctld") { cluster.idleNodes == 3 }
        return cluster
    }

    /// How many jobs run or wait.
    package var jobs: Int {
        let jobs = try? Program.run(["squeue", "-h", "-r", "-t", "PD,R,CG"], environment: environment)
        return jobs?.standardOutput.split(separator: "\n").count ?? 0
    }

    /// Starts a node, or starts it again.
    package func startNode(_ name: String) throws {
        try daemon(["slurmd", "-D", "-N", name, "-f", folder + "/slurm.conf"], ["SLURMD_NODENAME": name])
    }

    /// Ends all that runs on a node, at once and without a word.
    package func killNode(_ name: String) {
        MarkedProcesses.kill([folder, "SLURMD_NODENAME=\(name)"])
    }

    private var idleNodes: Int {
        let nodes = try? Program.run(["sinfo", "-h", "-N", "-t", "idle", "-o", "%N"], environment: environment)
        return nodes?.standardOutput.split(separator: "\n").count ?? 0
    }

    private func daemon(_ words: [String], _ environment: [String: String] = [:]) throws {
        let marked = self.environment.merging(environment) { $1 }
        _ = try ServerProcess(words, environment: marked, log: folder + "/\(words[0]).out")
    }

    private static func wait(_ name: String, until isReady: () -> Bool) throws {
        for _ in 0..<1200 {
            if isReady() { return }
            usleep(50_000)
        }
        throw ServerError("\(name) does not begin to serve")
    }

    private static func prepare(_ folder: String) throws {
        let key = (0..<128).map { _ in UInt8.random(in: 0 ... .max) }
        guard let file = fopen(folder + "/munge/key", "w") else { throw ServerError("no key for munge") }
        fwrite(key, 1, key.count, file)
        fclose(file)
        chmod(folder + "/munge/key", 0o400)
        guard let settings = fopen(folder + "/slurm.conf", "w") else { throw ServerError("no slurm.conf") }
        fputs(try configuration(folder), settings)
        fclose(settings)
    }

    private static func configuration(_ folder: String) throws -> String {
        let host = try Program.run(["hostname", "-s"]).standardOutput.filter { $0 != "\n" }
        let ports = (0..<4).map { _ in ServerProcess.freePort() }
        let nodes = (1...3).map { number in
            "NodeName=n\(number) NodeHostname=\(host) NodeAddr=127.0.0.1 Port=\(ports[number]) CPUs=2 RealMemory=500"
        }
        return """
            ClusterName=objfs
            SlurmctldHost=\(host)(127.0.0.1)
            SlurmctldPort=\(ports[0])
            SlurmUser=root
            SlurmdUser=root
            AuthType=auth/munge
            CredType=cred/munge
            AuthInfo=socket=\(folder)/munge.sock
            SlurmctldPidFile=\(folder)/slurmctld.pid
            SlurmdPidFile=\(folder)/slurmd-%n.pid
            SlurmdSpoolDir=\(folder)/spool-%n
            StateSaveLocation=\(folder)/state
            SlurmctldLogFile=\(folder)/slurmctld.log
            SlurmdLogFile=\(folder)/slurmd-%n.log
            ProctrackType=proctrack/linuxproc
            TaskPlugin=task/none
            SelectType=select/cons_tres
            SelectTypeParameters=CR_CPU
            SlurmdParameters=config_overrides
            ReturnToService=2
            KillWait=5
            SlurmdTimeout=20
            \(nodes.joined(separator: "\n"))
            PartitionName=all Nodes=n[1-3] Default=YES MaxTime=INFINITE State=UP

            """
    }
}
