import Glibc
import ObjfsTesting
import Processes
import Testing
import Threads

/// The verbs that need no mount, over folders of this machine.
@Suite struct VerbTests {
    private func objfs(_ folder: borrowing TemporaryFolder, _ arguments: String...) throws -> Program {
        try Program.objfs(
            arguments, environment: ["HOME": folder.path, "AWS_EC2_METADATA_DISABLED": "true"], folder: folder.path)
    }

    @Test func `mkdir and touch make what is not there`() throws {
        let folder = TemporaryFolder()
        #expect(try objfs(folder, "mkdir", "a/b", "c").status == 0)
        #expect(try objfs(folder, "mkdir", "c").standardError.contains("c: there is such a folder already"))
        #expect(try objfs(folder, "mkdir", "-p", "c", "a/b/").status == 0)
        #expect(try objfs(folder, "touch", "c/x", "a/b/y").status == 0)
        #expect(try objfs(folder, "touch", "-c", "c/z").status == 0)
        #expect(try objfs(folder, "mkdir", "c/x").standardError.contains("there is an object of this name"))
        #expect(try objfs(folder, "ls", "-r", "c").standardOutput == "x\n")
        folder.write("old", Array("kept".utf8))
        _ = try Program.run(["touch", "-d", "2001-01-01", folder.path + "/old"])
        #expect(try objfs(folder, "touch", "old").status == 0)
        #expect(!(try objfs(folder, "stat", "old").standardOutput.contains("modified  2001")))
        #expect(folder.read("old") == Array("kept".utf8))
    }

    @Test func `C12: index tells how long compressed objects are, and keeps that beside them if it is told to`() throws
    {
        let folder = TemporaryFolder()
        let lines = Array((0..<50_000).map { "line \($0)\n" }.joined().utf8)
        folder.write("d/a.gz", try Program.run(["gzip", "-c"], input: lines).output)
        folder.write("d/b", Array("text\n".utf8))
        folder.write("d/c.gz", [0x1F, 0x8B, 0x08, 0, 1, 2, 3])
        let told = try objfs(folder, "index", "--beside", "d")
        #expect(told.status == 1)
        #expect(told.standardOutput == "\(lines.count)\tgzip\t\(folder.path)/d/a.gz\n5\tnone\t\(folder.path)/d/b\n")
        #expect(told.standardError.contains("objfs: index: \(folder.path)/d/c.gz: the compressed object is damaged"))
        #expect(TemporaryFolder.names(in: folder.path + "/d").sorted() == ["a.gz", "a.gz.objfs-index", "b", "c.gz"])
        let json = try objfs(folder, "index", "--json", "d/a.gz").standardOutput
        #expect(json == "{\"name\":\"\(folder.path)/d/a.gz\",\"compression\":\"gzip\",\"size\":\(lines.count)}\n")
        #expect(try objfs(folder, "cat", "d/a.gz@plain").output == lines)
        #expect(try objfs(folder, "tail", "-n", "1", "d/a.gz@chunks@5/chunk-4").standardOutput == "line 49999\n")
        #expect(try objfs(folder, "index", "absent").status == 3)
    }

    @Test func `du sums up folders, the innermost first`() throws {
        let folder = TemporaryFolder()
        for (name, size) in [("d/a", 10), ("d/e/b", 20), ("d/e/f/c", 300), ("d/e-g", 4)] {
            folder.write(name, [UInt8](repeating: 1, count: size))
        }
        let told = try objfs(folder, "du", "d").standardOutput
        #expect(told == "300\t\(folder.path)/d/e/f/\n320\t\(folder.path)/d/e/\n334\t\(folder.path)/d/\n")
        #expect(try objfs(folder, "du", "-s", "-h", "d").standardOutput == "334 B\t\(folder.path)/d/\n")
        #expect(try objfs(folder, "du", "d/a").standardOutput == "10\t\(folder.path)/d/a\n")
        let json = try objfs(folder, "du", "-s", "--json", "d").standardOutput
        #expect(json == "{\"name\":\"\(folder.path)/d/\",\"size\":334,\"objects\":4}\n")
        #expect(try objfs(folder, "du", "absent").status == 3)
    }

    @Test func `head and tail write what their namesakes of coreutils write`() throws {
        let folder = TemporaryFolder()
        let seed = SeededGenerator.freshSeed
        var random = SeededGenerator(seed: seed)
        folder.write("empty", [])
        folder.write("short", Array("one".utf8))
        folder.write("long", Array((0..<40_000).map { "line \($0)\n" }.joined().utf8))
        for index in 0..<3 {
            let bytes = (0..<Int.random(in: 0...200_000, using: &random)).map { _ in
                UInt8.random(in: 0...1, using: &random) == 0 ? 0x0A : UInt8.random(in: 0...255, using: &random)
            }
            folder.write("random\(index)", bytes)
        }
        for name in ["empty", "short", "long", "random0", "random1", "random2"] {
            for amount in [
                ["-n", "0"], ["-n", "1"], ["-n", "3000"], ["-n", "999999"], ["-c", "0"], ["-c", "70000"],
            ] {
                for verb in ["head", "tail"] {
                    let ours = try objfs(folder, verb, amount[0], amount[1], name)
                    let theirs = try Program.run([verb] + amount + [folder.path + "/" + name])
                    #expect(ours.output == theirs.output, "seed \(seed): \(verb) \(amount) \(name)")
                }
            }
        }
        #expect(
            try objfs(folder, "tail", "-n", "1", "short", "long").standardOutput
                == "==> short <==\none\n==> long <==\nline 39999\n")
        #expect(try objfs(folder, "head", "-n", "1", "-c", "1", "short").status == 2)
        #expect(try objfs(folder, "head", "absent", "short").status == 1)
    }
}

/// Deleting and copying many things with few requests, and what becomes of those that fail.
@Suite(.serialized) struct BatchTests {
    private func objfs(
        _ server: LoopbackServer, _ arguments: [String], input: [UInt8] = []
    ) throws -> Program {
        try Program.objfs(arguments + ["--no-sign-request", "--endpoint-url", server.url], input: input)
    }

    @Test func `rm deletes a thousand objects with one request`() throws {
        let folder = TemporaryFolder()
        for index in 0..<1203 { folder.write("buckets/data/many/\(index)", []) }
        folder.write("buckets/data/stays", [])
        let server = try S3Server.rclone(folder.path + "/buckets", log: folder.path + "/log")
        defer { server.stop() }
        let removed = try Program.objfs(["rm", "-r", "-v", "s3://data/many"], environment: server.environment)
        #expect(removed.status == 0, "\(removed.standardError)")
        let calls = removed.standardError.split(separator: "\n").filter { $0.hasPrefix("objfs: delete ") }
        #expect(calls.count == 2 && calls.contains { $0.contains("1000 keys") }, "\(calls)")
        #expect(TemporaryFolder.names(in: folder.path + "/buckets/data") == ["stays"])
    }

    @Test func `rm names those that are still there`() throws {
        let keys = ["one", "two&lt;", "three", "four"]
        let server = LoopbackServer { request in
            if request.target.contains("delete") {
                let errors = ["two&lt;", "four"].map {
                    "<Error><Key>p/\($0)</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
                }
                return .bytes(
                    LoopbackServer.response(
                        "200 OK", [:], Array("<DeleteResult>\(errors.joined())</DeleteResult>".utf8)))
            }
            guard request.target.contains("list-type") else { return .bytes(LoopbackServer.response("404 Not Found")) }
            let contents = keys.map { "<Contents><Key>p/\($0)</Key><Size>1</Size></Contents>" }.joined()
            return .bytes(
                LoopbackServer.response(
                    "200 OK", [:], Array("<ListBucketResult>\(contents)</ListBucketResult>".utf8)))
        }
        defer { server.stop() }
        let removed = try objfs(server, ["rm", "-r", "s3://b/p/"])
        #expect(removed.status == 1)
        #expect(
            removed.standardError == """
                objfs: rm: s3://b/p/four: access denied (AccessDenied)
                objfs: rm: s3://b/p/two<: access denied (AccessDenied)

                """)
        let asked = try #require(server.requests.last { $0.method == "POST" })
        #expect(String(decoding: asked.body, as: UTF8.self).contains("<Key>p/two&lt;</Key>"))
        #expect(asked.headers["content-md5"]?.utf8.count == 24)
    }

    @Test func `M2: ls leaves out a key that is not UTF-8, and says so`() throws {
        let contents = ["a", "b%FFd", "c"].map { "<Contents><Key>p/\($0)</Key><Size>1</Size></Contents>" }.joined()
        let listing = "<ListBucketResult><EncodingType>url</EncodingType>\(contents)</ListBucketResult>"
        let server = LoopbackServer { _ in .bytes(LoopbackServer.response("200 OK", [:], Array(listing.utf8))) }
        defer { server.stop() }
        let listed = try objfs(server, ["ls", "s3://b/p/"])
        #expect(listed.status == 0 && listed.standardOutput == "a\nc\n", "\(listed.standardError)")
        #expect(listed.standardError == "objfs: s3://b: 1 keys left out, for they are not UTF-8: p/b%FFd\n")
    }

    @Test func `an upload whose end was not answered is found whole, and not sent again`() throws {
        let folder = TemporaryFolder()
        let server = try S3Server.moto(log: folder.path + "/moto.log")
        defer { server.stop() }
        let ends = Monitor(0)
        let proxy = try S3Proxy(server.url) { request, _ in
            guard request.method == "POST", request.target.contains("uploadId=") else { return .served }
            return ends.update { ends in
                ends += 1
                return ends == 1 ? .forgotten : .served
            }
        }
        defer { proxy.stop() }
        let environment = server.environment.merging(["AWS_ENDPOINT_URL": proxy.url]) { $1 }
        let content = (0..<20_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        folder.write("file", content)
        try #require(try Program.objfs(["mkdir", "s3://ends"], environment: environment).status == 0)
        let sent = try Program.objfs(["cp", "-q", folder.path + "/file", "s3://ends/k"], environment: environment)
        #expect(sent.status == 0, "\(sent.standardError)")
        // The first was lost, the second was told that there is no such upload any more.
        #expect(proxy.lost == 1 && ends.withLock { $0 } == 2)
        #expect(try Program.objfs(["cat", "s3://ends/k"], environment: server.environment).output == content)
    }

    @Test func `standard input is sent in parts while it is read, in bounded memory`() throws {
        let arrived = Monitor<Set<String>>([])
        let server = LoopbackServer { request in
            if request.method == "HEAD" {
                return .bytes(LoopbackServer.response("200 OK", ["ETag": "\"e-3\""], length: 1))
            }
            if request.target.contains("uploads") {
                let begun = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
                return .bytes(LoopbackServer.response("200 OK", [:], Array(begun.utf8)))
            }
            if let number = request.target.split(separator: "partNumber=").dropFirst().first?.prefix(1) {
                arrived.update { _ = $0.insert(String(number)) }
                // The first part is not answered before the second one is there: one after another they never end.
                let isThere = arrived.wait(atMost: .seconds(60)) { $0.contains("2") ? true : nil } != nil
                return .bytes(LoopbackServer.response(isThere ? "200 OK" : "403 Forbidden", ["ETag": "\"\(number)\""]))
            }
            let done = "<CompleteMultipartUploadResult><ETag>e-3</ETag></CompleteMultipartUploadResult>"
            return .bytes(LoopbackServer.response("200 OK", [:], Array(done.utf8)))
        }
        defer { server.stop() }
        let sent = try objfs(server, ["cp", "-", "s3://b/k"], input: [UInt8](repeating: 7, count: 20_000_000))
        #expect(sent.status == 0, "\(sent.standardError)")
        let parts = server.requests.filter { $0.target.contains("partNumber") }.map(\.body.count)
        #expect(parts.sorted() == [20_000_000 - 2 << 23, 1 << 23, 1 << 23].sorted(), "\(parts)")

        let folder = TemporaryFolder()
        folder.makeFolder("buckets/data")
        let service = try S3Server.rclone(folder.path + "/buckets", log: folder.path + "/log")
        defer { service.stop() }
        let script = """
            import resource, subprocess, sys
            zeros = subprocess.Popen(["head", "-c", "500000000", "/dev/zero"], stdout=subprocess.PIPE)
            subprocess.run(sys.argv[1:], stdin=zeros.stdout, check=True)
            print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
            """
        let measured = try Program.run(
            ["python3", "-c", script, Program.objfs, "cp", "-", "s3://data/zeros"], environment: service.environment)
        let peak = try #require(Int(measured.standardOutput.dropLast()), "\(measured.standardError)")
        #expect(peak < 260 << 10, "\(peak) KiB")
        #expect(
            try Program.run(["cmp", "-n", "500000000", "/dev/zero", folder.path + "/buckets/data/zeros"]).status == 0)
    }
}

/// The verbs against Ceph's gateway, which checks what it is sent.
@Suite(.serialized) struct ServiceVerbTests {
    private func objfs(_ server: S3Server, _ arguments: [String], folder: String? = nil) throws -> Program {
        try Program.objfs(arguments, environment: server.environment, folder: folder)
    }

    @Test func `mkdir makes buckets, touch keeps what an object has, and presigned URLs work and end`() throws {
        let server = try CephCluster.shared()
        let bucket = "s3://verbs-\(UInt32.random(in: 0 ... .max))"
        #expect(try objfs(server, ["mkdir", bucket, bucket + "/d", bucket + "/e/f/"]).status == 0)
        #expect(try objfs(server, ["mkdir", bucket]).standardError.contains("there is such a bucket already"))
        #expect(try objfs(server, ["mkdir", "-p", bucket, bucket + "/e/f"]).status == 0)
        #expect(try objfs(server, ["mkdir", bucket + "/d/"]).status == 3)
        #expect(try objfs(server, ["ls", bucket]).standardOutput == "d/\ne/\n")
        let key = bucket + "/a b+c%20é.txt"
        let piped = try Program.objfs(["cp", "-", key], environment: server.environment, input: Array("text".utf8))
        #expect(piped.status == 0, "\(piped.standardError)")
        #expect(try objfs(server, ["touch", key, bucket + "/new"]).status == 0)
        #expect(try objfs(server, ["cat", key]).standardOutput == "text")
        #expect(try objfs(server, ["stat", key]).standardOutput.contains("metadata  mtime="))
        #expect(try objfs(server, ["du", "-s", bucket]).standardOutput == "4\t\(bucket)/\n")

        let signed = try objfs(server, ["presign", "--expires", "60", key]).standardOutput
        let url = String(signed.dropLast())
        #expect(try Program.run(["curl", "-sf", url]).standardOutput == "text")
        // Signed for what it says and nothing else: neither longer nor for another object.
        #expect(try Program.run(["curl", "-sf", url.replacing("Expires=60", with: "Expires=61")]).status == 22)
        #expect(try Program.run(["curl", "-sf", url.replacing(".txt", with: ".tex")]).status == 22)
        let brief = String(try objfs(server, ["presign", "--expires", "1s", key]).standardOutput.dropLast())
        // It ends: asked until it has, for a minute at most.
        let wait = "for i in $(seq 120); do curl -sf \"$0\" > /dev/null || exit 0; sleep 0.5; done; exit 1"
        #expect(try Program.run(["sh", "-c", wait, brief]).status == 0)
        #expect(try objfs(server, ["presign", "--expires", "8d", key]).status == 2)
        #expect(try Program.objfs(["presign", "--no-sign-request", key]).status == 3)
        #expect(try objfs(server, ["presign", "/tmp/file"]).status == 3)
        #expect(try objfs(server, ["rm", "-rf", bucket]).status == 0)
    }
}
