import Glibc
import ObjfsTesting
import Processes
import Testing
import Threads

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
            try boto3("client.create_bucket(Bucket=name)")
        }

        /// Runs a line of Python with boto3, `client` being the owner's or another user's, and `name` that of the bucket.
        func boto3(_ line: String, as key: String? = nil) throws {
            let result = try self.run(
                as: key ?? server.accessKey, WritingSuiteTests.python, "-c",
                "import boto3, json, sys; client, name = boto3.client('s3'), sys.argv[1]\n\(line)", name)
            #expect(result.status == 0, "\(line): \(result.standardError)")
        }

        /// Lets a second user of the cluster do some things with the bucket, and no others.
        func allow(_ user: String, _ actions: [String]) throws {
            let list = "['" + actions.joined(separator: "', '") + "']"
            try boto3(
                """
                client.put_bucket_policy(Bucket=name, Policy=json.dumps({'Version': '2012-10-17', 'Statement': [{
                    'Effect': 'Allow', 'Principal': {'AWS': ['arn:aws:iam:::user/\(user)']}, 'Action': \(list),
                    'Resource': [f'arn:aws:s3:::{name}', f'arn:aws:s3:::{name}/*']}]}))
                """)
        }

        /// Runs a program as a second user.
        func run(as key: String, _ words: String...) throws -> Program {
            try Program.run(
                words, environment: variables.merging(["AWS_ACCESS_KEY_ID": key]) { $1 }, seconds: 100)
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
        try bucket.run(Program.objfs, "mount", "--metadata-ttl", "0.25", "s3://model", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        let seed = String(SeededGenerator.freshSeed)
        let output = try bucket.run(
            Self.python, Self.suites + "model.py", bucket.mount, bucket.folder.path + "/plain", bucket.server.url,
            "model",
            seed, "150")
        #expect(output.contains("all the same"), "seed \(seed)")
    }

    @Test(arguments: [
        "fsync", "fdatasync", "o_sync", "dup", "inherited", "redirected", "mapped", "synced", "killed",
        "left_open", "renamed", "truncated", "too_long", "too_large",
    ])
    func `W1: what a program was told is safe is in the bucket, for whoever looks`(way: String) throws {
        let bucket = try Bucket("acknowledged-\(way.replacing("_", with: "-"))")
        try bucket.run(Program.objfs, "mount", "s3://\(bucket.name)", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        let output = try bucket.run(
            Self.python, Self.suites + "acknowledged.py", bucket.mount, bucket.server.url, bucket.name, way)
        #expect(output.contains("ok \(way)"), "\(output)")
    }

    @Test func `M6, M7: modes that another client sets are seen, also where the content stays as it is`() throws {
        let bucket = try Bucket("foreign-mode")
        try bucket.run(Program.objfs, "mount", "s3://foreign-mode", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        let output = try bucket.run(
            Self.python, Self.suites + "acknowledged.py", bucket.mount, bucket.server.url, "foreign-mode",
            "foreign_mode")
        #expect(output.contains("ok foreign_mode"), "\(output)")
    }

    @Test func `M7: what HTTP says of an object stays when its mode is set, and when it is appended to`() throws {
        let bucket = try Bucket("headers")
        try bucket.boto3(
            """
            client.put_object(Bucket=name, Key='a', Body=b'x', CacheControl='max-age=60', ContentEncoding='gzip',
                ContentDisposition='attachment; filename="a b"', ContentLanguage='de', ContentType='text/css')
            """)
        try bucket.run(Program.objfs, "mount", "s3://headers", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        for command in ["chmod 600", "printf y >>"] {
            try bucket.run("sh", "-c", "\(command) \(bucket.mount)/a")
            try bucket.boto3(
                """
                head = client.head_object(Bucket=name, Key='a')
                assert (head['CacheControl'], head['ContentEncoding']) == ('max-age=60', 'gzip'), head
                assert head['ContentDisposition'] == 'attachment; filename="a b"', head
                assert (head['ContentLanguage'], head['ContentType']) == ('de', 'text/css'), head
                """)
        }
    }

    @Test func `W1: a bucket that may only be read refuses a writer when the file is opened`() throws {
        let bucket = try Bucket("read-only")
        try CephCluster.administer(
            "user", "create", "--uid=reader", "--display-name=r", "--access-key=READER", "--secret-key=SECRET")
        try bucket.boto3("client.put_object(Bucket=name, Key='there', Body=b'content')")
        try bucket.allow("reader", ["s3:ListBucket", "s3:GetObject"])
        let mounted = try bucket.run(as: "READER", Program.objfs, "mount", "s3://read-only", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        #expect(mounted.status == 0, "\(mounted.standardError)")
        let output = try bucket.run(
            Self.python, Self.suites + "acknowledged.py", bucket.mount, bucket.server.url, "read-only", "read_only")
        #expect(output.contains("ok read_only"), "\(output)")
        let recover = try bucket.run(as: "READER", Program.objfs, "recover")
        #expect(recover.isSuccess && recover.standardOutput.isEmpty, "nothing was taken that could be lost")
    }

    @Test func `W1, W7: a right that is taken away makes close fail, and what was written is kept`() throws {
        let bucket = try Bucket("revoked")
        try CephCluster.administer(
            "user", "create", "--uid=writer", "--display-name=w", "--access-key=WRITER", "--secret-key=SECRET")
        try bucket.allow("writer", ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"])
        let mounted = try bucket.run(as: "WRITER", Program.objfs, "mount", "s3://revoked", bucket.mount)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        #expect(mounted.status == 0, "\(mounted.standardError)")
        try bucket.run("sh", "-c", "echo content > \(bucket.mount)/first")
        try bucket.allow("writer", ["s3:ListBucket", "s3:GetObject"])
        let write = try bucket.run(
            as: "WRITER", "python3", "-c",
            """
            import os, sys
            file = os.open(sys.argv[1] + '/second', os.O_CREAT | os.O_WRONLY)
            os.write(file, b'kept')
            try: os.close(file)
            except PermissionError: print('refused at close')
            try: open(sys.argv[1] + '/third', 'w')
            except PermissionError: print('refused at open')
            """, bucket.mount)
        #expect(write.standardOutput == "refused at close\nrefused at open\n", "\(write.standardError)")
        // The file is as the store has it, as soon as the daemon has ended what the program had open.
        try bucket.run("sh", "-c", "while [ -e \(bucket.mount)/second ]; do sleep 0.05; done")
        let unmounted = try bucket.run(as: "WRITER", Program.objfs, "umount", bucket.mount)
        #expect(unmounted.status == 4, "\(unmounted.standardError)")
        #expect(unmounted.standardError.contains("1 of its files were not stored"))
        #expect(try bucket.run(as: "WRITER", Program.objfs, "recover").standardOutput.contains("s3://revoked/second"))
        try bucket.allow("writer", ["s3:ListBucket", "s3:GetObject", "s3:PutObject"])
        // The journal knows where it was to go; another service may have a bucket of that name.
        let elsewhere = "AWS_ENDPOINT_URL=http://127.0.0.1:9"
        let upload = try bucket.run(as: "WRITER", "env", elsewhere, Program.objfs, "recover", "--upload")
        #expect(upload.isSuccess, "\(upload.standardError)")
        try bucket.boto3("assert client.get_object(Bucket=name, Key='second')['Body'].read() == b'kept'", as: "WRITER")
    }

    @Test func `U1, W1: credentials that are replaced in the middle of an upload are got anew, and it goes on`() throws
    {
        let bucket = try Bucket("rotated")
        try CephCluster.administer(
            "user", "create", "--uid=rotated", "--display-name=r", "--access-key=FIRST", "--secret-key=SECRET")
        try bucket.allow("rotated", ["s3:*"])
        let script = bucket.folder.path
        func give(_ key: String) {
            let keys = #""AccessKeyId": "\#(key)", "SecretAccessKey": "SECRET""#
            let document = #"{"Version": 1, \#(keys), "Expiration": "2099-01-01T00:00:00Z"}"#
            bucket.folder.write("given", Array(document.utf8))
        }
        give("FIRST")
        let program = "[default]\ncredential_process = sh -c 'cat \(script)/given; echo >> \(script)/asked'\n"
        let config = bucket.folder.write("config", Array(program.utf8))
        var variables = bucket.variables.filter { !$0.key.hasPrefix("AWS_ACCESS") && !$0.key.hasPrefix("AWS_SECRET") }
        variables["AWS_CONFIG_FILE"] = config
        let mounted = try Program.objfs(["mount", "s3://rotated", bucket.mount], environment: variables)
        defer { _ = try? Program.run([Program.objfs, "umount", bucket.mount]) }
        #expect(mounted.status == 0, "\(mounted.standardError)")
        let half = bucket.folder.path + "/half"
        try bucket.run("sh", "-c", "head -c 20M /dev/urandom > \(half)")
        let mount = bucket.mount
        let writer = Monitor<Program?>(nil)
        let thread = Thread.start("writer") {
            let wait = "touch \(script)/halfway; until [ -e \(script)/go ]; do sleep 0.05; done"
            let result = try? Program.run(["sh", "-c", "(cat \(half); \(wait); cat \(half)) > \(mount)/large"])
            writer.update { $0 = result }
        }
        while access(script + "/halfway", F_OK) != 0 { usleep(20_000) }
        try CephCluster.administer(
            "key", "create", "--uid=rotated", "--key-type=s3", "--access-key=SECOND", "--secret-key=SECRET")
        try CephCluster.administer("key", "rm", "--uid=rotated", "--key-type=s3", "--access-key=FIRST")
        give("SECOND")
        bucket.folder.write("go", [])
        thread?.join()
        #expect(writer.withLock { $0?.status } == 0, "\(writer.withLock { $0?.standardError ?? "" })")
        let unmounted = try bucket.run(as: "FIRST", Program.objfs, "umount", bucket.mount)
        #expect(unmounted.status == 0, "\(unmounted.standardError)")
        try bucket.boto3(
            "assert client.get_object(Bucket=name, Key='large')['Body'].read() == 2 * open('\(half)', 'rb').read()",
            as: "SECOND")
        #expect(TemporaryFolder.bytes(of: script + "/asked").count == 2, "once at the start, and once when refused")
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
        #expect(output.contains("test_syscalls: 56 passed; not: link,link-unlink-link\n"), "\(output)")
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
        let rounds = Environment.value("ROUNDS") ?? "30"
        let output = try bucket.run(
            Self.python, Self.suites + "kill.py", Program.objfs, bucket.mount, bucket.server.url, "kill", seed, rounds)
        #expect(output.contains("nothing lost"), "seed \(seed)")
    }
}
