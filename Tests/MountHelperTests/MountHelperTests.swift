import Glibc
import ObjfsMount
import ObjfsTesting
import Processes
import Testing

@Suite struct MountHelperArgumentsTests {
    private static let understood: [([String], [String])] = [
        (["s3://b", "/mnt"], ["--", "s3://b", "/mnt"]),
        (["s3://b", "/mnt", "-o", "rw,noauto,_netdev,x-systemd.automount"], ["--", "s3://b", "/mnt"]),
        (
            ["s3://b", "/mnt", "-n", "-o", "ro", "-o", "allow_other"],
            ["--read-only", "--allow-other", "--", "s3://b", "/mnt"]
        ),
        (["-sv", "-t", "fuse.objfs", "s3://b", "/mnt"], ["--", "s3://b", "/mnt"]),
        (
            ["s3://b", "/mnt", "-o", "profile=a\\,b,chunk_size=8M,log-file=/x=y"],
            ["--profile=a,b", "--chunk-size=8M", "--log-file=/x=y", "--", "s3://b", "/mnt"]
        ),
    ]

    @Test(arguments: understood)
    func `what mount(8) writes becomes ordinary options`(words: [String], arguments: [String]) throws {
        #expect(try MountHelperArguments(words).arguments == arguments)
    }

    private static let refused: [([String], String)] = [
        (["s3://b", "/mnt", "-o", "chunksize=8M"], "chunksize"), (["s3://b", "/mnt", "-o", "profile"], "profile"),
        (["s3://b", "/mnt", "-o", "allow_other=1"], "allow_other"), (["s3://b", "/mnt", "-x"], "-x"),
        (["s3://b"], "folder"), (["s3://b", "/mnt", "-o"], "-o"),
    ]

    @Test(arguments: refused)
    func `an option that is unknown or incomplete is refused by its name`(words: [String], name: String) {
        let error = #expect(throws: MountError.self) { try MountHelperArguments(words) }
        #expect(error?.message.contains(name) == true)
    }
}

/// The helper as mount(8) calls it, with the built program.
@Suite(.serialized) struct MountHelperTests {
    private static let helper =
        #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/mount-helpers/mount.objfs"

    private func help(_ folder: borrowing TemporaryFolder, _ words: [String]) throws -> Program {
        let path = Program.objfs.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let environment = ["PATH": path + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME": folder.path]
        return try Program.run([Self.helper] + words, environment: environment, folder: folder.path)
    }

    @Test func `it mounts, and returns when the mount answers`() throws {
        let folder = TemporaryFolder()
        folder.write("bucket/a", [1])
        let point = folder.makeFolder("mount")
        let mounted = try help(folder, ["file://\(folder.path)/bucket", point, "-o", "rw,noauto,chunk_size=1M", "-n"])
        defer { _ = try? Program.run(["fusermount3", "-uz", point]) }
        #expect(mounted.status == 0, "\(mounted.standardError)")
        #expect(access(point + "/a", R_OK) == 0)
        #expect(try Program.objfs(["umount", point]).status == 0)
        #expect(access(point + "/a", R_OK) != 0)
    }

    @Test func `it fails with the statuses of mount(8)`() throws {
        let folder = TemporaryFolder()
        let point = folder.makeFolder("mount")
        #expect(try help(folder, ["file://\(folder.path)/absent", point]).status == 32)
        let unknown = try help(folder, ["file://\(folder.path)", point, "-o", "bogus"])
        #expect(unknown.status == 1)
        #expect(unknown.standardError.contains("unknown option 'bogus'"))
    }
}
