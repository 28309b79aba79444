import Glibc
import ObjfsTesting
import Processes
import Testing

/// Workers of a cluster that have no credentials of their own.
@Suite(.serialized) struct AdmissionTests {
    private static func environment(_ folder: String) -> [String: String] {
        ["XDG_CACHE_HOME": folder + "/cache", "XDG_STATE_HOME": folder + "/state", "HOME": folder]
    }

    /// Compares by a function, as a failed comparison of long arrays would take minutes to be told of.
    private static func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool { left == right }

    private static func content(_ lines: Int) -> [UInt8] {
        Array((0..<lines).map { "line \($0) of what is read by somebody who is nobody\n" }.joined().utf8)
    }

    private static let slurm = ["--engine", "slurm", "--heartbeat", "1", "--workers", "3"]

    @Test func `R10: workers without credentials do what presigned requests of a real service let them do`() throws {
        let folder = TemporaryFolder()
        let server = try CephCluster.shared()
        let environment = Self.environment(folder.path).merging(server.environment) { $1 }
            .merging(try SlurmCluster.shared().environment) { $1 }
        // Each chunk's output is more than a record holds, and some of it is an object of its own.
        let content = Self.content(9000)
        folder.write("data", content)
        func objfs(_ arguments: [String]) throws -> Program {
            try Program.objfs(arguments, environment: environment, folder: folder.path)
        }
        #expect(try objfs(["mkdir", "s3://admission"]).status == 0)
        #expect(try objfs(["cp", "data", "s3://admission/in/data"]).status == 0)
        let job = ["--job-dir=s3://admission/jobs", "--chunks", "5", "s3://admission/in/data", "--", "cat"]
        let presigned = try objfs(["run", "--credentials", "presign"] + Self.slurm + job)
        #expect(presigned.status == 0, "\(presigned.standardError)")
        #expect(Self.isSame(presigned.output, content))
        // Without the permissions nobody would have let them in.
        let id = try objfs(["jobs", "list", "--job-dir=s3://admission/jobs"]).standardOutput.prefix { $0 != "\t" }
        let refused = try Program.run([
            "env", "-i", "HOME=\(folder.path)", "AWS_EC2_METADATA_DISABLED=true", Program.objfs, "worker",
            "--endpoint-url=\(server.url)", "--job-dir=s3://admission/jobs", String(id),
        ])
        #expect(refused.status == 3)
        #expect(refused.standardError.contains("access denied"), "\(refused.standardError)")
        // In a folder that the machines share, only the input is permitted.
        let shared = try objfs(
            ["run", "--credentials", "presign"] + Self.slurm + ["--chunks", "3", "s3://admission/in/data", "--", "cat"])
        #expect(shared.status == 0, "\(shared.standardError)")
        #expect(Self.isSame(shared.output, content))
        // What is known of a compressed object reaches them with the job.
        folder.write("data.gz", try Program.run(["gzip", "-c"], input: content).output)
        #expect(try objfs(["cp", "data.gz", "s3://admission/in/data.gz"]).status == 0)
        let compressed = try objfs(
            ["run", "--credentials", "presign"] + Self.slurm
                + ["--job-dir=s3://admission/jobs", "--chunks", "3", "s3://admission/in/data.gz", "--", "cat"])
        #expect(compressed.status == 0, "\(compressed.standardError)")
        #expect(Self.isSame(compressed.output, content))
    }

    @Test(arguments: ["presign", "sts"])
    func `U2, R10: what lets workers in is in no command line, environment, log or metadata`(kind: String) throws {
        let folder = TemporaryFolder()
        let cluster = try RayCluster.shared()
        let server = try S3Server.moto(log: folder.path + "/moto.log")
        defer { server.stop() }
        let proxy = try S3Proxy(server.url) { _, _ in .served }
        defer { proxy.stop() }
        let secret = "canary-\(UInt64.random(in: 0 ... .max))"
        let environment = Self.environment(folder.path).merging(cluster.environment) { $1 }.merging([
            "AWS_ACCESS_KEY_ID": "AKIDOFTHETEST", "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": proxy.url, "AWS_EC2_METADATA_DISABLED": "true",
        ]) { $1 }
        #expect(try Program.run(["curl", "-s", "-X", "PUT", server.url + "/bucket"]).isSuccess)
        folder.write("data", Self.content(100))
        func objfs(_ arguments: [String]) throws -> Program {
            try Program.objfs(arguments, environment: environment, folder: folder.path)
        }
        #expect(try objfs(["cp", "data", "s3://bucket/data"]).status == 0)
        // What a task finds of its own, of its worker and of everybody's command line.
        let spy = "env; cat /proc/$PPID/environ /proc/[0-9]*/cmdline 2> /dev/null; wc -l"
        let run = try objfs([
            "run", "--engine", "ray", "--address", cluster.address, "--worker-path", Program.objfs, "--workers", "2",
            "--credentials", kind, "--job-dir=s3://bucket/jobs", "--chunks", "2", "s3://bucket/data", "--", "sh", "-c",
            spy,
        ])
        #expect(run.status == 0, "\(run.standardError)")
        #expect(run.standardOutput.contains("OBJFS_TASK=1"))
        var secrets = [secret, "X-Amz-Signature"]
        if kind == "sts" {
            let answers = proxy.answers.map { String(decoding: $0, as: UTF8.self) }
            let session = try #require(answers.first { $0.contains("<SecretAccessKey>") })
            let key = session.split(separator: "<").first { $0.hasPrefix("SecretAccessKey>") }?.dropFirst(16)
            secrets.append(String(try #require(key)))
        }
        let jobs = try Program.run(
            ["curl", "-s", "-H", "Authorization: Bearer \(RayCluster.token)", cluster.address + "/api/jobs/"])
        #expect(jobs.standardOutput.contains("objfs-"))
        for secret in secrets {
            #expect(!run.standardOutput.contains(secret) && !run.standardError.contains(secret))
            #expect(!jobs.standardOutput.contains(secret))
            let logs = try Program.run(["grep", "-rlF", "-e", secret, cluster.logs])
            #expect(logs.standardOutput == "" && logs.status == 1, "\(logs.standardError)")
        }
        let readable = try Program.run(["find", cluster.packages, "-name", "input", "-perm", "/077"])
        #expect(readable.standardOutput == "", "\(readable.standardError)")
    }

    @Test func `R7: a job's folder in a bucket that refuses one request in ten, or forgets its answer, costs nothing`()
        throws
    {
        let folder = TemporaryFolder()
        let server = try S3Server.moto(log: folder.path + "/moto.log")
        defer { server.stop() }
        let proxy = try S3Proxy(server.url) { _, number in
            number % 10 == 0 ? (number % 20 == 0 ? .forgotten : .refused) : .served
        }
        defer { proxy.stop() }
        #expect(try Program.run(["curl", "-s", "-X", "PUT", server.url + "/bucket"]).isSuccess)
        let content = Self.content(3000)
        folder.write("data", content)
        let environment = Self.environment(folder.path).merging(server.environment) { $1 }
            .merging(try SlurmCluster.shared().environment) { $1 }.merging(["AWS_ENDPOINT_URL": proxy.url]) { $1 }
        let job = ["--job-dir=s3://bucket/jobs", "--chunks", "40", "data", "--", "cat"]
        for engine in [["-j4"], ["--credentials", "presign"] + Self.slurm] {
            let lost = proxy.lost
            let run = try Program.objfs(["run"] + engine + job, environment: environment, folder: folder.path)
            #expect(run.status == 0, "\(engine): \(run.standardError)")
            #expect(Self.isSame(run.output, content), "\(engine)")
            #expect(proxy.lost > lost + 3)
        }
    }

    @Test func `what is wrong with --credentials is said in a line`() throws {
        let folder = TemporaryFolder()
        folder.write("data", [10])
        func run(_ options: [String]) throws -> Program {
            try Program.objfs(
                ["run"] + options + ["data", "--", "cat"],
                environment: Self.environment(folder.path).merging(["AWS_EC2_METADATA_DISABLED": "true"]) { $1 },
                folder: folder.path)
        }
        #expect(try run(["--credentials", "presign"]).status == 2)
        #expect(try run(["--engine", "slurm", "--role-arn", "arn:aws:iam::1:role/x"]).status == 2)
        #expect(try run(["--engine", "slurm", "--credentials", "sts", "--credentials-time", "8d"]).status == 2)
        let remote = try run(["--engine", "ray", "--address", "http://192.0.2.1:8265", "--credentials", "presign"])
        #expect(remote.status == 3 && remote.standardError.contains("is not encrypted"), "\(remote.standardError)")
        let nobody = try run(["--engine", "slurm", "--workers", "1", "--credentials", "sts"])
        #expect(nobody.status == 3)
        #expect(
            nobody.standardError == "objfs: run: --credentials sts: there are no credentials to get a token with\n")
    }
}
