import Glibc
import ObjfsRunner
import ObjfsTesting
import Processes
import Testing

/// What a task gets, as what, and within which limits.
@Suite struct InputTests {
    private func run(
        _ folder: borrowing TemporaryFolder, _ arguments: [String], seconds: Int64 = 60
    ) throws -> Program {
        try Program.objfs(
            ["run"] + arguments, environment: Self.environment(folder), folder: folder.path, seconds: seconds)
    }

    private static func environment(_ folder: borrowing TemporaryFolder) -> [String: String] {
        ["XDG_CACHE_HOME": folder.path + "/cache", "XDG_STATE_HOME": folder.path + "/state", "HOME": folder.path]
    }

    @Test func `R1: a file in memory is what the chunk is, and nobody can change it`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("1\n2\n3\n4\n".utf8))
        let written = try run(folder, ["--chunks", "2", "data", "--", "sh", "-c", "echo x 2>&- >> {}; cat {}"])
        #expect(written.standardOutput == "1\n2\n3\n4\n", "\(written.standardError)")
    }

    @Test func `R1: standard input is a stream, a file, or nothing, where asked`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("1\n2\n3\n4\n".utf8))
        let kind = [
            "sh", "-c", "if [ -p /dev/stdin ]; then echo pipe; elif [ -f /dev/stdin ]; then echo file; fi; cat",
        ]
        func shown(_ input: String) throws -> String {
            try run(folder, ["--input", input, "--chunks", "2", "data", "--"] + kind).standardOutput
        }
        #expect(try shown("auto") == "pipe\n1\n2\npipe\n3\n4\n")
        #expect(try shown("stdin") == "pipe\n1\n2\npipe\n3\n4\n")
        #expect(try shown("file") == "file\n1\n2\nfile\n3\n4\n")
        #expect(try shown("none") == "")
        for input in ["stdin", "none"] {
            let refused = try run(folder, ["--input", input, "data", "--", "cat", "{}"])
            #expect(refused.status == 2)
            #expect(refused.standardError == "objfs: {} stands for a file, and --input \(input) makes none\n")
        }
    }

    @Test func `R1: a file of a mount is used where one shows the chunk, and can be required`() throws {
        let folder = TemporaryFolder()
        folder.write("bucket/in/data.csv", Array("n\n1\n2\n3\n4\n".utf8))
        let mount = folder.makeFolder("mnt")
        let missing = try run(folder, ["--input", "mount", "bucket/in/data.csv", "--", "cat", "{}"])
        #expect(missing.status == 3)
        #expect(missing.standardError.contains("no mount of this machine shows it\nobjfs: hint: "))
        let mounted = try Program.objfs(
            ["mount", "file://\(folder.path)/bucket", mount], environment: Self.environment(folder))
        #expect(mounted.status == 0, "\(mounted.standardError)")
        defer { _ = try? Program.objfs(["umount", mount]) }
        let cut = ["--input", "mount", "--chunks", "2", "--header", "mnt/in/data.csv", "--"]
        let files = try run(folder, cut + ["sh", "-c", "echo {}; cat {}"])
        #expect(
            files.standardOutput == """
                \(mount)/in/data.csv@chunks@2@lines@header/chunk-0
                n
                1
                2
                \(mount)/in/data.csv@chunks@2@lines@header/chunk-1
                n
                3
                4

                """, "\(files.standardError)")
        #expect(try run(folder, cut + ["cat"]).standardOutput == "n\n1\n2\nn\n3\n4\n")
        let whole = try run(folder, ["--per-object", "bucket/in/", "--", "echo", "{}"])
        #expect(whole.standardOutput == mount + "/in/data.csv\n", "\(whole.standardError)")
    }

    @Test func `R8, C8: a task whose file of a mount becomes another version's while it runs fails and says so`() throws
    {
        let folder = TemporaryFolder()
        folder.write("bucket/data", Array("1\n2\n3\n4\n".utf8))
        let mount = folder.makeFolder("mnt")
        let mounted = try Program.objfs(
            ["mount", "--metadata-ttl", "0", "file://\(folder.path)/bucket", mount],
            environment: Self.environment(folder))
        #expect(mounted.status == 0, "\(mounted.standardError)")
        defer { _ = try? Program.objfs(["umount", mount]) }
        let changed = try run(
            folder,
            [
                "-j1", "--input", "mount", "--chunks", "2", "mnt/data", "--", "sh", "-c",
                "if [ $OBJFS_TASK = 0 ]; then echo other > bucket/data; fi; cat {}",
            ])
        #expect(changed.status == 1)
        let lines = changed.standardError.split(separator: "\n")
        #expect(lines.count { $0.hasSuffix("the object has changed since the job began") } == 2, "\(lines)")
    }

    @Test func `R8: what is moved into a pipe is of one version, or the task fails`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array(String(repeating: "line\n", count: 400_000).utf8))
        // The pipe refers to the file when it is overwritten, so the command may see what it should not.
        let script = "printf 'LINE\\n' | dd of=data conv=notrunc status=none; cat > /dev/null"
        let changed = try run(folder, ["--chunks", "1", "data", "--", "sh", "-c", script])
        #expect(changed.status == 1)
        #expect(changed.standardError.contains("the object has changed since the job began"))
    }

    @Test func `R6: a program that may use less memory than it wants fails, and the limit is named`() throws {
        let folder = TemporaryFolder()
        folder.write("data", [10])
        let script = "head -c 300000000 /dev/zero | tail -n 1 > /dev/null"
        let limited = try run(folder, ["--memory", "60M", "data", "--", "sh", "-c", script])
        #expect(limited.status == 1)
        #expect(limited.standardError.contains("--memory"), "\(limited.standardError)")
        #expect(try run(folder, ["--memory", "2G", "data", "--", "sh", "-c", script]).status == 0)
        let forked = try run(folder, ["--memory", "60M", "data", "--", "sh", "-c", "(ulimit -v) & wait"])
        #expect(forked.standardOutput == "61440\n" || forked.standardOutput == "unlimited\n")
        let missing = try run(folder, ["--memory", "60M", "data", "--", "no-such-program"])
        #expect(missing.status == 3, "\(missing.standardError)")
    }

    @Test func `R6: a control group is made only below one that limits memory, and has no process`() {
        let folder = TemporaryFolder()
        func group(_ name: String, _ controllers: String) {
            folder.write(name + "cgroup.subtree_control", Array(controllers.utf8))
            folder.write(name + "cgroup.procs", [])
        }
        group("", "cpu memory\n")
        group("user.slice/", "memory pids\n")
        group("user.slice/shell.scope/", "\n")
        func parent(_ group: String) -> String? { ControlGroups(mount: folder.path, group: group).parent }
        #expect(parent("/user.slice/shell.scope") == folder.path + "/user.slice")
        #expect(parent("/gone/far") == folder.path)
        group("", "cpu\n")
        #expect(parent("/gone/far") == nil)
        let mounts = """
            25 30 0:23 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
            26 30 0:24 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw

            """
        #expect(ControlGroups.mountPoint(mounts) == "/sys/fs/cgroup/unified")
        #expect(ControlGroups.mountPoint("") == nil)
        #expect(ControlGroups.group("9:memory:/a\n0::/user.slice/x\n") == "/user.slice/x")
    }
}
