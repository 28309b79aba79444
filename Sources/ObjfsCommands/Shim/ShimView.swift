import CLinux
import Glibc

/// A view of the files for one program, in which `s3:` in the working folder holds the buckets.
///
/// It is for programs that the library can't reach: what they name by themselves is found there.
/// The kernel needs a folder to mount on; it is made for the time of the program, and is empty to everybody else.
struct ShimView {
    private let folder: String
    private let lock: Int32

    /// The permission bits that tell a folder of ours from anybody's.
    private static let marked: mode_t = 0o1700

    /// Makes this process and what it starts see the buckets; `nil` where that is not allowed.
    ///
    /// The corresponding C functions are `unshare` and `mount`.
    init?(_ root: ShimRoot) {
        guard let working = getcwd(nil, 0) else { return nil }
        folder = String(cString: working) + "/s3:"
        free(working)
        guard let lock = Self.share(folder) else { return nil }
        self.lock = lock
        guard clinux_private_mount(root.point, folder) == 0 else {
            remove()
            return nil
        }
    }

    /// Makes the folder, or takes part in that of others who were quicker.
    ///
    /// - Returns: A descriptor whose lock keeps the folder there; `nil` if it can't be made, or is somebody's own.
    ///
    /// The corresponding C functions are `mkdir` and `flock`.
    private static func share(_ folder: String) -> Int32? {
        // The last one who used it may be removing it: that takes no time.
        for _ in 0..<1000 {
            // Linux gives a folder its sticky bit as it is made: nobody sees it without.
            guard mkdir(folder, marked) == 0 || errno == EEXIST else { return nil }
            let lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            guard lock >= 0 else {
                guard errno == ENOENT else { return nil }
                continue
            }
            var status = stat()
            guard fstat(lock, &status) == 0, status.st_mode & 0o7777 == marked, status.st_uid == geteuid() else {
                close(lock)
                return nil
            }
            var named = stat()
            if flock(lock, LOCK_SH | LOCK_NB) == 0, lstat(folder, &named) == 0, named.st_ino == status.st_ino,
                named.st_dev == status.st_dev
            {
                return lock
            }
            close(lock)
            usleep(1000)
        }
        return nil
    }

    /// Ends the view, and leaves nothing behind.
    ///
    /// The corresponding C functions are `umount2` and `rmdir`.
    func end() {
        umount2(folder, Int32(MNT_DETACH))
        remove()
    }

    /// The last one who uses the folder removes it.
    private func remove() {
        if flock(lock, LOCK_EX | LOCK_NB) == 0 { rmdir(folder) }
        close(lock)
    }
}
