import Glibc
import ObjfsTesting
import Processes
import Testing

/// Programs, random operations and crashes on a mount of a real service, through the kernel.
@Suite(.serialized) struct WritingSuiteTests {
    /// Python with boto3, the S3 client of another make.
    private static let python = String(suites.dropLast("Tests/Suites/".utf8.count)) + ".build-tools/bin/python3"
    private static let tools = String(python.dropLast("python3".utf8.count))
    private static let suites = String(#filePath.dropLast("MountTests/WritingSuiteTests.swift".utf8.count)) + "Suites/"

    /// A bucket of Ceph, and what the programs that use it need to know.
    private final class Bucket {
        let folder = TemporaryFolder()
        let name: String
        let server: S3Server
        let variables: [String: String]

        init(_ name: String) throws {
            self.name = name
            server = try CephCluster.shared()
            variables = [
                "AWS_ACCESS_KEY_ID": server.accessKey, "AWS_SECRET_ACCESS_KEY": server.secretKey,
                "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1", "XDG_STATE_HOME": folder.path + "/state",
                "XDG_CACHE_HOME": folder.path + "/cache",
            ]
            folder.makeFolder("mount")
            folder.makeFolder("plain")
            try run(
                WritingSuiteTests.python, "-c",
                "import boto3, sys; boto3.client('s3').create_bucket(Bucket=sys.argv[1])", name)
        }

        var mount: String { folder.path + "/mount" }

        @discardableResult
        func run(_ words: String...) throws -> String {
            let result = try Program.run(words, environment: variables, seconds: 600)
            #expect(
                result.status == 0,
                "\(words.prefix(3).joined(separator: " ")): \(result.standardError)\(result.standardOutput)")
            return result.standardOutput
        }
    }

    @Test func `W1, W2, W8, M7: random operations on a mount are those on a folder, and the bucket has them`() throws {
        let bucket = try Bucket("model")
        try bucket.run(Program.objfs, "mount", "s3://model", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        let seed = String(SeededGenerator.freshSeed)
        let output = try bucket.run(
            Self.python, Self.suites + "model.py", bucket.mount, bucket.folder.path + "/plain", bucket.server.url,
            "model",
            seed, "150")
        #expect(output.contains("all the same"), "seed \(seed)")
    }

    @Test func `W1, W2: programs that people use work on a mount`() throws {
        let bucket = try Bucket("programs")
        try bucket.run(Program.objfs, "mount", "s3://programs", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        let output = try bucket.run(
            "bash", Self.suites + "programs.sh", bucket.mount + "/work", bucket.folder.path + "/scratch")
        #expect(!output.contains("FAILED"), "\(output)")
        #expect(output.split(separator: "\n").count { $0.hasPrefix("ok ") } == 22)
    }

    @Test func `M7: s3fs sees what objfs wrote, and objfs what s3fs wrote`() throws {
        let bucket = try Bucket("shared")
        try bucket.run(Program.objfs, "mount", "s3://shared", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        let password = bucket.folder.write(
            "password", Array("\(bucket.server.accessKey):\(bucket.server.secretKey)".utf8))
        chmod(password, 0o600)
        let output = try bucket.run(
            "bash", Self.suites + "s3fs.sh", bucket.mount, bucket.folder.makeFolder("s3fs"), "shared",
            bucket.server.url, password)
        #expect(output.contains("ok by-objfs") && output.contains("ok by-s3fs"), "\(output)")
    }

    @Test func `W2: the suites by which file systems are judged pass, but for hard links`() throws {
        let bucket = try Bucket("suites")
        try bucket.run(Program.objfs, "mount", "s3://suites", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        let output = try bucket.run(
            "bash", Self.suites + "filesystems.sh", bucket.mount + "/work", bucket.folder.path + "/scratch")
        #expect(output.contains("test_syscalls: 55 passed; not: link,link-unlink-link\n"), "\(output)")
        #expect(output.contains("fio: 5 of 5 passed"), "\(output)")
        #expect(output.contains("stress-ng: 29 of 29 passed"), "\(output)")
        #expect(!output.contains("FAILED"), "\(output)")
    }

    @Test func `W1: when the server is killed and comes back, writers wait or fail, and nothing is lost`() throws {
        let bucket = try Bucket("outage")
        let output = try bucket.run(
            Self.python, Self.suites + "outage.py", Program.objfs, Self.tools + "rclone",
            bucket.folder.path, "5")
        #expect(output.contains("nothing lost"), "\(output)")
    }

    @Test func `W3, W7: a full disk gives ENOSPC at once and hurts no other file`() throws {
        let bucket = try Bucket("disk")
        let output = try bucket.run(
            "bash", Self.suites + "disk.sh", Program.objfs, "disk", bucket.folder.makeFolder("disk"))
        #expect(output.split(separator: "\n").count { $0.hasPrefix("ok ") } == 2, "\(output)")
    }

    @Test func `W7: when the daemon is killed nothing is lost that close had reported`() throws {
        let bucket = try Bucket("kill")
        let seed = String(SeededGenerator.freshSeed)
        let output = try bucket.run(
            Self.python, Self.suites + "kill.py", Program.objfs, bucket.mount, bucket.server.url, "kill", seed, "25")
        #expect(output.contains("nothing lost"), "seed \(seed)")
    }
}
