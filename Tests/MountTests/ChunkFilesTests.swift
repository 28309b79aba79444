import ObjfsEngine
import ObjfsTesting
import Storage
import Testing

@Suite(.serialized) struct ChunkFilesTests {
    @Test(arguments: [1, SeededGenerator.freshSeed])
    func `C2, C3, C5: chunk files are the object, cut between records, and as long as they say`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var objects: [ObjectKey: [UInt8]] = [:]
        for number in 0..<10 { objects[ObjectKey("f\(number)")] = RandomContent.make(&generator) }
        let mount = try MountedBucket(objects)
        defer { mount.unmount() }
        for (key, content) in objects {
            let words =
                ["@1", "@2", "@7", "@100B", "@1K", "@16", "@64K", ""]
                .filter { $0 != "@100B" || content.count < 30_000 }.randomElement(using: &generator) ?? ""
            let note = Comment(rawValue: "seed \(seed), \(key) \(words)")
            let folder = "\(key)@chunks\(words)"
            #expect(try mount.shell("cat \(folder)/* | cmp - \(key)").status == 0, note)
            let sizes = try mount.output("stat -c %s \(folder)/*")
            let counts = try mount.output("for f in \(folder)/*; do wc -c < $f; done")
            #expect(sizes == counts, note)
            // Each chunk ends with the end of a record, but for the object's last one.
            let total = sizes.split(separator: "\n").compactMap { Int($0) }
            var end = 0
            for size in total {
                end += size
                guard end > 0, end < content.count else { continue }
                #expect(content[end - 1] == 10, note)
            }
            #expect(end == content.count, note)
        }
    }

    @Test func `C5: wc, tail, grep and cmp find in chunk files what is in them`() throws {
        let content = Array((0..<60_000).map { "line \($0)\n" }.joined().utf8)
        let mount = try MountedBucket(["f": content])
        defer { mount.unmount() }
        let counts = try mount.output("for f in f@chunks@16/*; do wc -l < $f; done")
        #expect(counts.split(separator: "\n").compactMap { Int($0) }.reduce(0, +) == 60_000)
        #expect(try mount.output("tail -n 1 f@chunks@16/chunk-15") == "line 59999\n")
        #expect(try mount.output("head -n 1 f@chunks@16/chunk-00") == "line 0\n")
        #expect(try mount.output("cat f@chunks@16/* | grep -c 7") == (try mount.output("grep -c 7 f")))
        let found = try mount.output("grep -l 'line 30000$' f@chunks@16/*")
        #expect(found.split(separator: "\n").count == 1)
        #expect(try mount.shell("cmp f f@chunks@1/chunk-0").status == 0)
    }

    @Test func `C6: a listing costs the object's attributes, sizes a small read each`() throws {
        let content = Array((0..<300_000).map { "line \($0)\n" }.joined().utf8)
        let mount = try MountedBucket(["f": content])
        defer { mount.unmount() }
        #expect(try mount.output("ls f@chunks@200").split(separator: "\n").count == 200)
        #expect(mount.counter.counts.reads == 0)
        _ = try mount.output("ls -l f@chunks@200")
        #expect(mount.counter.counts.reads <= 200)
        #expect(mount.counter.counts.bytesRead <= 200 * 8192)
    }

    @Test func `C7: the shell lists chunks in the order of the object`() throws {
        let mount = try MountedBucket(["f.csv": Array(String(repeating: "a,b\n", count: 100).utf8)])
        defer { mount.unmount() }
        #expect(try mount.output("echo f.csv@chunks@11/*").contains("chunk-09 f.csv@chunks@11/chunk-10"))
        #expect(try mount.shell("cmp f.csv@chunks@11/chunk-7 f.csv@chunks@11/chunk-07.csv").status == 0)
    }

    @Test func `chunk folders are hidden from those who walk the tree`() throws {
        let mount = try MountedBucket(["d/f": Array("x\n".utf8)])
        defer { mount.unmount() }
        _ = try mount.output("cat d/f@chunks@2/chunk-0")
        #expect(try mount.output("find . -type f") == "./d/f\n")
        #expect(try mount.output("grep -rc x .") == "./d/f:1\n")
    }

    @Test func `C9, C10: chunk files say where they are, cannot be written, and have the object's times`() throws {
        let mount = try MountedBucket(["f": Array("one\ntwo\n".utf8)])
        defer { mount.unmount() }
        let names = try mount.output("python3 -c 'import os; print(sorted(os.listxattr(\"f@chunks@2/chunk-1\")))'")
        for name in ["object", "etag", "index", "count", "offset", "length"] {
            #expect(names.contains("user.objfs.\(name)"))
        }
        let offset = try mount.output(
            "python3 -c 'import os; print(os.getxattr(\"f@chunks@2/chunk-1\", \"user.objfs.offset\"))'")
        #expect(offset == "b'4'\n")
        #expect(try mount.shell("echo x > f@chunks@2/chunk-0").output.contains("Read-only file system"))
        #expect(try mount.output("stat -c %Y f") == (try mount.output("stat -c %Y f@chunks@2/chunk-0")))
    }

    @Test(arguments: ["@7", "@4K", "@40@header"])
    func `C3, C5, C11: Python's csv module counts in chunk files the rows of the whole`(words: String) throws {
        let seed = SeededGenerator.freshSeed
        var generator = SeededGenerator(seed: seed)
        var content: [UInt8] = []
        for row in 0..<3000 {
            let field = (0..<Int.random(in: 0...9, using: &generator))
                .map { _ in ["a", "\n", "\"\"", ",", "\r\n"].randomElement(using: &generator) ?? "" }.joined()
            content += Array("\(row),\"\(field)\"\n".utf8)
        }
        let mount = try MountedBucket(["t.csv": content])
        defer { mount.unmount() }
        let count =
            "import csv, sys; print(sum(1 for name in sys.argv[1:] for row in csv.reader(open(name, newline=''))))"
        let folder = "t.csv@chunks\(words)@csv@ext"
        let rows = try mount.output("python3 -c \"\(count)\" \(folder)/*.csv")
        let chunks = try mount.output("ls \(folder)").split(separator: "\n").count
        #expect(rows == "\(3000 + (words.contains("header") ? chunks - 1 : 0))\n", "seed \(seed)")
        guard !words.contains("header") else { return }
        #expect(try mount.shell("cat \(folder)/* | cmp - t.csv").status == 0, "seed \(seed)")
        #expect(
            try mount.output("stat -c %s \(folder)/*")
                == (try mount.output("for f in \(folder)/*; do wc -c < $f; done")))
    }

    @Test func `C5, C12: programs find in chunks of compressed objects what is in the decompressed ones`() throws {
        let content = Array((0..<300_000).map { "line \($0)\n" }.joined().utf8)
        var objects: [ObjectKey: [UInt8]] = ["f": content]
        for program in ["gzip -c", "bgzip -c", "zstd -qc", "bzip2 -c", "xz -0c", "lz4 -qc", "pzstd -qc"] {
            let name = program.split(separator: " ")[0]
            objects[ObjectKey("f.\(name)")] = try Program.run(["sh", "-c", program], input: content).output
        }
        let mount = try MountedBucket(objects)
        defer { mount.unmount() }
        for key in objects.keys where key.string != "f" {
            #expect(try mount.shell("cat \(key)@chunks@16/* | cmp - f").status == 0, "\(key)")
            #expect(try mount.shell("cmp \(key)@plain f").status == 0, "\(key)")
            let sizes = try mount.output("stat -c %s \(key)@chunks@500K/*")
            #expect(sizes == (try mount.output("for f in \(key)@chunks@500K/*; do wc -c < $f; done")), "\(key)")
            #expect(try mount.output("tail -n 1 \(key)@chunks@16/chunk-15") == "line 299999\n", "\(key)")
            let found = try mount.output("grep -h 'line 150000$' \(key)@chunks@16/*")
            #expect(found == "line 150000\n", "\(key)")
        }
    }

    @Test func `C12: a damaged object is an error with a clear word`() throws {
        let mount = try MountedBucket(["f.gz": [0x1F, 0x8B, 8, 0] + [UInt8](repeating: 10, count: 9000)])
        defer { mount.unmount() }
        let (status, output) = try mount.shell("cat f.gz@chunks@2/chunk-1")
        #expect(status != 0)
        #expect(output.contains("Input/output error"))
    }

    @Test func `words that say no way of cutting are no such folder`() throws {
        let mount = try MountedBucket(["f": Array("x\n".utf8)])
        defer { mount.unmount() }
        for words in ["@16@8M", "@bogus", "@0", "@16@16"] {
            #expect(try mount.shell("ls f@chunks\(words)").output.contains("No such file or directory"))
        }
    }
}
