import Glibc
import Synchronization

/// Ray with a head and another node on this machine, which wants a token.
package struct RayCluster: Sendable {
    private let folder: String
    /// The URL of the dashboard.
    package let address: String
    private let port: UInt16

    package static let token = "a-token-of-the-tests-which-nobody-else-may-see"

    private static let started = Mutex<Result<RayCluster, any Error>?>(nil)

    /// The one cluster of all tests of this process; started for the first that asks, which takes some seconds.
    package static func shared() throws -> RayCluster {
        try started.withLock { started in
            let result = started ?? Result { try start() }
            started = result
            return try result.get()
        }
    }

    /// Where Ray and all that it starts write their logs.
    package var logs: String { folder + "/ray/session_latest/logs" }

    /// Where the packages of jobs are, as the nodes have them.
    package var packages: String { folder + "/ray/session_latest/runtime_resources" }

    /// What a program needs in its environment to be let in.
    package var environment: [String: String] { ["RAY_AUTH_TOKEN": Self.token] }

    private static func start() throws -> RayCluster {
        // The names of Ray's sockets are long, and may not be much longer.
        var template = Array("/tmp/objfs-ray-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw ServerError("no folder for Ray") }
        let folder = String(cString: made)
        MarkedProcesses.killAtExit(folder, removing: folder)
        let dashboard = ServerProcess.freePort()
        let cluster = RayCluster(
            folder: folder, address: "http://127.0.0.1:\(dashboard)", port: ServerProcess.freePort())
        try cluster.daemon(
            "head",
            [
                "--head", "--port=\(cluster.port)", "--dashboard-port=\(dashboard)",
                "--ray-client-server-port=\(ServerProcess.freePort())", "--temp-dir=\(folder)/ray",
            ])
        try ServerProcess.awaitPort(dashboard, seconds: 120)
        try cluster.startNode("second")
        return cluster
    }

    private func startNode(_ name: String) throws {
        try daemon(name, ["--address=127.0.0.1:\(port)"])
        for _ in 0..<1200 {
            if processors >= 4 { return }
            usleep(100_000)
        }
        throw ServerError("Ray's node does not come up")
    }

    /// Ends all that runs on a node, at once and without a word.
    package func killNode(_ name: String) {
        MarkedProcesses.kill([folder, "OBJFS_TEST_NODE=\(name)"])
    }

    /// How many processors the cluster has, as far as its dashboard says so.
    private var processors: Int {
        let answer = try? Program.run(
            [
                "curl", "-s", "-m", "10", "-H", "Authorization: Bearer \(Self.token)",
                address + "/api/cluster_status?format=0",
            ])
        guard let text = answer?.standardOutput, let start = text.range(of: "\"CPU\": [") else { return 0 }
        let numbers = text[start.upperBound...].prefix { $0 != "]" }.split(separator: ",")
        return numbers.last.flatMap { Double($0.filter { $0 != " " }) }.map { Int($0) } ?? 0
    }

    private func daemon(_ name: String, _ words: [String]) throws {
        let environment = [
            "HOME": folder, "OBJFS_TEST_NODE": name, "OBJFS_TEST_CLUSTER": folder, "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": Self.token, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        ]
        let common = [
            "--num-cpus=2", "--object-store-memory=80000000", "--min-worker-port=0", "--max-worker-port=0",
            "--dashboard-agent-listen-port=\(ServerProcess.freePort())", "--disable-usage-stats", "--block",
        ]
        _ = try ServerProcess(
            ["ray", "start"] + words + common, environment: environment, log: "\(folder)/\(name).out")
    }
}

extension String {
    /// Where a text is found first; Foundation, which has this, is not used.
    fileprivate func range(of text: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
