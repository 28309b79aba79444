import Glibc

/// Why something could not be mounted or unmounted, in words for the person who asked.
package struct MountError: Error, Sendable {
    /// The reason, in lower case and without a full stop.
    package let message: String
    package let hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}

/// The folder that something is mounted at.
package enum MountPoint {
    /// Checks that a path can be a mount point, before anything is started.
    package static func check(_ path: String) throws(MountError) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOTCONN {
                throw MountError("a mount that has died is there", hint: "remove it by: fusermount3 -uz \(path)")
            }
            throw MountError(
                errno == ENOENT ? "no such folder" : reason(errno), hint: errno == ENOENT ? "mkdir \(path)" : nil)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw MountError("not a folder") }
        let absolute = AbsolutePath.of(path)
        if let mount = MountTable.mounts().last(where: { $0.point == absolute }) {
            throw MountError(
                "\(mount.source) is mounted there already", hint: "unmount it by: objfs umount \(path)")
        }
        guard access("/dev/fuse", R_OK | W_OK) == 0 else {
            throw MountError("this user can't mount: /dev/fuse: \(reason(errno))", hint: "objfs doctor says more")
        }
    }

    /// Checks that what the mount needs is not at its mount point, nor that in what is mounted.
    ///
    /// A daemon that asks for a file of its own mount would wait for itself.
    ///
    /// - Parameters:
    ///   - folder: The folder that stands for a bucket; `nil` if there is none.
    ///   - others: Folders that the daemon reads and writes.
    package static func check(_ path: String, isApartFrom folder: String?, and others: [String]) throws(MountError) {
        let point = AbsolutePath.of(path)
        if let folder = folder.map(AbsolutePath.of), contains(folder, point) || contains(point, folder) {
            throw MountError("a folder can't be mounted over or inside itself")
        }
        if let other = others.first(where: { contains(point, AbsolutePath.of($0)) }) {
            throw MountError(
                "the mount would hide \(other), which it needs",
                hint: "set XDG_STATE_HOME and XDG_CACHE_HOME, or give --journal and --log-file")
        }
    }

    private static func contains(_ folder: String, _ path: String) -> Bool {
        path == folder || path.hasPrefix(folder.hasSuffix("/") ? folder : folder + "/")
    }

    static func reason(_ number: Int32) -> String { String(cString: strerror(number)).lowercased() }
}
