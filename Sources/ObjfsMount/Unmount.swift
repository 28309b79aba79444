import CLinux
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

    /// Unmounts, and waits until the daemon has brought all that was written to the store, or given up, and ended.
    ///
    /// What is written through a map, or still asked for when the last file is closed, is on its way when the kernel
    /// has forgotten the mount.
    ///
    /// - Returns: The folder in which the daemon kept what it wrote, if it told.
    ///
    /// The corresponding C functions are `pidfd_open` and `poll`.
    package static func unmountAndWait(_ path: String) throws(MountError) -> String? {
        let point = AbsolutePath.of(path)
        guard MountTable.mounts().contains(where: { $0.point == point }) else {
            throw MountError("nothing of objfs is mounted there")
        }
        let daemon = told("process", by: point).flatMap { Int32($0) }.map(clinux_open_process) ?? -1
        defer { if daemon >= 0 { close(daemon) } }
        let journal = told("journal", by: point)
        try unmount(path)
        guard daemon >= 0 else { return journal }
        var poll = pollfd(fd: daemon, events: Int16(POLLIN), revents: 0)
        while Glibc.poll(&poll, 1, -1) < 0, errno == EINTR {}
        return journal
    }

    /// What the root of a mount tells of its daemon; `nil` if it is dead, or who asks may not.
    private static func told(_ name: String, by point: String) -> String? {
        var value = [UInt8](repeating: 0, count: 4096)
        let count = getxattr(point, "user.objfs.\(name)", &value, value.count)
        return count > 0 ? String(validating: value[..<count], as: UTF8.self) : nil
    }

    private static func runHelper(_ point: String) throws(MountError) {
        guard let pipe = Pipe() else { throw MountError(MountPoint.reason(errno)) }
        defer { close(pipe.reading) }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        let start = ChildProcess.Start(
            ["fusermount3", "-u", point], environment: Environment.all, descriptors: [null, null, pipe.writing])
        let helper: ChildProcess
        do {
            defer {
                close(null)
                close(pipe.writing)
            }
            helper = try ChildProcess(start)
        } catch {
            throw MountError("fusermount3 can't be started: \(error.reason)")
        }
        var words = [UInt8](repeating: 0, count: 1024)
        let count = read(pipe.reading, &words, words.count)
        guard !helper.wait().isSuccess else { return }
        let said = String(decoding: words.prefix(max(count, 0)).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        throw said.isEmpty || said.lowercased().hasSuffix("busy") ? busy : MountError(said)
    }

    private static func failure(_ number: Int32) -> MountError {
        number == EBUSY ? busy : MountError(MountPoint.reason(number))
    }

    private static let busy = MountError(
        "it is in use", hint: "end the programs that have files or folders there open: fuser -vm names them")
}
