import Glibc
import ObjfsEngine
import ObjfsTesting
import Storage
import Testing

@Suite(.serialized) struct BucketTests {
    @Test func `M1, M2: keys are shown as a tree`() throws {
        let objects: [ObjectKey: [UInt8]] = [
            "a": [1], "a/b": [1, 2], "a/c/d e/ü": [3], "empty/": [], "x//y": [4], "top": [],
        ]
        let mount = try MountedBucket(objects)
        defer { mount.unmount() }
        let expected = ["./a/b 2", "./a/c/d e/ü 1", "./top 0"]
        let found = try mount.output("find . -type f -printf '%p %s\\n' | LC_ALL=C sort")
        #expect(found.split(separator: "\n").map(String.init) == expected)
        #expect(try mount.output("ls -A empty") == "")
        #expect(try mount.output("ls") == "a\nempty\ntop\nx\n")
    }

    @Test func `M3: what is not there is ENOENT`() throws {
        let mount = try MountedBucket(["a/b": []])
        defer { mount.unmount() }
        #expect(try mount.shell("cat a/none").output.contains("No such file or directory"))
        #expect(try mount.shell("cat a/b/none").output.contains("Not a directory"))
        #expect(try mount.shell("ls none/").output.contains("No such file or directory"))
    }

    @Test func `M4: a reader learns of a new version by ESTALE, and the next one sees it`() throws {
        let mount = try MountedBucket(["f": [UInt8](repeating: 1, count: 4 << 20)])
        defer { mount.unmount() }
        let file = open(mount.point + "/f", O_RDONLY)
        try #require(file >= 0)
        defer { close(file) }
        var byte: UInt8 = 0
        #expect(pread(file, &byte, 1, 0) == 1)
        #expect(byte == 1)
        try mount.store.write("f", [UInt8](repeating: 2, count: 3 << 20))
        #expect(pread(file, &byte, 1, 3 << 20) == -1)
        #expect(errno == ESTALE)
        #expect(try mount.output("wc -c < f") == "\(3 << 20)\n")
        #expect(try mount.output("head -c 1 f | od -An -tu1").contains("2"))
    }

    @Test func `M5: ls -l of many objects costs a request for each thousand`() throws {
        var objects: [ObjectKey: [UInt8]] = [:]
        for number in 0..<3000 { objects[ObjectKey("d/object-\(number)")] = [1] }
        let mount = try MountedBucket(objects, ttl: .seconds(60))
        defer { mount.unmount() }
        #expect(try mount.output("ls -l d | grep -c object") == "3000\n")
        #expect(mount.counter.counts.lists <= 6)
        // The object written last is asked whether file systems note anything here.
        #expect(mount.counter.counts.infos == 2)
    }

    @Test func `M6: what changes elsewhere is seen after the time to believe in`() throws {
        let mount = try MountedBucket(["f": [1]], ttl: .milliseconds(1))
        defer { mount.unmount() }
        #expect(try mount.output("wc -c < f") == "1\n")
        try mount.store.write("f", [1, 2, 3])
        try mount.store.write("g", [1])
        // The kernel counts in ticks of its own, so the change may take a few of them.
        let line = "for i in $(seq 1000); do test $(stat -c %s f) = 3 && exit 0; sleep 0.01; done; exit 1"
        #expect(try mount.shell(line).status == 0)
        #expect(try mount.output("wc -c < g") == "1\n")
    }

    @Test func `M8: many files are read at once within the memory there is`() throws {
        var objects: [ObjectKey: [UInt8]] = [:]
        for number in 0..<16 { objects[ObjectKey("f\(number)")] = [UInt8](repeating: UInt8(number), count: 4 << 20) }
        let mount = try MountedBucket(objects, memory: 16 << 20)
        defer { mount.unmount() }
        let sums = try mount.output("for i in $(seq 0 15); do wc -c < f$i & done; wait")
        #expect(sums.split(separator: "\n").allSatisfy { $0 == "\(4 << 20)" })
        #expect(sums.split(separator: "\n").count == 16)
    }

    @Test func `files are read whole by many programs at once`() throws {
        var generator = SeededGenerator(seed: 11)
        let content = (0..<3_000_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let mount = try MountedBucket(["f": content])
        defer { mount.unmount() }
        #expect(try mount.output("cat f > $S/copy; cmp f $S/copy && echo same") == "same\n")
        let line = "for i in 1 2 3 4; do cmp f $S/copy && echo same & done; wait"
        #expect(try mount.output(line) == "same\nsame\nsame\nsame\n")
        #expect(
            try mount.output("dd if=f bs=999 skip=1000 status=none | cmp - $S/copy -i 0:999000 && echo same")
                == "same\n")
        let digest = "python3 -c 'import mmap; f=open(\"f\",\"rb\"); print(len(mmap.mmap(f.fileno(),0,prot=1)[:]))'"
        #expect(try mount.output(digest) == "3000000\n")
        #expect(try mount.shell("echo x > f").output.contains("Read-only file system"))
        #expect(try mount.shell("touch new").output.contains("Read-only file system"))
    }
}
