import Glibc
import ObjfsTesting
import Processes
import Testing

/// Jobs of `objfs run`, as it is built: what is kept of them, going on with them, reducing.
@Suite struct JobTests {
    private static func environment(_ folder: borrowing TemporaryFolder) -> [String: String] {
        [
            "XDG_CACHE_HOME": folder.path + "/cache", "XDG_STATE_HOME": folder.path + "/state", "HOME": folder.path,
        ]
    }

    private func objfs(
        _ folder: borrowing TemporaryFolder, _ arguments: [String], seconds: Int64 = 100
    ) throws -> Program {
        try Program.objfs(
            arguments, environment: Self.environment(folder), folder: folder.path, seconds: seconds)
    }

    /// The name of the one job that there is.
    private func onlyJob(_ folder: borrowing TemporaryFolder) throws -> String {
        let list = try objfs(folder, ["jobs", "list"])
        let lines = list.standardOutput.split(separator: "\n")
        try #require(lines.count == 1, "\(list.standardOutput)\(list.standardError)")
        return String(lines[0].prefix { $0 != "\t" })
    }

    private static func lines(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in 0..<count {
            bytes += Array("\(number) ".utf8)
            bytes += [UInt8](repeating: 0x78, count: Int.random(in: 0..<300, using: &generator)) + [0x0A]
        }
        return bytes
    }

    @Test func `R7, C12: a job over a compressed object is resumed`() throws {
        let folder = TemporaryFolder()
        let lines = Array((0..<100_000).map { "line \($0)\n" }.joined().utf8)
        folder.write("data.gz", try Program.run(["gzip", "-c"], input: lines).output)
        let script = "[ -e ready ] || [ $OBJFS_TASK = 0 ] || exit 9; cat"
        let first = try objfs(
            folder, ["run", "--chunks", "4", "--retries", "0", "data.gz", "--", "sh", "-c", script])
        #expect(first.status == 1)
        folder.write("ready", [])
        // What is known of the object travels with the job.
        _ = try Program.run(["rm", "-r", folder.path + "/cache"])
        let again = try objfs(folder, ["run", "--resume", onlyJob(folder)])
        #expect(again.output == lines, "\(again.standardError)")
    }

    @Test(arguments: [1, UInt64.random(in: 0 ... .max)])
    func
        `R7: killed at any moment and resumed, a job's output has each line once, and no task that was done runs again`(
            seed: UInt64
        ) throws
    {
        var generator = SeededGenerator(seed: seed)
        let folder = TemporaryFolder()
        let content = Self.lines(3000, &generator)
        folder.write("data", content)
        let script = "sleep 0.03; cat; echo $AGAIN$OBJFS_TASK >> ran"
        let run = ["run", "-j2", "--chunks", "40", "data", "--", "sh", "-c", script]
        var arguments = run
        var output: Program?
        for _ in 0..<60 {
            let milliseconds = Int.random(in: 20..<500, using: &generator)
            let done = try Program.run(
                ["timeout", "-s", "KILL", "\(Double(milliseconds) / 1000)", Program.objfs] + arguments,
                environment: Self.environment(folder), folder: folder.path)
            let jobs = try objfs(folder, ["jobs", "list"]).standardOutput
            if done.isSuccess {
                output = done
                break
            }
            if !jobs.isEmpty { arguments = ["run", "--resume", try onlyJob(folder)] }
        }
        let whole = try output ?? objfs(folder, arguments)
        #expect(whole.status == 0, "seed \(seed): \(whole.standardError)")
        #expect(whole.output == content, "seed \(seed)")
        // A task whose run was cut short before its record runs again; one that has a record does not.
        let again = try objfs(folder, ["run", "--resume", onlyJob(folder), "--env", "AGAIN=again"])
        #expect(again.output == content, "seed \(seed): \(again.standardError)")
        let ran = String(decoding: folder.read("ran"), as: UTF8.self)
        #expect(!ran.split(separator: "\n").contains { $0.hasPrefix("again") }, "seed \(seed)")
    }

    @Test func `R7: resuming runs what failed, and nothing else`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\nc\nd\n".utf8))
        let script = "echo $OBJFS_TASK >> ran; [ $OBJFS_TASK != 2 ] || [ -e good ] || exit 9; cat"
        let failed = try objfs(folder, ["run", "--chunks", "4", "data", "--", "sh", "-c", script])
        #expect(failed.status == 1)
        #expect(failed.standardOutput == "a\nb\nd\n")
        let id = try onlyJob(folder)
        let shown = try objfs(folder, ["jobs", "show", id]).standardOutput
        #expect(shown.contains("3 of 4 done, 1 failed") && shown.contains("exit status 9"), "\(shown)")
        folder.write("good", [])
        let retried = try objfs(folder, ["jobs", "retry", "--failed", id])
        #expect(retried.standardOutput == "a\nb\nc\nd\n", "\(retried.standardError)")
        #expect(
            String(decoding: folder.read("ran"), as: UTF8.self).split(separator: "\n").sorted() == [
                "0", "1", "2", "2", "3",
            ])
    }

    @Test func `R7: a job is its owner's alone, and can be removed`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\n".utf8))
        #expect(try objfs(folder, ["run", "data", "--", "cat"]).status == 0)
        let modes = try Program.run(["find", folder.path + "/state", "-perm", "/077"])
        #expect(modes.standardOutput == folder.path + "/state\n" || modes.standardOutput.isEmpty)
        #expect(try objfs(folder, ["jobs", "rm", onlyJob(folder)]).status == 0)
        #expect(try Program.run(["find", folder.path + "/state", "-type", "f"]).standardOutput == "")
        #expect(try objfs(folder, ["jobs", "list"]).standardOutput == "")
        let missing = try objfs(folder, ["run", "--resume", "../x"])
        #expect(missing.status == 3)
        #expect(missing.standardError.hasPrefix("objfs: run: ../x: no such job\nobjfs: hint: "))
    }

    @Test func `R7: a job runs in the background, is waited for, and its outputs are inputs`() throws {
        let folder = TemporaryFolder()
        let long = [UInt8](repeating: 0x79, count: 200_000)
        folder.write("data", Array("a\nb\n".utf8) + long)
        let started = try objfs(folder, ["run", "--detach", "--chunks", "3", "data", "--", "cat"])
        let id = String(started.standardOutput.dropLast())
        #expect(try objfs(folder, ["jobs", "wait", id]).status == 0)
        #expect(try objfs(folder, ["jobs", "output", id]).output == Array("a\nb\n".utf8) + long)
        let next = try objfs(folder, ["run", "job:\(id)", "--", "wc", "-c"])
        #expect(next.standardOutput.split(separator: "\n").compactMap { Int($0) }.reduce(0, +) == 200_004)
        #expect(next.status == 0, "\(next.standardError)")
    }

    @Test func `R7, R12: a job in the background is cancelled, and resumed`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\n".utf8))
        let script = "[ -e free ] || sleep 1000; cat"
        let started = try objfs(folder, ["run", "--detach", "--chunks", "2", "data", "--", "sh", "-c", script])
        let id = String(started.standardOutput.dropLast())
        let cancelled = try objfs(folder, ["jobs", "cancel", id])
        #expect(cancelled.status == 0, "\(cancelled.standardError)")
        #expect(try objfs(folder, ["jobs", "wait", id]).status == 130)
        folder.write("free", [])
        #expect(try objfs(folder, ["jobs", "resume", id]).standardOutput == "a\nb\n")
    }

    @Test func `R8: resuming is refused if an object that is still needed has changed, and can start over`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\n".utf8))
        let script = "[ -e good ] || exit 1; cat"
        #expect(try objfs(folder, ["run", "--chunks", "2", "data", "--", "sh", "-c", script]).status == 1)
        let id = try onlyJob(folder)
        folder.write("data", Array("c\nd\ne\n".utf8))
        folder.write("good", [])
        let refused = try objfs(folder, ["run", "--resume", id])
        #expect(refused.status == 3)
        #expect(refused.standardError.contains("data: the object has changed since the job began\nobjfs: hint: "))
        #expect(try objfs(folder, ["run", "--resume", id, "--replan"]).standardOutput == "c\nd\ne\n")
    }

    @Test func `R5: a reducer gets all outputs in order, as input, as files, by object or in a tree`() throws {
        let folder = TemporaryFolder()
        folder.write("in/a", Array((1...20).map { "\($0)\n" }.joined().utf8))
        folder.write("in/b", Array((21...30).map { "\($0)\n" }.joined().utf8))
        let sum = "awk '{ n += $1 } END { print n }'"
        let run = ["run", "-j3", "--chunks", "5", "in/", "--reduce"]
        let map = ["--", "awk", "{ n += $1 } END { print n }"]
        #expect(try objfs(folder, run + [sum] + map).standardOutput == "465\n")
        #expect(try objfs(folder, run + [sum, "--reduce-by", "object"] + map).standardOutput == "210\n255\n")
        #expect(try objfs(folder, run + [sum, "--reduce-tree", "2"] + map).standardOutput == "465\n")
        #expect(
            try objfs(folder, run + [sum, "--reduce-tree", "3", "--reduce-by=object"] + map).standardOutput
                == "210\n255\n")
        #expect(try objfs(folder, run + ["cat", "--", "cat"]).standardOutput == (1...30).map { "\($0)\n" }.joined())
        #expect(try objfs(folder, run + ["cat {} | wc -l", "--", "cat"]).standardOutput == "30\n")
        let failing = try objfs(folder, run + ["exit 3", "--", "cat"])
        #expect(failing.status == 1)
        #expect(
            failing.standardError.contains("exit status 3") && failing.standardError.contains("1 of 1 reducers failed"))
        #expect(try objfs(folder, run + [sum, "--tag"] + map).status == 2)
        #expect(try objfs(folder, ["run", "--reduce-tree", "2", "in/"] + map).status == 2)
    }

    @Test func `R5: reducers begin while tasks run, where asked, and show nothing if one of these fails`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array((1...20).map { "\($0)\n" }.joined().utf8))
        // The last task waits for the reducer, which begins when the first ones are done.
        let map = [
            "--", "sh", "-c",
            "if [ $OBJFS_TASK = 4 ]; then for i in $(seq 300); do [ -e begun ] || sleep 0.1; done; [ -e begun ]; fi && cat",
        ]
        let run = ["run", "-j1", "--chunks", "5", "data", "--reduce-at", "40%", "--reduce"]
        let early = try objfs(folder, run + ["touch begun; awk '{ n += $1 } END { print n }'"] + map)
        #expect(early.standardOutput == "210\n", "\(early.standardError)")
        let failing = try objfs(
            folder, run + ["tee seen"] + ["--", "sh", "-c", "cat; [ $OBJFS_TASK != 4 ]"], seconds: 60)
        #expect(failing.status == 1)
        #expect(failing.standardOutput == "")
        #expect(failing.standardError.contains("1 of 5 tasks failed"))
        #expect(String(decoding: folder.read("seen"), as: UTF8.self).hasPrefix("1\n2\n3\n4\n"))
        let tree = ["--reduce-tree", "2", "--", "cat"]
        #expect(try objfs(folder, run + ["awk '{ n += $1 } END { print n }'"] + tree).standardOutput == "210\n")
        #expect(try objfs(folder, run + ["cat {}"] + map).status == 2)
    }

    /// Runs a job, and returns the largest memory of the program that runs it, in KiB; its output is a file.
    private func memory(_ folder: borrowing TemporaryFolder, _ arguments: [String]) throws -> Int {
        let script = """
            "$@" > out & job=$!
            while kill -0 $job 2> /dev/null; do
                now=$(awk '/VmHWM/ { print $2 }' /proc/$job/status 2> /dev/null)
                most=${now:-$most}
                sleep 0.02
            done
            wait $job && echo $most
            """
        let run = try Program.run(
            ["bash", "-c", script, "bash", Program.objfs, "run"] + arguments,
            environment: Self.environment(folder), folder: folder.path)
        return try #require(Int(run.standardOutput.filter(\.isNumber)), "\(run.standardError)")
    }

    @Test func `R2: outputs of many tasks wait in the job's folder and not in memory`() throws {
        let folder = TemporaryFolder()
        folder.write("data", [UInt8](repeating: 10, count: 2000))
        // The first task ends last, so that 2,000 outputs of 60 kB each wait for it: 120 MB.
        let script = "[ $OBJFS_TASK != 0 ] || sleep 3; head -c 60000 /dev/zero"
        let kibibytes = try memory(
            folder, ["-j4", "--chunk-size", "1B", "--reduce", "cat", "data", "--", "sh", "-c", script])
        #expect(kibibytes < 120_000)
        #expect(folder.read("out").count == 120_000_000)
    }

    @Test func `R2, R11: a task costs so little memory that 100,000 of them fit into 200 MB`() throws {
        let folder = TemporaryFolder()
        folder.write("few", [UInt8](repeating: 10, count: 1000))
        folder.write("many", [UInt8](repeating: 10, count: 8000))
        let few = try memory(folder, ["-j2", "--chunk-size", "1B", "few", "--", "true"])
        let many = try memory(folder, ["-j2", "--chunk-size", "1B", "many", "--", "true"])
        #expect(few + (many - few) * 100 / 7 < 200_000, "\(few) KiB, \(many) KiB")
    }

    @Test func `R6: options say where, with what and how often tasks run`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\nc\nd\ne\nf\n".utf8))
        folder.makeFolder("work")
        let run = ["run", "-j1", "--chunks", "6", "data"]
        let told = try objfs(
            folder,
            [
                "run", "--env", "A=x=y", "--workdir", "work", "--nice", "5", "data", "--", "sh", "-c",
                "echo $A; pwd; nice",
            ])
        #expect(told.standardOutput == "x=y\n\(folder.path)/work\n5\n")
        let stopped = try objfs(folder, run + ["--max-failures", "1", "--", "false"])
        #expect(
            stopped.standardError.contains("2 of 6 tasks failed, and 4 were not started"), "\(stopped.standardError)")
        let share = try objfs(folder, run + ["--max-failures", "50%", "--", "false"])
        #expect(share.standardError.contains("4 of 6 tasks failed, and 2 were not started"), "\(share.standardError)")
        let script = "[ $OBJFS_TASK != 5 ] || sleep 1000"
        let late = try objfs(folder, run + ["--timeout", "20000%", "--delay", "0.01", "--", "sh", "-c", script])
        #expect(late.standardError.contains("1 of 6 tasks failed"), "\(late.standardError)")
        #expect(late.standardError.contains("--timeout"))
        for name in ["x1", "x2", "x3"] { folder.write("many/\(name)", Array("\(name)\n".utf8)) }
        let batch = try objfs(folder, ["run", "--batch", "2", "many/", "--", "wc", "-l", "{}"])
        #expect(batch.standardOutput.contains("2 total") && batch.standardOutput.contains("1 /dev/fd/3"))
    }

    @Test func `R9: progress is JSON, and a line for each task goes into a file, where asked`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\n".utf8))
        let run = try objfs(
            folder, ["run", "--progress", "json", "--joblog", "log", "--chunks", "2", "data", "--", "grep", "a"])
        #expect(run.standardError.contains("\"tasks\":2,\"done\":2,\"failed\":0,\"bytes\":4"))
        let lines = String(decoding: folder.read("log"), as: UTF8.self).split(separator: "\n")
        #expect(lines[0] == "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand")
        let fields = lines.dropFirst().map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
        #expect(
            fields.map { "\($0[0]) \($0[4]) \($0[5]) \($0[6]) \($0[8])" }.sorted() == [
                "1 2 2 0 grep a", "2 2 0 1 grep a",
            ])
    }
}
