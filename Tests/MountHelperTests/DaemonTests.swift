import Glibc
import ObjfsTesting
import Processes
import Testing

/// Who may use a mount; needs root, to be somebody else.
@Suite(.serialized) struct OwnershipTests {
    private func readByNobody(_ options: [String]) throws -> Program {
        let folder = TemporaryFolder()
        chmod(folder.path, 0o755)
        folder.write("bucket/a", Array("content".utf8))
        let point = folder.makeFolder("mount")
        let mounted = try Program.objfs(
            ["mount"] + options + ["file://\(folder.path)/bucket", point], environment: ["HOME": folder.path])
        defer { _ = try? Program.run(["fusermount3", "-uz", point]) }
        #expect(mounted.status == 0, "\(mounted.standardError)")
        return try Program.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", point + "/a"])
    }

    @Test func `X1: a mount is its owner's alone, unless others are let in`() throws {
        try #require(getuid() == 0, "this test must be run by root")
        #expect(try readByNobody([]).status != 0)
        #expect(try readByNobody(["--allow-other"]).standardOutput == "content")
    }
}

/// How a mount in the background ends.
@Suite(.serialized) struct DaemonTests {
    @Test func `W1: objfs umount returns when all is in the store and the daemon has ended`() throws {
        let folder = TemporaryFolder()
        folder.makeFolder("bucket")
        let point = folder.makeFolder("mount")
        let home = ["HOME": folder.path]
        for round in 1...3 {
            #expect(try Program.objfs(["mount", folder.path + "/bucket", point], environment: home).status == 0)
            defer { _ = try? Program.run(["fusermount3", "-uz", point]) }
            // Bytes written through a map after the descriptor is closed are asked for by nobody but the kernel.
            let script = """
                import mmap, os, sys
                file = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
                os.ftruncate(file, 48 << 20)
                view = mmap.mmap(file, 48 << 20)
                os.close(file)
                view[:] = b'\(round)' * (48 << 20)
                """
            #expect(try Program.run(["python3", "-c", script, point + "/large"]).status == 0)
            let unmounted = try Program.objfs(["umount", point], environment: home)
            #expect(unmounted.status == 0, "\(unmounted.standardError)")
            let left = try Program.run(["pgrep", "-f", "mount --foreground.* \(point)$"])
            #expect(left.status == 1, "the daemon has not ended")
            let stored = TemporaryFolder.bytes(of: folder.path + "/bucket/large")
            #expect(stored.count == 48 << 20 && stored.last == UInt8(0x30 + round) && stored.first == stored.last)
        }
    }

    @Test(arguments: ["KILL", "TERM", "INT", "HUP"])
    func `a daemon that is ended by a signal leaves no dead mount point`(signal: String) throws {
        let folder = TemporaryFolder()
        folder.write("bucket/a", [1])
        let point = folder.makeFolder("mount")
        let mounted = try Program.objfs(["mount", folder.path + "/bucket", point], environment: ["HOME": folder.path])
        defer { _ = try? Program.run(["fusermount3", "-uz", point]) }
        #expect(mounted.status == 0, "\(mounted.standardError)")
        #expect(access(point + "/a", R_OK) == 0)
        _ = try Program.run(["pkill", "-\(signal)", "-f", "mount --foreground.* \(point)$"])
        // The kernel's own table tells when it is gone; a dead mount point would answer ENOTCONN for ever.
        let gone = try Program.run(
            ["sh", "-c", "until ! grep -q ' \(point) ' /proc/self/mountinfo; do sleep 0.05; done"], seconds: 30)
        #expect(gone.status == 0)
        #expect(access(point, R_OK) == 0)
        #expect(access(point + "/a", R_OK) != 0)
    }
}
