import Glibc
import ObjfsTesting
import Processes
import Testing

/// What commands print and which status they have, as they are built.
@Suite struct CommandTests {
    private func objfs(_ folder: borrowing TemporaryFolder, _ arguments: [String]) throws -> Program {
        try Program.objfs(
            arguments, environment: ["HOME": folder.path, "AWS_EC2_METADATA_DISABLED": "true"], folder: folder.path)
    }

    @Test func `ls shows folders and files, all keys, patterns and details`() throws {
        let folder = TemporaryFolder()
        for name in ["b/a.txt", "b/d/x.csv", "b/z.csv"] { folder.write(name, Array(name.utf8)) }
        let url = "file://\(folder.path)/b"
        #expect(try objfs(folder, ["ls", url]).standardOutput == "a.txt\nd/\nz.csv\n")
        #expect(try objfs(folder, ["ls", "-r", url]).standardOutput == "a.txt\nd/x.csv\nz.csv\n")
        #expect(try objfs(folder, ["ls", url + "/**/*.csv"]).standardOutput == "d/x.csv\nz.csv\n")
        #expect(try objfs(folder, ["ls", "b/d"]).standardOutput == "x.csv\n")
        #expect(try objfs(folder, ["ls", "-l", url]).standardOutput.contains("             7  20"))
        let json = try objfs(folder, ["ls", "--json", "b/a.txt"]).standardOutput
        #expect(json.hasPrefix(#"{"key":"a.txt","size":7,"modified":"20"#))
        #expect(try objfs(folder, ["ls", "absent"]).status == 3)
        #expect(try objfs(folder, ["ls", "absent", "b"]).status == 1)
    }

    @Test func `cat writes objects, ranges of them, and chunks of them`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("aa\nbb\ncc\n".utf8))
        #expect(try objfs(folder, ["cat", "data", "data"]).standardOutput == "aa\nbb\ncc\naa\nbb\ncc\n")
        #expect(try objfs(folder, ["cat", "--range", "3-4", "data"]).standardOutput == "bb")
        #expect(try objfs(folder, ["cat", "--range", "6-", "data"]).standardOutput == "cc\n")
        #expect(try objfs(folder, ["cat", "data@chunks@3/chunk-1"]).standardOutput == "bb\n")
        #expect(try objfs(folder, ["cat", "data@chunks@3@header/chunk-2"]).standardOutput == "aa\ncc\n")
        #expect(try objfs(folder, ["cat", "data@chunks@3/chunk-3"]).status == 3)
        #expect(try objfs(folder, ["cat", "data@chunks@bogus/chunk-0"]).standardError.contains("unknown word 'bogus'"))
        #expect(try objfs(folder, ["cat", "--range", "5-2", "data"]).status == 2)
    }

    @Test func `cp copies files and folders, and rm deletes them`() throws {
        let folder = TemporaryFolder()
        for name in ["b/a.txt", "b/d/x.csv", "b/d/e/y.csv"] { folder.write(name, Array(name.utf8)) }
        folder.makeFolder("t")
        let large = (0..<40_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 16) }
        folder.write("large", large)
        #expect(try objfs(folder, ["cp", "b/a.txt", "t"]).status == 0)
        #expect(try objfs(folder, ["cp", "b/a.txt", "t/other"]).status == 0)
        #expect(try objfs(folder, ["cp", "-r", "b/d", "t/copy"]).status == 0)
        #expect(try objfs(folder, ["cp", "large", "t/"]).status == 0)
        #expect(
            try objfs(folder, ["ls", "-r", "t"]).standardOutput == "a.txt\ncopy/e/y.csv\ncopy/x.csv\nlarge\nother\n")
        #expect(TemporaryFolder.bytes(of: folder.path + "/t/large") == large)
        #expect(TemporaryFolder.bytes(of: folder.path + "/t/copy/e/y.csv") == Array("b/d/e/y.csv".utf8))
        #expect(try objfs(folder, ["cp", "t/a.txt", "-"]).standardOutput == "b/a.txt")
        let piped = try Program.objfs(["cp", "-", "t/piped"], input: Array("from a pipe".utf8), folder: folder.path)
        #expect(piped.status == 0)
        #expect(TemporaryFolder.bytes(of: folder.path + "/t/piped") == Array("from a pipe".utf8))
        #expect(try objfs(folder, ["cp", "absent", "t/x"]).status == 3)
        #expect(try objfs(folder, ["cp", "b/d", "t/x"]).standardError.contains("hint: -r copies all below a prefix"))
        #expect(try objfs(folder, ["cp", "b/a.txt", "b/a.txt"]).status == 3)
        #expect(try objfs(folder, ["cp", "b/a.txt"]).status == 2)
        #expect(try objfs(folder, ["rm", "t/copy"]).status == 3)
        #expect(try objfs(folder, ["rm", "-r", "--dry-run", "t/copy"]).standardOutput.contains("t/copy/x.csv\n"))
        #expect(try objfs(folder, ["rm", "-r", "t/copy"]).status == 0)
        #expect(try objfs(folder, ["rm", "t/large", "absent"]).status == 1)
        #expect(try objfs(folder, ["rm", "-f", "absent"]).status == 0)
        #expect(try objfs(folder, ["ls", "-r", "t"]).standardOutput == "a.txt\nother\npiped\n")
    }

    @Test func `X3: no key leads cp out of its target`() throws {
        let folder = TemporaryFolder()
        let server = try S3Server.moto(log: folder.path + "/log")
        defer { server.stop() }
        var environment = server.environment
        environment["HOME"] = folder.path
        func run(_ words: String...) throws -> Program {
            try Program.objfs(words, environment: environment, folder: folder.path)
        }
        folder.write("up/large", [UInt8](repeating: 7, count: 40_000_000))
        folder.write("up/small", [1])
        folder.makeFolder("down")
        let create = try Program.run(
            ["curl", "-sf", "-X", "PUT", server.url + "/bucket"], environment: environment)
        #expect(create.status == 0)
        #expect(try run("cp", "-r", "up", "s3://bucket/p/").status == 0)
        #expect(try run("cp", "up/small", "s3://bucket/q/../../escaped").status == 0)
        let down = try run("cp", "-r", "s3://bucket/", "down")
        #expect(down.status == 1 && down.standardError.contains("a folder can't hold such a key"))
        #expect(TemporaryFolder.bytes(of: folder.path + "/down/p/large") == [UInt8](repeating: 7, count: 40_000_000))
        #expect(TemporaryFolder.bytes(of: folder.path + "/escaped").isEmpty)
        #expect(try run("cp", "s3://bucket/p/small", "s3://bucket/copy").status == 0)
        #expect(try run("cat", "s3://bucket/copy").output == [1])
        #expect(try run("rm", "-r", "s3://bucket/p").status == 0)
        #expect(!(try run("ls", "-r", "s3://bucket").standardOutput.contains("large")))
    }

    @Test func `-v tells each request`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("aa\nbb\n".utf8))
        let told = try objfs(folder, ["cat", "-v", "data"])
        #expect(told.standardError.contains("objfs: read file://\(folder.path)/data 0..<6: "))
        #expect(told.standardOutput == "aa\nbb\n")
    }

    @Test func `chunks prints the plan, as lines or as JSON`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("aa\nbb\ncc\n".utf8))
        #expect(try objfs(folder, ["chunks", "--chunks", "2", "data"]).standardOutput == "0\t0\t6\n1\t6\t3\n")
        #expect(
            try objfs(folder, ["chunks", "--chunks", "1", "--json", "data"]).standardOutput
                == "{\"index\":0,\"offset\":0,\"length\":9,\"format\":\"lines\"}\n")
        folder.write("t.csv", Array("a\n\"b\nc\"\n".utf8))
        #expect(
            try objfs(folder, ["chunks", "--chunks", "2", "--format", "auto", "t.csv"]).standardOutput
                == "0\t0\t8\tcsv\n1\t8\t0\tcsv\n")
        #expect(try objfs(folder, ["chunks", "--chunks", "2", "t.csv"]).standardOutput == "0\t0\t5\n1\t5\t3\n")
    }

    @Test func `stat tells what is known`() throws {
        let folder = TemporaryFolder()
        folder.write("data", [1, 2, 3])
        let shown = try objfs(folder, ["stat", "data"]).standardOutput
        #expect(shown.contains("name      \(folder.path)/data\nsize      3\nmodified  20"))
        #expect(try objfs(folder, ["stat", "data", "absent"]).status == 1)
    }

    @Test func `doctor says what works, without secrets`() throws {
        let folder = TemporaryFolder()
        folder.write("b/data", [1, 2, 3])
        let report = try objfs(folder, ["doctor", "--write", "file://\(folder.path)/b"])
        #expect(report.status == 0, "\(report.standardOutput)")
        #expect(report.standardOutput.contains("conditional writes  supported"))
        #expect(try objfs(folder, ["doctor", "file:///nonexistent"]).status == 1)
    }

    fileprivate struct BadInput: Sendable {
        let status: Int32
        let arguments: [String]

        init(_ status: Int32, _ arguments: String...) {
            self.status = status
            self.arguments = arguments
        }
    }

    fileprivate static let badInputs: [BadInput] = [
        BadInput(2, "chunks", "--chunk-size", "0", "data"),
        BadInput(2, "chunks", "--chunk-size", "-1", "data"),
        BadInput(2, "chunks", "--chunk-size", "10Q", "data"),
        BadInput(2, "chunks", "--chunks", "0", "data"),
        BadInput(2, "chunks", "--chunks", "2", "--chunk-size", "5B", "data"),
        BadInput(2, "chunks", "--format", "bogus", "data"),
        BadInput(2, "chunks", "--format", "parquet", "--header", "data"),
        BadInput(3, "chunks", "--format", "parquet", "data"),
        BadInput(3, "chunks", "absent"),
        BadInput(3, "ls", "az://c/k"),
        BadInput(3, "ls", "bogus://c/k"),
        BadInput(3, "ls", "--profile", "absent", "s3://b"),
        BadInput(2, "cat"),
        BadInput(2, "bogus"),
        BadInput(3, "mount", "file:///nonexistent", "/tmp"),
        BadInput(3, "mount", "data", "."),
        BadInput(3, "mount", ".", "data"),
        BadInput(3, "mount", ".", "absent"),
        BadInput(3, "umount", "."),
        BadInput(3, "ls", "--endpoint-url", "http://example.com", "s3://b"),
        BadInput(3, "ls", "--endpoint-url", "bogus", "s3://b"),
        BadInput(2, "mount", "-o", "bogus", ".", "/tmp"),
    ]

    @Test(arguments: badInputs)
    fileprivate func `bad input gets one line that names it, and the status of its kind`(
        input: BadInput
    ) throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\n".utf8))
        let refused = try objfs(folder, input.arguments)
        #expect(refused.status == input.status, "\(refused.standardError)")
        let lines = refused.standardError.split(separator: "\n")
        #expect(1...2 ~= lines.count && lines[0].hasPrefix("objfs: "), "\(refused.standardError)")
        #expect(lines.count < 2 || lines[1].hasPrefix("objfs: hint: "))
        #expect(refused.standardOutput.isEmpty)
    }

    @Test func `X4: a name is never an option or a format, and JSON has no control characters`() throws {
        let folder = TemporaryFolder()
        for name in ["b/-rf", "b/%s%n", "b/\u{1B}[31mred", "b/new\nline"] { folder.write(name, []) }
        let listed = try objfs(folder, ["ls", "--json", "-r", "b"]).standardOutput
        #expect(listed.split(separator: "\n").count == 4)
        #expect(!listed.contains("\u{1B}"))
        #expect(try objfs(folder, ["run", "--per-object", "b/", "--", "true"]).status == 0)
    }
}

/// The commands against a real service.
@Suite(.serialized) struct ServiceTests {
    private func objfs(_ server: S3Server, _ arguments: [String], _ more: [String: String] = [:]) throws -> Program {
        try Program.objfs(arguments, environment: server.environment.merging(more) { $1 })
    }

    /// A service with one bucket of two objects.
    private func withServer(_ body: (S3Server, borrowing TemporaryFolder) throws -> Void) throws {
        let folder = TemporaryFolder()
        let lines = (0..<30_000).map { "line \($0)\n" }.joined()
        folder.write("buckets/data/dir/lines.txt", Array(lines.utf8))
        folder.write("buckets/data/other.txt", Array("x\n".utf8))
        folder.makeFolder("buckets/empty")
        let server = try S3Server.rclone(folder.path + "/buckets", log: folder.path + "/log")
        defer { server.stop() }
        try body(server, folder)
    }

    @Test func `U1: the environment is enough to list, read and run over a bucket`() throws {
        try withServer { server, folder in
            #expect(try objfs(server, ["ls"]).standardOutput == "data/\nempty/\n")
            #expect(try objfs(server, ["ls", "s3://data"]).standardOutput == "dir/\nother.txt\n")
            #expect(try objfs(server, ["cat", "s3://data/other.txt"]).standardOutput == "x\n")
            let counted = try objfs(server, ["run", "--chunks", "5", "s3://data/dir/lines.txt", "--", "wc", "-l"])
            let total = counted.standardOutput.split(separator: "\n").compactMap { Int($0) }.reduce(0, +)
            #expect(total == 30_000, "\(counted.standardError)")
            let copied = try objfs(server, ["run", "--chunks", "7", "s3://data/dir/lines.txt", "--", "cat"])
            #expect(copied.output == folder.read("buckets/data/dir/lines.txt"))
            let report = try objfs(server, ["doctor", "s3://data"])
            #expect(report.standardOutput.contains("ACCESS from the environment"))
        }
    }

    @Test func `a bucket, and an account, are mounted and read through the kernel`() throws {
        try withServer { server, folder in
            let point = folder.makeFolder("mount")
            for (source, prefix) in [("s3://data", ""), ("s3:", "/data")] {
                let mounted = try objfs(server, ["mount", source, point])
                defer { _ = try? Program.run(["fusermount3", "-uz", point]) }
                #expect(mounted.status == 0, "\(mounted.standardError)")
                let script =
                    "cat \(point)\(prefix)/dir/lines.txt@chunks@9/* | cmp - \(folder.path)/buckets/data/dir/lines.txt"
                let compared = try Program.run(["sh", "-c", script])
                #expect(compared.status == 0, "\(compared.standardError)")
                #expect(try objfs(server, ["umount", point]).status == 0)
            }
        }
    }

    @Test func `U2: what is wrong with an account is said without its secrets, within ten seconds`() throws {
        try withServer { server, folder in
            let point = folder.makeFolder("mount")
            let wrong = ["AWS_ACCESS_KEY_ID": "WRONGKEY", "AWS_SECRET_ACCESS_KEY": "verysecret"]
            for source in ["s3://data", "s3://absent"] {
                for environment in [wrong, [:]] where !(source == "s3://data" && environment.isEmpty) {
                    let refused = try objfs(server, ["mount", source, point], environment)
                    #expect(refused.status == 3)
                    #expect(refused.standardError.hasPrefix("objfs: mount: \(source): "), "\(refused.standardError)")
                    #expect(!refused.standardError.contains("verysecret"))
                }
            }
            let unreachable = try objfs(
                server, ["mount", "s3://data", point], ["AWS_ENDPOINT_URL": "http://127.0.0.1:1"])
            #expect(unreachable.status == 3)
            #expect(unreachable.standardError.contains("no connection to 127.0.0.1:1"), "\(unreachable.standardError)")
        }
    }

    @Test func `U1, U3: profiles are enough too, and an address is asked in path style`() throws {
        try withServer { server, folder in
            folder.write(
                "home/.aws/config",
                Array("[profile test]\nregion = us-east-1\nendpoint_url = \(server.url)\n# a comment\n".utf8))
            folder.write(
                "home/.aws/credentials",
                Array("[test]\r\naws_access_key_id = ACCESS\r\naws_secret_access_key = SECRET\r\n".utf8))
            let listed = try Program.run(
                ["env", "-i", "HOME=\(folder.path)/home", Program.objfs, "ls", "--profile", "test", "s3://data"])
            #expect(listed.standardOutput == "dir/\nother.txt\n", "\(listed.standardError)")
        }
    }
}
