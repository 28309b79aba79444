import Glibc
import ObjfsTesting
import Processes
import Testing

/// `objfs run`, as it is built, over folders that stand for buckets.
@Suite struct RunTests {
    /// The seed's example: five lines of a book, many times over.
    private static let lines = [
        "Call me Ishmael. Some years ago, never mind how long precisely", "having little or no money in my purse,",
        "and nothing particular to interest me on shore,", "I thought I would sail about a little",
        "and see the watery part of the world.",
    ]

    private func run(
        _ folder: borrowing TemporaryFolder, _ arguments: [String], input: [UInt8] = [], seconds: Int64 = 60
    ) throws -> Program {
        try Program.objfs(
            ["run"] + arguments, environment: ["XDG_CACHE_HOME": folder.path + "/cache", "HOME": folder.path],
            input: input, folder: folder.path, seconds: seconds)
    }

    @Test(arguments: ["--chunks=1", "--chunks=2", "--chunks=7", "--chunks=16", "--chunks=200", "--chunk-size=6860K"])
    func `each line of the seed's example is counted 45,000 times, however it is cut`(cut: String) throws {
        let folder = TemporaryFolder()
        let block = Self.lines.joined(separator: "\n") + "\n"
        folder.write("book.txt", Array(String(repeating: block, count: 45_000).utf8))
        let counted = try run(folder, [cut, "book.txt", "--", "sort", "-s"])
        #expect(counted.status == 0, "\(counted.standardError)")
        var counts: [Substring: Int] = [:]
        for line in counted.standardOutput.split(separator: "\n") { counts[line, default: 0] += 1 }
        #expect(counts == Dictionary(uniqueKeysWithValues: Self.lines.map { (Substring($0), 45_000) }))
    }

    /// Contents in which a split by lines that is a little wrong loses or doubles something.
    private static let awkward: [String: [UInt8]] = [
        "no newline at the end": Array("a\nb\nc".utf8), "empty": [], "one byte": [65],
        "only newlines": Array("\n\n\n\n".utf8),
        "CRLF": Array("a\r\nbb\r\n\r\nccc\r\n".utf8),
        "a long first line": Array((String(repeating: "x", count: 50_000) + "\ny\n").utf8),
        "a long last line": Array(("y\n" + String(repeating: "x", count: 50_000)).utf8), "NULs": [0, 10, 0, 0, 10, 0],
        "multi-byte": Array("ä\n東京\n🦉🦉\n".utf8), "not UTF-8": [0xFF, 0xFE, 10, 0xC3, 10, 0x80],
        "a line at each cut": Array(String(repeating: "abc\n", count: 1000).utf8),
    ]

    @Test(arguments: awkward.keys.sorted(), ["1", "2", "3", "5", "64"])
    func `C3, R2: the chunks' output in order is the object, where others lose bytes`(name: String, chunks: String)
        throws
    {
        let folder = TemporaryFolder()
        let content = try #require(Self.awkward[name])
        folder.write("data", content)
        let copied = try run(folder, ["-j3", "--chunks", chunks, "data", "--", "cat"])
        #expect(copied.output == content)
        #expect(copied.status == 0, "\(copied.standardError)")
    }

    @Test func `R1: a placeholder is a file that can be read and sought in, and other words are filled in`() throws {
        let folder = TemporaryFolder()
        folder.write("in/a.b.txt", Array("1\n2\n3\n4\n".utf8))
        let tails = try run(folder, ["--chunks", "2", "in/a.b.txt", "--", "tail", "-c", "2", "{}"])
        #expect(tails.standardOutput == "2\n4\n")
        let words = try run(
            folder, ["--chunks", "2", "in/a.b.txt", "--", "echo", "{#}", "{/}", "{.}", "{key}", "{n}", "{x}", "{"])
        #expect(words.standardOutput == "1 a.b.txt a.b a.b.txt 0 {x} {\n2 a.b.txt a.b a.b.txt 1 {x} {\n")
    }

    @Test func `R3: the exit status says how the tasks went`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\n".utf8))
        #expect(try run(folder, ["--chunks", "2", "data", "--", "grep", "a"]).status == 0)
        #expect(try run(folder, ["--chunks", "2", "data", "--", "grep", "z"]).status == 1)
        #expect(try run(folder, ["--chunks", "2", "data", "--", "grep", "["]).status == 1)
        #expect(try run(folder, ["--chunks", "2", "data", "--", "false"]).status == 1)
        #expect(try run(folder, ["--ok-status", "0,1", "data", "--", "false"]).status == 0)
        #expect(try run(folder, ["data"]).status == 2)
        #expect(try run(folder, ["--chunks", "0", "data", "--", "cat"]).status == 2)
        #expect(try run(folder, ["--bogus", "data", "--", "cat"]).status == 2)
        #expect(try run(folder, ["--chunks", "2", "--chunk-size", "5B", "data", "--", "cat"]).status == 2)
        let missing = try run(folder, ["absent", "--", "cat"])
        #expect(missing.status == 3)
        #expect(missing.standardError == "objfs: run: absent: no such object\n")
        let unknown = try run(folder, ["data", "--", "no-such-program"])
        #expect(unknown.status == 3)
        #expect(unknown.standardError.contains("no-such-program: command not found"))
    }

    @Test func `R4: a task is told where it is`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("aa\nbb\n".utf8))
        let told = try run(
            folder,
            [
                "--chunks", "2", "data", "--", "sh", "-c",
                "echo $OBJFS_TASK $OBJFS_TASKS $OBJFS_CHUNK $OBJFS_OFFSET $OBJFS_LENGTH",
            ])
        #expect(told.standardOutput == "0 2 0 0 3\n1 2 1 3 3\n")
    }

    @Test func `R6: a task that fails is run again, and one that takes too long is ended`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\n".utf8))
        let script = "echo try; test -e done || { touch done; exit 7; }"
        let again = try run(folder, ["--retries", "2", "data", "--", "sh", "-c", script])
        #expect(again.status == 0)
        #expect(again.standardOutput == "try\n")
        let late = try run(folder, ["--timeout", "0.2", "data", "--", "sleep", "1000"])
        #expect(late.status == 1)
        #expect(late.standardError.contains("--timeout"))
    }

    @Test func `R8: a task that meets another version of its object fails and says so`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array(String(repeating: "line\n", count: 100_000).utf8))
        // The first task replaces the object, and the second begins when the first has ended.
        let script = "cat > /dev/null; if [ $OBJFS_TASK = 0 ]; then printf 'x\\n' > data; fi"
        let changed = try run(folder, ["-j1", "--chunks", "2", "data", "--", "sh", "-c", script])
        #expect(changed.status == 1)
        #expect(changed.standardError.contains("the object has changed"))
    }

    @Test func `R2: tasks' output is unordered, tagged or in files, where asked`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\n".utf8))
        #expect(
            try run(folder, ["--chunks", "2", "--tag", "data", "--", "cat"]).standardOutput
                == "\(folder.path)/data#0\ta\n\(folder.path)/data#1\tb\n")
        let unordered = try run(folder, ["--chunks", "2", "--unordered", "data", "--", "cat"]).standardOutput
        #expect(["a\nb\n", "b\na\n"].contains(unordered))
        #expect(try run(folder, ["--chunks", "2", "--output-dir", "out", "data", "--", "cat"]).status == 0)
        #expect(folder.read("out/0") == Array("a\n".utf8))
        #expect(folder.read("out/1") == Array("b\n".utf8))
    }

    @Test func `inputs are prefixes, patterns and lists`() throws {
        let folder = TemporaryFolder()
        for name in ["d/a.csv", "d/b.txt", "d/e/c.csv"] { folder.write(name, Array("\(name)\n".utf8)) }
        let url = "file://\(folder.path)/d"
        #expect(try run(folder, [url + "/", "--", "cat"]).standardOutput == "d/a.csv\nd/b.txt\nd/e/c.csv\n")
        #expect(try run(folder, [url + "/**/*.csv", "--", "cat"]).standardOutput == "d/a.csv\nd/e/c.csv\n")
        #expect(try run(folder, [url + "/*.csv", "--", "cat"]).standardOutput == "d/a.csv\n")
        #expect(
            try run(folder, ["-", "--", "cat"], input: Array("d/b.txt\nd/a.csv\n".utf8)).standardOutput
                == "d/b.txt\nd/a.csv\n")
        #expect(
            try run(folder, ["-0", "-", "--", "cat"], input: Array("d/b.txt\0".utf8)).standardOutput == "d/b.txt\n")
        #expect(try run(folder, ["--batch", "2", url + "/", "--", "wc", "-l"]).standardOutput == "2\n1\n")
    }

    @Test func `header: each chunk but the first begins with the first record`() throws {
        let folder = TemporaryFolder()
        folder.write("data.csv", Array("name,n\na,1\nb,2\nc,3\n".utf8))
        let shown = try run(folder, ["--chunks", "2", "--header", "data.csv", "--", "head", "-n", "1"])
        #expect(shown.standardOutput == "name,n\nname,n\n")
    }

    @Test func `a full disk and a closed pipe have their messages and statuses`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array(String(repeating: "line\n", count: 200_000).utf8))
        let full = try Program.run(
            ["sh", "-c", "\(Program.objfs) run --chunks 3 data -- cat > /dev/full"],
            environment: ["HOME": folder.path], folder: folder.path)
        #expect(full.status == 3)
        #expect(full.standardError.contains("no space left"))
        let closed = try Program.run(
            ["sh", "-c", "\(Program.objfs) run --chunks 50 data -- cat | head -n 1"],
            environment: ["HOME": folder.path],
            folder: folder.path)
        #expect(closed.standardOutput == "line\n")
        #expect(closed.standardError == "")
    }

    @Test func `R11: many small tasks take little more than their processes`() throws {
        let folder = TemporaryFolder()
        folder.write("data", [UInt8](repeating: 10, count: 400))
        // Ten times what it takes on a slow machine: a shell or a pause for each task would show.
        let many = try run(folder, ["-j2", "--chunk-size", "1B", "data", "--", "true"], seconds: 20)
        #expect(many.status == 0)
    }

    @Test func `R12: an interrupt ends the tasks with all that they started`() throws {
        let folder = TemporaryFolder()
        folder.write("data", Array("a\nb\n".utf8))
        let script = """
            \(Program.objfs) run --chunks 2 data -- sh -c 'sleep 987.6 & sleep 987.6; wait' &
            job=$!
            until [ $(pgrep -fc 'sleep 987[.]6') -ge 4 ]; do sleep 0.05; done
            kill -INT $job; wait $job; echo status $?
            sleep 0.2; pgrep -fc 'sleep 987[.]6'
            """
        // An interactive shell gives its jobs the interrupt; another one makes them ignore it.
        let interrupted = try Program.run(
            ["bash", "-c", "set -m; " + script], environment: ["HOME": folder.path], folder: folder.path, seconds: 60)
        #expect(interrupted.standardOutput.contains("status 130"), "\(interrupted.standardError)")
        #expect(interrupted.standardOutput.hasSuffix("\n0\n"))
    }

    @Test(arguments: ["gzip -c", "bgzip -c", "zstd -qc", "bzip2 -c", "xz -c", "lz4 -qc"])
    func `C12, R2: the chunks of a compressed object in order are what it decompresses to`(program: String) throws {
        let folder = TemporaryFolder()
        let lines = Array((0..<100_000).map { "line \($0)\n" }.joined().utf8)
        folder.write("data", try Program.run(["sh", "-c", program], input: lines).output)
        #expect(try run(folder, ["--chunks", "7", "data", "--", "cat"]).output == lines)
        let sums = try run(folder, ["--chunk-size", "100K", "data", "--", "wc", "-l"]).standardOutput
        #expect(sums.split(separator: "\n").compactMap { Int($0) }.reduce(0, +) == 100_000)
        #expect(try run(folder, ["--chunks", "3", "data", "--", "cat", "{}"]).output == lines)
    }

    @Test func `C12: a damaged object is refused with the byte near which it is`() throws {
        let folder = TemporaryFolder()
        folder.write("data.gz", [0x1F, 0x8B, 0x08, 0] + [UInt8](repeating: 10, count: 100))
        let refused = try run(folder, ["data.gz", "--", "cat"])
        #expect(refused.status == 3)
        #expect(refused.standardError.contains("data.gz: the compressed object is damaged near byte "))
        #expect(try run(folder, ["--per-object", "data.gz", "--", "wc", "-c"]).standardOutput == "104\n")
    }
}
