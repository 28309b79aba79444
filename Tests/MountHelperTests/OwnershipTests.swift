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
