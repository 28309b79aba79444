import Glibc
import Processes

/// Unmounting what objfs mounted.
package enum Unmount {
    /// Unmounts, and waits until the kernel no longer has the mount.
    ///
    /// The corresponding C function is `umount2`, or the program is `fusermount3`.
    package static func unmount(_ path: String) throws(MountError) {
        let point = AbsolutePath.of(path)
        guard MountTable.mounts().contains(where: { $0.point == point }) else {
            throw MountError("nothing of objfs is mounted there")
        }
        if geteuid() == 0 {
            guard umount2(point, 0) == 0 else { throw failure(errno) }
        } else {
            try runHelper(point)
        }
    }

    private static func runHelper(_ point: String) throws(MountError) {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        let start = ChildProcess.Start(
            ["fusermount3", "-u", point], environment: Environment.all, descriptors: [null, null, null])
        let helper: ChildProcess
        do {
            helper = try ChildProcess(start)
        } catch {
            throw MountError("fusermount3 can't be started: \(error.reason)")
        }
        // The helper says no more than that it failed; that something uses the mount is what makes it fail.
        guard helper.wait().isSuccess else { throw busy }
    }

    private static func failure(_ number: Int32) -> MountError {
        number == EBUSY ? busy : MountError(MountPoint.reason(number))
    }

    private static let busy = MountError(
        "it is in use", hint: "end the programs that have files or folders there open: fuser -vm names them")
}
