import Glibc
import ObjfsTesting
import Processes
import Testing
import Threads

/// `objfs run`, as it is built, on real clusters of this machine.
@Suite(.serialized) struct ClusterTests {
    enum Engine: String, CaseIterable, Sendable {
        case slurm, ray

        /// What stands on the command line for it.
        func options() throws -> [String] {
            switch self {
            case .slurm: ["--engine", "slurm", "--heartbeat", "1", "--workers", "4"]
            case .ray:
                [
                    "--engine", "ray", "--heartbeat", "1", "--address", try RayCluster.shared().address,
                    "--worker-path", Program.objfs, "--workers", "3",
                ]
            }
        }

        func environment() throws -> [String: String] {
            switch self {
            case .slurm: try SlurmCluster.shared().environment
            case .ray: try RayCluster.shared().environment
            }
        }
    }

    private static func environment(_ folder: String) -> [String: String] {
        ["XDG_CACHE_HOME": folder + "/cache", "XDG_STATE_HOME": folder + "/state", "HOME": folder]
    }

    private static func objfs(
        _ folder: String, _ engine: Engine?, _ arguments: [String], seconds: Int64 = 240
    ) throws -> Program {
        let own = try engine?.environment() ?? [:]
        return try Program.objfs(
            ["run"] + (engine?.options() ?? []) + arguments,
            environment: environment(folder).merging(own) { $1 }, folder: folder, seconds: seconds)
    }

    /// Kills a job as soon as some of its tasks have ended, and returns its name.
    private static func kill(
        _ arguments: [String], _ environment: [String: String], _ folder: String, _ place: String = ""
    ) throws -> String {
        // The third column of a job's line begins with the number of its tasks that have ended.
        let script = """
            "$@" & client=$!
            until "$1" jobs list \(place) | cut -f 3 | grep -q '^[1-9]'; do sleep 0.1; done
            kill -9 $client
            "$1" jobs list \(place) | cut -f 1 > id
            """
        let killed = try Program.run(
            ["bash", "-c", script, "bash", Program.objfs] + arguments, environment: environment, folder: folder)
        #expect(killed.isSuccess, "\(killed.standardError)")
        let id = try Program.run(["cat", "id"], folder: folder).standardOutput
        return String(id.prefix { $0 != "\n" })
    }

    /// Compares by a function, as a failed comparison of long arrays would take minutes to be told of.
    private static func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool { left == right }

    private static func content(_ lines: Int) -> [UInt8] {
        Array((0..<lines).map { "line \($0) \($0 % 7 == 0 ? "John" : "")\n" }.joined().utf8)
    }

    /// Waits for something to happen, for a minute at most.
    private static func wait(_ isDone: () -> Bool) -> Bool {
        for _ in 0..<1200 {
            if isDone() { return true }
            usleep(50_000)
        }
        return false
    }

    /// A program that runs while the test goes on.
    private final class Background: Sendable {
        private let result = Monitor<Result<Program, any Error>?>(nil)

        init(_ run: @escaping @Sendable () throws -> Program) {
            let result = result
            Thread.start("background") {
                let program = Result { try run() }
                result.update { $0 = program }
            }?.detach()
        }

        func wait() throws -> Program { try result.wait { $0 }.get() }
    }

    @Test(arguments: Engine.allCases)
    func `R10: a job has the same output and the same status on this machine and on a cluster`(engine: Engine) throws {
        let folder = TemporaryFolder()
        folder.write("data", Self.content(5000))
        let jobs: [[String]] = [
            ["--chunks", "12", "data", "--", "grep", "-c", "John"],
            ["--chunks", "3", "data", "--", "grep", "nobody"],
            ["--chunks", "7", "--tag", "data", "--", "wc", "-l"],
            [
                "--chunks", "9", "--reduce", "awk '{ n += $1 } END { print n }'", "data", "--", "awk",
                "{ n += $2 } END { print n }",
            ],
            ["--chunks", "4", "data", "--", "sh", "-c", "[ $OBJFS_TASK != 2 ] || exit 9; cat"],
            ["--chunks", "3", "--timeout", "1s", "data", "--", "sh", "-c", "[ $OBJFS_TASK != 1 ] || sleep 1000; cat"],
            ["--chunks", "2", "data", "--", "no-such-program"],
        ]
        for job in jobs {
            let here = try Self.objfs(folder.path, nil, job)
            let there = try Self.objfs(folder.path, engine, job)
            #expect(there.output == here.output, "\(job): \(there.standardError)")
            #expect(there.status == here.status, "\(job): \(there.standardError)")
        }
    }

    @Test(arguments: Engine.allCases)
    func `R10: a node that is lost costs no record and doubles none`(engine: Engine) throws {
        let folder = TemporaryFolder()
        let content = Self.content(2000)
        folder.write("data", content)
        let path = folder.path
        let script = "echo $OBJFS_TASK >> started; sleep 0.5; cat"
        let run = Background {
            try Self.objfs(path, engine, ["--chunks", "30", "data", "--", "sh", "-c", script])
        }
        let isBegun = Self.wait { access(path + "/started", F_OK) == 0 && folder.read("started").count > 12 }
        #expect(isBegun)
        switch engine {
        case .slurm: try SlurmCluster.shared().killNode("n1")
        case .ray: try RayCluster.shared().killNode("second")
        }
        let ended = try run.wait()
        #expect(ended.status == 0, "\(ended.standardError)")
        #expect(Self.isSame(ended.output, content))
        // Ray's tests go on with the head, which is enough for them.
        if engine == .slurm { try SlurmCluster.shared().startNode("n1") }
    }

    @Test func `R10: a worker that hangs is replaced, and ended with the job`() throws {
        let folder = TemporaryFolder()
        let content = Self.content(2000)
        folder.write("data", content)
        let path = folder.path
        let script = "echo $PPID >> started; sleep 0.3; cat"
        let run = Background {
            try Self.objfs(path, .slurm, ["--chunks", "30", "data", "--", "sh", "-c", script])
        }
        #expect(Self.wait { access(path + "/started", F_OK) == 0 && folder.read("started").contains(10) })
        let worker = try #require(
            Int32(String(decoding: folder.read("started").prefix { $0 != 10 }, as: UTF8.self)))
        Glibc.kill(worker, SIGSTOP)
        let ended = try run.wait()
        #expect(ended.status == 0, "\(ended.standardError)")
        #expect(Self.isSame(ended.output, content))
        #expect(Self.wait { Glibc.kill(worker, 0) != 0 })
    }

    @Test(arguments: Engine.allCases)
    func `R10: a task that takes far longer than the others is run by another worker too, and counts once`(
        engine: Engine
    ) throws {
        let folder = TemporaryFolder()
        let content = Self.content(800)
        folder.write("data", content)
        let script = "if [ $OBJFS_TASK = 3 ] && mkdir first 2> /dev/null; then sleep 1000; fi; cat"
        let ended = try Self.objfs(
            folder.path, engine,
            [
                "--speculate", "--speculate-after", "1s", "--progress", "json", "--chunks", "8", "data", "--", "sh",
                "-c",
                script,
            ])
        #expect(ended.status == 0, "\(ended.standardError)")
        #expect(Self.isSame(ended.output, content))
        #expect(ended.standardError.contains("\"speculative\":1"))
    }

    @Test func `R10: a task that its worker dies of fails in the end, and the others do not`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\nc\nd\n".utf8))
        let script = "[ $OBJFS_TASK != 2 ] || kill -9 $PPID; cat"
        let ended = try Self.objfs(
            folder.path, .slurm, ["--heartbeat", "0.5", "--chunks", "4", "data", "--", "sh", "-c", script])
        #expect(ended.status == 1)
        #expect(ended.standardOutput == "a\nb\nd\n")
        #expect(
            ended.standardError.contains("data#2: the worker that ran it was lost, 6 times"), "\(ended.standardError)")
    }

    @Test func `R8, C8: an object that is overwritten while a cluster reads it makes the other tasks fail`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Self.content(1000))
        let script = "cat; if mkdir over 2> /dev/null; then echo other > data; fi"
        let ended = try Self.objfs(
            folder.path, .slurm, ["--workers", "1", "--chunks", "6", "data", "--", "sh", "-c", script])
        #expect(ended.status == 1)
        let lines = ended.standardError.split(separator: "\n")
        // The one that did it may have met the other version too, as it read its chunk to the end just before.
        #expect(lines.count { $0.hasSuffix(": the object has changed since the job began") } >= 5, "\(lines)")
        #expect(!ended.standardOutput.contains("other"))
    }

    @Test(arguments: Engine.allCases)
    func `R12: an interrupt ends what runs on the cluster, and leaves nothing`(engine: Engine) throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\n".utf8))
        let script = """
            "$@" & client=$!
            until [ -e started0 ] && [ -e started1 ]; do sleep 0.1; done
            kill -INT $client; wait $client; echo status $?
            """
        let environment = Self.environment(folder.path).merging(try engine.environment()) { $1 }
        let run =
            [Program.objfs, "run"] + (try engine.options()) + [
                "--chunks", "2", "data", "--", "sh", "-c", "touch started$OBJFS_TASK; sleep 986.5",
            ]
        let interrupted = try Program.run(
            ["bash", "-c", "set -m; " + script, "bash"] + run, environment: environment, folder: folder.path)
        #expect(interrupted.standardOutput.hasSuffix("status 130\n"), "\(interrupted.standardError)")
        #expect(interrupted.standardError.contains("objfs run --resume "))
        #expect(Self.wait { (try? Program.run(["pgrep", "-f", "sleep 986[.]5"]).status) == 1 })
        if engine == .slurm { #expect(Self.wait { (try? SlurmCluster.shared().jobs) == 0 }) }
    }

    @Test func `R7, R10: a client that is killed leaves a job that is resumed, there or here`() throws {
        let folder = TemporaryFolder()
        let content = Self.content(2000)
        folder.write("data", content)
        let path = folder.path
        let environment = Self.environment(path).merging(try Engine.slurm.environment()) { $1 }
        let arguments = ["run"] + (try Engine.slurm.options())
        let id = try Self.kill(
            arguments + ["--chunks", "40", "data", "--", "sh", "-c", "sleep 0.3; cat"], environment, path)
        let there = try Program.objfs(["run", "--resume", id], environment: environment, folder: path)
        #expect(there.status == 0, "\(there.standardError)")
        #expect(Self.isSame(there.output, content))
        let here = try Program.objfs(
            ["run", "--resume", id, "--engine", "local"], environment: environment, folder: path)
        #expect(Self.isSame(here.output, content), "\(here.standardError)")
    }

    @Test func `R10: Slurm's commands are run on another machine, by ssh, where asked`() throws {
        let folder = TemporaryFolder()
        let content = Self.content(100)
        folder.write("data", content)
        let server = try SSHServer(folder.path, environment: SlurmCluster.shared().environment)
        defer { server.stop() }
        let path = Environment.value("PATH") ?? "/usr/bin:/bin"
        let environment = Self.environment(folder.path).merging(["PATH": server.programs + ":" + path]) { $1 }
        func run(_ options: [String]) throws -> Program {
            try Program.objfs(
                ["run", "--engine", "slurm", "--heartbeat", "1", "--workers", "2"] + options + [
                    "--chunks", "4", "data", "--", "cat",
                ],
                environment: environment, folder: folder.path)
        }
        let there = try run(["--ssh", "login", "--sbatch-arg=--partition=all", "--sbatch-arg=--comment=it's a 'test'"])
        #expect(there.status == 0, "\(there.standardError)")
        #expect(Self.isSame(there.output, content))
        let wrong = try run(["--ssh", "login", "--sbatch-arg=--partition=none"])
        #expect(wrong.status == 3)
        #expect(wrong.standardError.hasPrefix("objfs: run: slurm: sbatch: error: "), "\(wrong.standardError)")
        #expect(wrong.standardError.split(separator: "\n").count == 1)
    }

    @Test func `R10: what is wrong with a cluster is said in a line, with status 3`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Self.content(10))
        func run(_ options: [String], _ environment: [String: String] = [:]) throws -> Program {
            try Program.run(
                [Program.objfs, "run"] + options + ["data", "--", "cat"],
                environment: Self.environment(folder.path).merging(environment) { $1 }, folder: folder.path)
        }
        let nobody = try run(["--engine", "ray", "--address", "http://127.0.0.1:\(ServerProcess.freePort())"])
        #expect(nobody.status == 3 && nobody.standardError.contains("no connection"), "\(nobody.standardError)")
        let address = try RayCluster.shared().address
        let none = try run(["--engine", "ray", "--address", address])
        #expect(none.status == 3 && none.standardError.contains("it wants a token"), "\(none.standardError)")
        let wrong = try run(["--engine", "ray", "--address", address], ["RAY_AUTH_TOKEN": "wrong"])
        #expect(wrong.status == 3 && wrong.standardError.contains("it refuses the token"), "\(wrong.standardError)")
        let absent = try run(["--engine", "slurm"], ["PATH": folder.path])
        #expect(
            absent.status == 3 && absent.standardError.contains("sinfo: command not found"), "\(absent.standardError)")
        #expect(try run(["--engine", "ray"]).status == 2)
        #expect(try run(["--engine", "ray", "--address", "head:8265"]).status == 2)
    }

    @Test func `R10, U2: the program travels to Ray with the job, and no secret does`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Self.content(100))
        let cluster = try RayCluster.shared()
        let secret = "canary-of-the-secret-key"
        let run = try Program.objfs(
            ["run", "--engine", "ray", "--address", cluster.address, "--chunks", "2", "data", "--", "wc", "-l"],
            environment: Self.environment(folder.path).merging(cluster.environment) { $1 }.merging([
                "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": secret,
            ]) { $1 }, folder: folder.path)
        let counts = run.standardOutput.split(separator: "\n").compactMap { Int($0) }
        #expect(counts.count == 2 && counts.reduce(0, +) == 100, "\(run.standardError)")
        let jobs = try Program.run(
            ["curl", "-s", "-H", "Authorization: Bearer \(RayCluster.token)", cluster.address + "/api/jobs/"])
        #expect(jobs.standardOutput.contains("objfs-"))
        #expect(!jobs.standardOutput.contains(secret) && !jobs.standardOutput.contains(RayCluster.token))
        #expect(try Program.run(["grep", "-rl", secret, folder.path]).standardOutput == "")
    }

    @Test func `R7: a job folder in a bucket serves as one of this machine does`() throws {
        let folder = TemporaryFolder()
        let server = try S3Server.moto(log: folder.path + "/moto.log")
        defer { server.stop() }
        let created = try Program.run(["curl", "-s", "-X", "PUT", server.url + "/bucket"])
        #expect(created.isSuccess)
        let content = Self.content(3000)
        folder.write("data", content)
        let environment = Self.environment(folder.path).merging(server.environment) { $1 }
        let place = "--job-dir=s3://bucket/my/jobs"
        let run = ["run", place, "-j2", "--chunks", "60", "data", "--", "sh", "-c", "sleep 0.05; cat"]
        let id = try Self.kill(run, environment, folder.path, place)
        let whole = try Program.objfs(["run", place, "--resume", id], environment: environment, folder: folder.path)
        #expect(whole.status == 0, "\(whole.standardError)")
        #expect(Self.isSame(whole.output, content))
        #expect(try Program.objfs(["jobs", "rm", place, id], environment: environment).status == 0)
        #expect(try Program.objfs(["jobs", "list", place], environment: environment).standardOutput == "")
    }
}
