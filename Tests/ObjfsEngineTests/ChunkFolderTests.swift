import Bytes
import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import Testing
import Threads
import VFS

@Suite struct ChunkFolderTests {
    private static func lines(_ count: Int) -> String {
        (0..<count).map { "line \($0) of the file\n" }.joined()
    }

    @Test(arguments: ["@chunks@7", "@chunks@10K", "@chunks@3@crlf", "@chunks@64B@bytes@record-16", "@chunks"])
    func `C3: chunks in order are the object`(words: String) throws {
        let content = Self.lines(3000)
        let mount = try MountedStore(["d/f.txt": content])
        let names = try mount.list("d/f.txt" + words).map(\.name)
        var joined: [UInt8] = []
        for name in names {
            let path = "d/f.txt\(words)/\(name)"
            let bytes = try mount.read(path, by: 4000)
            #expect(try mount.lookup(path).size == Int64(bytes.count))
            joined += bytes
        }
        #expect(joined == Array(content.utf8))
    }

    @Test func `chunk folders are looked up and never listed`() throws {
        let mount = try MountedStore(["f": Self.lines(10)])
        #expect(try mount.lookup("f@chunks@2").type == .directory)
        #expect(try mount.names("") == ["f"])
        #expect(try mount.names("f@chunks@2") == ["chunk-0", "chunk-1"])
        #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("f@chunks@2/chunk-2") }
        #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("absent@chunks") }
        #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("@chunks") }
    }

    @Test(arguments: ["@16@8M", "@bogus", "@", "@16@", "@csv@lines", "@0"])
    func `words that say no way of cutting are no folder`(words: String) throws {
        let mount = try MountedStore(["f": "x\n"])
        #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("f@chunks" + words) }
    }

    @Test func `an object whose own key is that of a chunk folder wins`() throws {
        let mount = try MountedStore(["f": "x\n", "f@chunks/own": "mine", "g": "", "g@chunks": "a file"])
        #expect(try mount.names("f@chunks") == ["own"])
        #expect(try mount.text("f@chunks/own") == "mine")
        #expect(try mount.text("g@chunks") == "a file")
        #expect(try mount.names("f@chunks@1") == ["chunk-0"])
        // A file with such a name can be cut as any other.
        #expect(try mount.text("g@chunks@chunks@1/chunk-0") == "a file")
    }

    @Test func `a file with a long name has chunks too`() throws {
        let name = String(repeating: "n", count: 255 - "@chunks@16@crlf".utf8.count)
        let mount = try MountedStore([name: Self.lines(10)])
        #expect(try mount.list(name + "@chunks@16@crlf").count == 16)
    }

    @Test func `C5: the size of a chunk with a header counts the header`() throws {
        let mount = try MountedStore(["f.csv": "a,b\n" + Self.lines(100)])
        var bodies = ""
        for number in 0..<5 {
            let path = "f.csv@chunks@5@header/chunk-\(number)"
            let text = try mount.text(path)
            #expect(text.hasPrefix("a,b\n"))
            #expect(try mount.lookup(path).size == Int64(text.utf8.count))
            #expect(try mount.read(path, by: 3) == Array(text.utf8))
            bodies += text.dropFirst(4)
        }
        #expect(bodies == Self.lines(100))
    }

    @Test func `C6: listing a chunk folder asks for the object and no more`() throws {
        let mount = try MountedStore(["f": Self.lines(20_000)])
        #expect(try mount.list("f@chunks@100", withAttributes: true).count == 100)
        #expect(mount.counter.counts.reads == 0)
        #expect(mount.counter.counts.lists == 1)
    }

    @Test func `C6: a border costs one small read, which two chunks share`() throws {
        let mount = try MountedStore()
        let content = Array(Self.lines(400_000).utf8)
        try mount.memory.write("f", content)
        let folder = try mount.lookup("f@chunks@1000").inode
        var sum: Int64 = 0
        for number in 0..<1000 {
            let name = "chunk-" + String(repeating: "0", count: 3 - "\(number)".utf8.count) + "\(number)"
            sum += try mount.engine.lookup(name, in: folder).attributes.size
        }
        #expect(sum == Int64(content.count))
        #expect(mount.counter.counts.reads <= 1001)
        #expect(mount.counter.counts.bytesRead <= 9 << 20)
    }

    @Test func `C6: a thousand sizes take less than a thousand round trips`() throws {
        // Each read takes 5 ms: one after the other would be five seconds.
        let concurrent = Monitor((now: 0, most: 0))
        let mount = try MountedStore(beforeRead: { _ in
            concurrent.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            _ = Monitor(0).wait(atMost: .milliseconds(5)) { _ in Optional<Int>.none }
            concurrent.withLock { $0.now -= 1 }
        })
        try mount.memory.write("f", Self.lines(400_000).utf8)
        let folder = try mount.lookup("f@chunks@1000").inode
        for number in 0..<1000 { _ = try mount.engine.lookup("chunk-\(number)", in: folder) }
        #expect(concurrent.withLock { $0.most } > 8)
    }

    @Test func `C7: a chunk is found with any number of zeros`() throws {
        let mount = try MountedStore(["f.csv": Self.lines(100)])
        #expect(try mount.list("f.csv@chunks@12").first?.name == "chunk-00")
        let long = try mount.lookup("f.csv@chunks@12/chunk-07").inode
        #expect(try mount.lookup("f.csv@chunks@12/chunk-7").inode == long)
        #expect(try mount.lookup("f.csv@chunks@12/chunk-07.csv").inode == long)
        #expect(try mount.list("f.csv@chunks@2@ext").map(\.name) == ["chunk-0.csv", "chunk-1.csv"])
    }

    @Test func `C8: all chunks are of one version, or the read is ESTALE`() throws {
        let mount = try MountedStore(options: { $0.metadataTTL = .seconds(600) })
        try mount.memory.write("f", Self.lines(100_000).utf8)
        let folder = try mount.lookup("f@chunks@4").inode
        let first = try mount.engine.lookup("chunk-0", in: folder).attributes.inode
        let file = try mount.engine.open(first, .reading)
        #expect(try !mount.engine.read(file.handle, at: 0, count: 10).isEmpty)
        try mount.memory.write("f", Self.lines(50_000).utf8)
        #expect(throws: Errno.staleNFSFileHandle) { try mount.engine.read(file.handle, at: 100, count: 10) }
        mount.engine.release(file.handle)
        #expect(throws: Errno.staleNFSFileHandle) { try mount.engine.lookup("chunk-2", in: folder) }
        let sizes = try (0..<4).map { try mount.lookup("f@chunks@4/chunk-\($0)").size }
        #expect(sizes.reduce(0, +) == Int64(Self.lines(50_000).utf8.count))
    }

    @Test func `C9: extended attributes tell where a chunk is`() throws {
        let content = Self.lines(100)
        let mount = try MountedStore(["d/f": content])
        let inode = try mount.lookup("d/f@chunks@3/chunk-1").inode
        func value(_ name: String) throws -> String {
            String(decoding: try mount.engine.extendedAttribute("user.objfs." + name, of: inode), as: UTF8.self)
        }
        #expect(try value("object") == mount.memory.name + "/d/f")
        #expect(try value("etag") == (try mount.memory.info("d/f").etag.string))
        #expect(try value("index") == "1")
        #expect(try value("count") == "3")
        let offset = try #require(Int(try value("offset")))
        let length = try #require(Int(try value("length")))
        #expect(try mount.read("d/f@chunks@3/chunk-1") == Array(Array(content.utf8)[offset..<offset + length]))
        #expect(try mount.engine.extendedAttributeNames(of: inode).count == 6)
    }

    @Test func `C10: chunk files are read-only and have the object's times`() throws {
        let mount = try MountedStore(["f": Self.lines(100)])
        let chunk = try mount.lookup("f@chunks@3/chunk-1")
        #expect(chunk.modified == (try mount.lookup("f").modified))
        #expect(chunk.permissions == 0o444)
        #expect(throws: Errno.readOnlyFileSystem) { try mount.engine.open(chunk.inode, .writing) }
    }

    @Test(arguments: ["f.csv.gz@chunks@3", "f.csv.gz@chunks@64K@ext", "f.csv.gz@chunks"])
    func `C12: the chunks of a compressed object are what it decompresses to`(folder: String) throws {
        let mount = try MountedStore()
        let content = Self.lines(30_000)
        try mount.memory.write("f.csv.gz", try Program.run(["gzip", "-c"], input: Array(content.utf8)).output)
        let names = try mount.names(folder)
        #expect(
            names.count
                == (folder.hasSuffix("3") ? 3 : folder.hasSuffix("ext") ? (content.utf8.count - 1) >> 16 + 1 : 1))
        #expect(names.allSatisfy { $0.hasSuffix(".csv") == folder.hasSuffix("ext") })
        var joined: [UInt8] = []
        for name in names {
            let bytes = try mount.read("\(folder)/\(name)", by: 40_000)
            #expect(try mount.lookup("\(folder)/\(name)").size == Int64(bytes.count))
            joined += bytes
        }
        #expect(joined == Array(content.utf8))
    }

    @Test func `C12: F@plain is what a compressed file decompresses to, and any other file as it is`() throws {
        let mount = try MountedStore(["t": "plain text\n", "own@plain": "mine"])
        let content = Self.lines(30_000)
        try mount.memory.write("f.zst", try Program.run(["zstd", "-qc"], input: Array(content.utf8)).output)
        #expect(try mount.read("f.zst@plain", by: 50_000) == Array(content.utf8))
        #expect(try mount.lookup("f.zst@plain").size == Int64(content.utf8.count))
        #expect(try mount.text("t@plain") == "plain text\n")
        #expect(try mount.text("own@plain") == "mine")
        #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("absent@plain") }
        #expect(try mount.names("") == ["f.zst", "own@plain", "t"])
    }

    @Test func `C12: a damaged object is EIO, and may be cut into bytes`() throws {
        let mount = try MountedStore()
        try mount.memory.write("f.gz", [0x1F, 0x8B, 8, 0] + [UInt8](repeating: 10, count: 10_000))
        #expect(throws: Errno.ioError) { try mount.lookup("f.gz@chunks@3/chunk-1") }
        #expect(try mount.lookup("f.gz@chunks@3@record-1/chunk-1").size > 0)
    }
}
