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
