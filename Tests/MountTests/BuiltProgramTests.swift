import Glibc
import ObjfsTesting
import Testing

@Suite(.serialized) struct BuiltProgramTests {
    @Test func `C3: the built program mounts a folder, whose chunk files in order are the file, and unmounts`() throws {
        let folder = TemporaryFolder()
        let content = Array((0..<50_000).map { "line \($0)\n" }.joined().utf8)
        let file = folder.write("store/d/f.txt", content)
        let store = folder.path + "/store"
        let point = folder.makeFolder("mount")
        let mounted = try Shell.run("'\(Program.objfs)' mount 'file://\(store)' '\(point)'", scratch: folder.path)
        try #require(mounted.status == 0, "\(mounted.output)")
        defer { umount2(point, 2) }
        let compared = try Shell.run("cat '\(point)'/d/f.txt@chunks@16/* | cmp - '\(file)'", scratch: folder.path)
        #expect(compared.status == 0, "\(compared.output)")
        let counted = try Shell.run("grep -c 7 '\(point)/d/f.txt'; grep -c 7 '\(file)'", scratch: folder.path)
        let counts = counted.output.split(separator: "\n")
        #expect(counts.count == 2 && counts.first == counts.last)
        let unmounted = try Shell.run("'\(Program.objfs)' umount '\(point)'", scratch: folder.path)
        #expect(unmounted.status == 0, "\(unmounted.output)")
    }

    @Test func `W2: more files can be open to write them than the shell's limit of descriptors is`() throws {
        let folder = TemporaryFolder()
        let store = folder.makeFolder("store")
        let point = folder.makeFolder("mount")
        let mount = "ulimit -Sn 64; '\(Program.objfs)' mount 'file://\(store)' '\(point)'"
        let mounted = try Shell.run("(\(mount))", scratch: folder.path)
        try #require(mounted.status == 0, "\(mounted.output)")
        defer { umount2(point, 2) }
        let script =
            "f = [open(f'\(point)/{n}', 'w') for n in range(200)]\nfor x in f: x.write('x')\nfor x in f: x.close()"
        let written = try Shell.run("python3 -c \"\(script)\"", scratch: folder.path)
        #expect(written.status == 0, "\(written.output)")
        #expect(TemporaryFolder.names(in: store).filter { !$0.hasPrefix(".") }.count == 200)
    }

    @Test func `W2: a read of what was written here and there is answered`() throws {
        let folder = TemporaryFolder()
        let store = folder.makeFolder("store")
        let point = folder.makeFolder("mount")
        let mounted = try Shell.run("'\(Program.objfs)' mount 'file://\(store)' '\(point)'", scratch: folder.path)
        try #require(mounted.status == 0, "\(mounted.output)")
        defer { umount2(point, 2) }
        // More pieces than one call of the kernel takes.
        let script = folder.write(
            "script",
            Array(
                """
                import mmap, os
                f = os.open('\(point)/a', os.O_RDWR | os.O_CREAT)
                for n in range(2048): os.pwrite(f, b'x', n * 512)
                d = os.open('\(point)/a', os.O_RDONLY | os.O_DIRECT)
                buffer = mmap.mmap(-1, 1 << 20)
                wanted = (b'x' + bytes(511)) * 2047 + b'x'
                assert os.preadv(d, [buffer], 0) == len(wanted) and buffer[:len(wanted)] == wanted
                assert os.pread(f, 1 << 20, 0) == wanted
                """.utf8))
        let read = try Shell.run("timeout -s KILL 20 python3 '\(script)'", scratch: folder.path)
        #expect(read.status == 0, "\(read.output)")
    }
}
