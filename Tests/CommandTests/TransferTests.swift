import Bytes
import Glibc
import ObjfsTesting
import Processes
import S3
import Storage
import Synchronization
import Testing
import Transport

/// mv, sync and cp over folders of this machine.
@Suite struct FolderTransferTests {
    private func objfs(_ folder: borrowing TemporaryFolder, _ arguments: String...) throws -> Program {
        try Program.objfs(
            arguments, environment: ["HOME": folder.path, "AWS_EC2_METADATA_DISABLED": "true"], folder: folder.path)
    }

    @Test func `mv moves one, many and those that match, and what would be lost stays`() throws {
        let folder = TemporaryFolder()
        for name in ["one", "d/a.txt", "d/e/b.txt", "d/e/c.csv", "loop/a/x", "loop/x"] {
            folder.write(name, Array(name.utf8))
        }
        folder.makeFolder("d/empty")
        #expect(try objfs(folder, "mv", "one", "two").status == 0)
        #expect(folder.read("two") == Array("one".utf8))
        #expect(try objfs(folder, "mv", "d/**/*.csv", "tables/").status == 0)
        #expect(try objfs(folder, "mv", "d", "elsewhere").status == 3)
        let moved = try objfs(folder, "mv", "-r", "d", "elsewhere")
        #expect(moved.status == 0, "\(moved.standardError)")
        #expect(moved.standardError.hasPrefix("objfs: mv: 3 objects, "))
        #expect(try objfs(folder, "ls", "-r", "elsewhere").standardOutput == "a.txt\ne/b.txt\nempty/\n")
        #expect(folder.read("tables/e/c.csv") == Array("d/e/c.csv".utf8))
        #expect(!folder.names().contains("d"))
        #expect(try objfs(folder, "mv", "two", "two").standardError.contains("source and target are the same"))
        #expect(try objfs(folder, "mv", "-r", "elsewhere", "elsewhere/in").standardError.contains("inside the source"))
        // Moving loop/a/x to loop/x first would lose loop/x.
        #expect(try objfs(folder, "mv", "-r", "loop", ".").status == 0)
        #expect(folder.read("a/x") == Array("loop/a/x".utf8) && folder.read("x") == Array("loop/x".utf8))
        folder.write("p/p/x", [1])
        folder.write("p/x", [2])
        #expect(try objfs(folder, "mv", "-r", "p", ".").status == 3)
        #expect(folder.read("p/p/x") == [1] && folder.read("p/x") == [2])
    }

    @Test func `sync copies what differs, and nothing the second time`() throws {
        let folder = TemporaryFolder()
        for name in ["s/a", "s/d/b", "s/d-e"] { folder.write(name, Array(name.utf8)) }
        folder.write("t/extra", [1])
        #expect(try objfs(folder, "sync", "s", "t").standardError.contains("sync: 3 objects"))
        #expect(try objfs(folder, "sync", "s", "t").standardError.contains("sync: 0 objects"))
        #expect(try objfs(folder, "sync", "--checksum", "s", "t").standardError.contains("sync: 0 objects"))
        folder.write("s/a", Array("S/a".utf8))
        let plan = try objfs(folder, "sync", "--delete", "--dry-run", "s", "t").standardOutput
        #expect(plan == "copy \(folder.path)/t/a\ndelete \(folder.path)/t/extra\n")
        let json = try objfs(folder, "sync", "--delete", "--dry-run", "--json", "s", "t").standardOutput
        #expect(json.hasPrefix("{\"action\":\"copy\",\"name\":\"\(folder.path)/t/a\"}\n"))
        #expect(folder.read("t/a") == Array("s/a".utf8) && folder.read("t/extra") == [1])
        #expect(try objfs(folder, "sync", "--delete", "s", "t").standardError.contains("1 deleted"))
        #expect(try Program.run(["diff", "-r", folder.path + "/s", folder.path + "/t"]).status == 0)
        #expect(try objfs(folder, "sync", "--json", "s", "t").status == 2)
    }

    @Test func `sync deletes nothing if the source is not there, or not all of it was copied`() throws {
        let folder = TemporaryFolder()
        folder.write("t/kept", [1])
        #expect(try objfs(folder, "sync", "--delete", "absent", "t").status == 3)
        #expect(try objfs(folder, "sync", "--delete", "s3://bucket", "t").status == 3)
        #expect(try objfs(folder, "sync", "--delete", "t", "t/in").status == 3)
        // A file where the target needs a folder: this one can't be copied.
        folder.write("s/kept/file", [2])
        folder.write("s/other", [3])
        let failed = try objfs(folder, "sync", "--delete", "s", "t")
        #expect(failed.status == 1 && failed.standardError.contains("nothing was deleted"), "\(failed.standardError)")
        #expect(folder.read("t/kept") == [1] && folder.read("t/other") == [3])
        folder.makeFolder("nothing")
        #expect(try objfs(folder, "sync", "--delete", "nothing", "t").status == 0)
        #expect(TemporaryFolder.names(in: folder.path + "/t").isEmpty)
    }

    @Test func `X4: what begins with a dash is a name where a name stands`() throws {
        let folder = TemporaryFolder()
        folder.write("b/-rf", [1])
        folder.write("b/--delete", [2])
        #expect(try objfs(folder, "cp", "-r", "b", "c").status == 0)
        #expect(try objfs(folder, "cp", "--", "b/-rf", "-x").status == 0)
        #expect(folder.read("c/-rf") == [1] && folder.read("c/--delete") == [2] && folder.read("-x") == [1])
    }
}

/// cp, mv and sync against real services, and against some that do wrong.
@Suite(.serialized) struct ServiceTransferTests {
    private func objfs(
        _ server: S3Server, _ arguments: [String], in folder: borrowing TemporaryFolder
    ) throws -> Program {
        try Program.objfs(arguments, environment: server.environment, folder: folder.path)
    }

    private func bucket(_ server: S3Server) throws -> String {
        let bucket = "s3://transfer-\(UInt32.random(in: 0 ... .max))"
        #expect(try Program.objfs(["mkdir", bucket], environment: server.environment).status == 0)
        return bucket
    }

    private static func random(_ count: Int) -> [UInt8] {
        var random = SeededGenerator(seed: 7)
        var bytes: [UInt8] = []
        while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes += $0 } }
        return Array(bytes.prefix(count))
    }

    @Test func `what goes up and comes down is the same, with times and permissions if that is asked for`() throws {
        let server = try CephCluster.shared()
        let folder = TemporaryFolder()
        let bucket = try bucket(server)
        folder.write("up/large", Self.random(20_000_001))
        folder.write("up/d/small.csv", Self.random(1000))
        folder.write("up/none", [])
        folder.makeFolder("up/e/empty")
        chmod(folder.path + "/up/d/small.csv", 0o4750)
        _ = try Program.run(["touch", "-d", "2001-02-03 04:05:06.789", folder.path + "/up/d/small.csv"])
        let up = try objfs(server, ["cp", "-ra", "up", bucket + "/p"], in: folder)
        #expect(up.status == 0 && up.standardError.hasPrefix("objfs: cp: 4 objects, 19.1 MiB"), "\(up.standardError)")
        let shown = try objfs(server, ["stat", bucket + "/p/d/small.csv"], in: folder).standardOutput
        #expect(shown.contains("type      text/csv") && shown.contains("metadata  mode=35304"), "\(shown)")
        #expect(try objfs(server, ["cp", "-ra", bucket + "/p", "down"], in: folder).status == 0)
        #expect(try Program.run(["diff", "-r", folder.path + "/up", folder.path + "/down"]).status == 0)
        let status = try Program.run(["stat", "-c", "%a %Y", folder.path + "/down/d/small.csv"]).standardOutput
        // What would run a program as somebody else is not taken from a bucket.
        #expect(status.hasPrefix("750 981173106"), "\(status)")
        #expect(try objfs(server, ["cp", "-rq", bucket + "/p", bucket + "/q"], in: folder).standardError.isEmpty)
        #expect(try objfs(server, ["mv", "-r", bucket + "/q", bucket + "/r"], in: folder).status == 0)
        #expect(try objfs(server, ["cp", "-r", bucket + "/r", "again"], in: folder).status == 0)
        #expect(try Program.run(["diff", "-r", folder.path + "/up", folder.path + "/again"]).status == 0)
        #expect(try objfs(server, ["ls", bucket], in: folder).standardOutput == "p/\nr/\n")
        #expect(try objfs(server, ["rm", "-rf", bucket], in: folder).status == 0)
    }

    @Test func `sync up, down and between buckets copies nothing the second time`() throws {
        let server = try CephCluster.shared()
        let folder = TemporaryFolder()
        let (one, two) = (try bucket(server), try bucket(server))
        folder.write("up/large", Self.random(9_000_000))
        for index in 0..<30 { folder.write("up/d/\(index)", Array("\(index)".utf8)) }
        func sync(_ arguments: String...) throws -> String {
            let done = try objfs(server, ["sync"] + arguments, in: folder)
            #expect(done.status == 0, "\(done.standardError)")
            return done.standardError
        }
        for (source, target) in [("up", one), (one, two), (two, "down")] {
            #expect(try sync(source, target).hasPrefix("objfs: sync: 31 objects"))
            #expect(try sync(source, target).hasPrefix("objfs: sync: 0 objects"))
            #expect(try sync("--checksum", source, target).hasPrefix("objfs: sync: 0 objects"))
        }
        #expect(try sync("up", two).hasPrefix("objfs: sync: 0 objects"))
        // The service copies by itself, and what an object carries goes with it.
        let told = try objfs(server, ["cp", "-v", one + "/large", two + "/copied"], in: folder).standardError
        #expect(told.contains("objfs: copy \(one)/large to \(two)/copied") && !told.contains("objfs: read "), "\(told)")
        #expect(try objfs(server, ["cat", two + "/copied"], in: folder).output == folder.read("up/large"))
        #expect(try objfs(server, ["stat", two + "/copied"], in: folder).standardOutput.contains("metadata  mtime="))
        #expect(try objfs(server, ["rm", two + "/copied"], in: folder).status == 0)
        #expect(try Program.run(["diff", "-r", folder.path + "/up", folder.path + "/down"]).status == 0)
        // The same size, and the time of the one that was copied: only the content tells.
        folder.write("up/d/7", Array("8".utf8))
        _ = try Program.run(["touch", "-r", folder.path + "/down/d/7", folder.path + "/up/d/7"])
        #expect(try sync("up", one).hasPrefix("objfs: sync: 0 objects"))
        #expect(try sync("--checksum", "up", one).hasPrefix("objfs: sync: 1 objects"))
        unlink(folder.path + "/up/d/8")
        #expect(try sync("--delete", "up", one).contains("1 deleted"))
        for bucket in [one, two] { #expect(try objfs(server, ["rm", "-rf", bucket], in: folder).status == 0) }
    }

    @Test func `X3, X4: names of a bucket neither leave the target folder nor steer the terminal`() throws {
        let server = try CephCluster.shared()
        let folder = TemporaryFolder()
        let bucket = try bucket(server)
        folder.write("evil", [1])
        folder.makeFolder("outside")
        folder.makeFolder("down")
        symlink(folder.path + "/outside", folder.path + "/down/link")
        symlink(folder.path + "/outside/made", folder.path + "/down/dangling")
        let names = [
            "p/../x", "p/a/../../../x", "p//abs", "p/link/x", "p/./y", "p/dangling", "p/esc\u{1B}[31m", "p/new\nline",
            "p/-rf", "p/good",
        ]
        for name in names { #expect(try objfs(server, ["cp", "evil", bucket + "/" + name], in: folder).status == 0) }
        let down = try objfs(server, ["cp", "-r", bucket + "/p/", "down"], in: folder)
        #expect(down.status == 1, "\(down.standardError)")
        #expect(!down.standardError.contains("\u{1B}"))
        #expect(down.standardError.contains("a link there leads out of the folder"))
        #expect(TemporaryFolder.names(in: folder.path + "/outside").isEmpty)
        #expect(Set(folder.names()) == ["evil", "outside", "down"])
        let held = Set(TemporaryFolder.names(in: folder.path + "/down"))
        #expect(held == ["link", "dangling", "esc\u{1B}[31m", "new\nline", "-rf", "good"], "\(held)")
        // The link was replaced, and not followed.
        #expect(folder.read("down/dangling") == [1])
        let synced = try objfs(server, ["sync", bucket + "/p/", "down"], in: folder)
        #expect(synced.status != 0 && TemporaryFolder.names(in: folder.path + "/outside").isEmpty)
        let removed = try objfs(server, ["rm", "-r", "--dry-run", "--json", bucket + "/p/"], in: folder).standardOutput
        #expect(removed.split(separator: "\n").count == names.count && !removed.contains("\u{1B}"), "\(removed)")
        #expect(try objfs(server, ["rm", "-rf", bucket], in: folder).status == 0)
    }

    @Test func `an upload goes on with the parts that are there and right`() throws {
        let server = try CephCluster.shared()
        let folder = TemporaryFolder()
        let bucket = try bucket(server)
        let bytes = Self.random(25_000_000)
        folder.write("large", bytes)
        // Two parts of an upload that nobody ended, one of them wrong.
        let credentials = FixedCredentials(Credentials(accessKey: server.accessKey, secretKey: server.secretKey))
        let endpoint = try #require(S3Endpoint(url: server.url))
        let service = S3Service(
            endpoint: endpoint, region: "us-east-1", credentials: credentials, transport: CurlTransport())
        let store = S3Store(service, bucket: String(bucket.dropFirst(5)))
        let part = 8 << 20
        let begun = try store.beginUpload("k", attributes: ObjectAttributes(contentType: "text/x-kept"))
        _ = try store.writePart(1, of: begun, ByteSlice(bytes[..<part]))
        _ = try store.writePart(2, of: begun, ByteSlice(repeatElement(1, count: part)))
        #expect(try store.parts(of: begun).map(\.size) == [Int64(part), Int64(part)])
        let up = try objfs(server, ["cp", "-v", "--resume", "large", bucket + "/k"], in: folder)
        #expect(up.status == 0, "\(up.standardError)")
        #expect(up.standardError.contains("complete \(bucket)/k of 3 parts"))
        let sent = up.standardError.split(separator: "\n").filter { $0.contains("part ") && $0.contains(" of ") }
        #expect(sent.count == 2, "\(up.standardError)")
        #expect(try objfs(server, ["stat", bucket + "/k"], in: folder).standardOutput.contains("text/x-kept"))
        #expect(try objfs(server, ["cat", bucket + "/k"], in: folder).output == bytes)
        #expect(try objfs(server, ["rm", "-rf", bucket], in: folder).status == 0)
    }

    /// A server with one object, and a word on each of its parts by the beginning of their ranges.
    private func server(
        _ object: [UInt8], etag: String, _ answer: @escaping @Sendable (Int) -> LoopbackServer.Answer?
    ) -> LoopbackServer {
        LoopbackServer { request in
            if request.method == "HEAD" {
                return .bytes(LoopbackServer.response("200 OK", ["ETag": "\"\(etag)\""], length: object.count))
            }
            let range = request.range ?? 0..<object.count
            if let answer = answer(range.lowerBound) { return answer }
            let place = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(object.count)"
            let whole = request.range == nil
            return .bytes(
                LoopbackServer.response(
                    whole ? "200 OK" : "206 Partial",
                    whole ? ["ETag": "\"\(etag)\""] : ["ETag": "\"\(etag)\"", "Content-Range": place],
                    Array(object[range])))
        }
    }

    private func download(
        _ server: LoopbackServer, _ more: [String], in folder: borrowing TemporaryFolder
    ) throws -> Program {
        try Program.objfs(
            ["cp", "--no-sign-request", "--endpoint-url", server.url] + more + ["s3://b/k", "t/k"], folder: folder.path)
    }

    @Test(arguments: [1000, 20_000_000])
    func `a download that has not the MD5 that was told leaves nothing`(size: Int) throws {
        let folder = TemporaryFolder()
        folder.makeFolder("t")
        let server = server(Self.random(size), etag: String(repeating: "0", count: 32)) { _ in nil }
        defer { server.stop() }
        // What came in one go is always checked; one that is moved is, however large.
        let verifying = size > 8 << 20 ? ["--verify"] : []
        for more in [verifying, verifying + ["--resume"]] {
            let failed = try download(server, more, in: folder)
            #expect(failed.status == 3 && failed.standardError.contains("has not the MD5"), "\(failed.standardError)")
            #expect(TemporaryFolder.names(in: folder.path + "/t").isEmpty)
        }
        let moved = try Program.objfs(
            ["mv", "--no-sign-request", "--endpoint-url", server.url, "s3://b/k", "t/k"], folder: folder.path)
        #expect(moved.status == 3 && moved.standardError.contains("has not the MD5"), "\(moved.standardError)")
        #expect(!server.requests.contains { $0.method == "DELETE" })
    }

    @Test func `a large object comes down in sixteen parts`() throws {
        let folder = TemporaryFolder()
        folder.makeFolder("t")
        let bytes = [UInt8](unsafeUninitializedCapacity: 160 << 20) { memory, count in
            for index in memory.indices {
                memory.initializeElement(at: index, to: UInt8(truncatingIfNeeded: index >> 10))
            }
            count = memory.count
        }
        let server = server(bytes, etag: "version-1") { _ in nil }
        defer { server.stop() }
        let down = try download(server, [], in: folder)
        #expect(down.status == 0, "\(down.standardError)")
        #expect(folder.read("t/k") == bytes)
        #expect(server.requests.count { $0.method == "GET" } == 16)
    }

    private enum Broken {
        case atOnce, whenTheOthersAreThere, no
    }

    /// Waits until a download has written so many parts; for a minute at most.
    private static func awaitParts(_ count: Int, in folder: String) {
        for _ in 0..<600 {
            let logs = TemporaryFolder.names(in: folder).filter { $0.hasSuffix(".done") }
            let lines = logs.map { TemporaryFolder.bytes(of: folder + "/" + $0).filter { $0 == 0x0A }.count }
            if lines.contains(where: { $0 > count }) { return }
            usleep(100_000)
        }
    }

    @Test func `a download that failed leaves nothing, or goes on where it was if that is asked for`() throws {
        let folder = TemporaryFolder()
        folder.makeFolder("t")
        let bytes = Self.random(40_000_000)
        let state = Mutex(Broken.atOnce)
        let target = folder.path + "/t"
        let server = server(bytes, etag: "version-1") { start in
            let state = state.withLock { $0 }
            guard start == 16 << 20, state != .no else { return nil }
            if state == .whenTheOthersAreThere { Self.awaitParts(4, in: target) }
            return .bytes(LoopbackServer.response("403 Forbidden"))
        }
        defer { server.stop() }
        #expect(try download(server, [], in: folder).status == 3)
        #expect(TemporaryFolder.names(in: target).isEmpty)
        state.withLock { $0 = .whenTheOthersAreThere }
        #expect(try download(server, ["--resume"], in: folder).status == 3)
        #expect(TemporaryFolder.names(in: target).allSatisfy { $0.hasPrefix(".objfs-new-part-") })
        let before = server.requests.count
        state.withLock { $0 = .no }
        #expect(try download(server, ["--resume"], in: folder).status == 0)
        #expect(server.requests[before...].filter { $0.method == "GET" }.count == 1)
        #expect(folder.read("t/k") == bytes)
        #expect(TemporaryFolder.names(in: folder.path + "/t") == ["k"])
    }

    @Test func `a download that is interrupted leaves nothing`() throws {
        let folder = TemporaryFolder()
        folder.makeFolder("t")
        let server = server(Self.random(20_000_000), etag: "version-1") { start in
            start > 0 ? .stall(Array("HTTP/1.1 206 Partial\r\n".utf8)) : nil
        }
        defer { server.stop() }
        // Waits until the draft is there, then interrupts; the last line is the status.
        let script = """
            "$@" & pid=$!
            for i in $(seq 600); do ls -A t | grep -q . && break; sleep 0.1; done
            kill -TERM $pid; wait $pid; echo $?
            """
        let run = try Program.run(
            ["bash", "-c", script, "-", Program.objfs, "cp", "--no-sign-request", "--endpoint-url", server.url]
                + ["s3://b/k", "t/k"], folder: folder.path)
        #expect(run.standardOutput == "130\n", "\(run.standardOutput)\(run.standardError)")
        #expect(TemporaryFolder.names(in: folder.path + "/t").isEmpty)
    }
}
