import Glibc
import ObjfsTesting
import Testing

/// `objfs exec` with real programs, through a real mount of all buckets of a service.
@Suite(.serialized) struct ExecTests {
    private static let suites = String(#filePath.dropLast("PreloadTests/ExecTests.swift".utf8.count)) + "Suites/"

    /// What `objfs exec` needs to have a daemon of its own for this test.
    private func environment(_ server: S3Server, _ folder: borrowing TemporaryFolder) -> [String: String] {
        var values = server.environment
        for name in ["HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
            values[name] = folder.makeFolder(name.lowercased())
        }
        return values
    }

    /// Runs a suite of checks on a bucket of its own, each a line "ok NAME".
    private func run(_ suite: String, checks: Int, _ server: S3Server, _ folder: borrowing TemporaryFolder) throws {
        let environment = environment(server, folder)
        defer { _ = try? Program.objfs(["exec", "--stop"], environment: environment) }
        let made = try Program.objfs(["mkdir", "s3://shim"], environment: environment)
        try #require(made.status == 0, "\(made.standardError)")
        let result = try Program.run(
            ["bash", Self.suites + suite, Program.objfs, "shim", folder.makeFolder("scratch")],
            environment: environment, seconds: 300)
        let lines = result.standardOutput.split(separator: "\n")
        #expect(!result.standardOutput.contains("FAILED"), "\(result.standardOutput)\(result.standardError)")
        #expect(lines.count { $0.hasPrefix("ok ") } == checks, "\(lines.count) lines: \(result.standardError)")
    }

    private func withMoto(_ body: (S3Server, borrowing TemporaryFolder) throws -> Void) throws {
        let folder = TemporaryFolder()
        let server = try S3Server.moto(log: folder.path + "/moto.log")
        defer { server.stop() }
        try body(server, folder)
    }

    @Test func `S1, S3, S4: programs that know nothing of object stores read and write URLs`() throws {
        try withMoto { server, folder in try run("exec.sh", checks: 46, server, folder) }
    }

    @Test func `S1, S2: editors, languages, databases, and programs that can't be preloaded`() throws {
        try withMoto { server, folder in try run("exec-programs.sh", checks: 25, server, folder) }
    }

    @Test func `S4, S5: one daemon serves all, ends when it is idle, and what it could not store is told`() throws {
        try withMoto { server, folder in try run("exec-daemon.sh", checks: 14, server, folder) }
    }

    @Test func `S5: users of one machine never see each other's daemon or mount`() throws {
        try withMoto { server, folder in try run("exec-users.sh", checks: 14, server, folder) }
    }

    @Test func `S1: the example of Lithops's Storage OS prints what Lithops prints`() throws {
        let examples = String(Self.suites.dropLast("Tests/Suites/".utf8.count)) + "examples/storage-os/"
        let tools = Program.objfs.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        try withMoto { server, folder in
            var environment = environment(server, folder)
            environment["PATH"] = tools + ":" + (getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin")
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
            defer { _ = try? Program.objfs(["exec", "--stop"], environment: environment) }
            #expect(try Program.objfs(["mkdir", "s3://bucket"], environment: environment).status == 0)
            let shown = try Program.run([examples + "run", "s3://bucket"], environment: environment)
            #expect(
                shown.standardOutput == """
                    ['foo.txt']
                    . ['d'] ['a.txt']
                    d ['e'] ['b.txt']
                    d/e [] ['c.txt']
                    True True True 14
                    ['this is a.txt\\n', 'and more\\n']
                    ['That is a.txt', 'and more']
                    False ['d']
                    False

                    """, "\(shown.standardError)")
            // The second program is any Python's: on a plain folder it prints the same.
            let plain = try Program.run(
                ["python3", examples + "tour.py"], environment: environment, folder: folder.path)
            #expect(shown.standardOutput.hasSuffix(plain.standardOutput))
        }
    }

    @Test func `S2: without a service the program is told EACCES, and objfs says why`() throws {
        let folder = TemporaryFolder()
        var environment = [
            "LC_ALL": "C", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        ]
        for name in ["HOME", "XDG_RUNTIME_DIR"] { environment[name] = folder.makeFolder(name.lowercased()) }
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"] { environment[name] = "" }
        let result = try Program.objfs(["exec", "--", "cat", "s3://b/k"], environment: environment)
        #expect(result.status == 1)
        #expect(result.standardError.contains("Permission denied"), "\(result.standardError)")
        let told = result.standardError
        #expect(told.contains("objfs: exec: s3: no connection to 127.0.0.1:9"), "\(told)")
    }
}
