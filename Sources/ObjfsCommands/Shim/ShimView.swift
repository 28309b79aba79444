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
        guard mkdir(folder, 0o700) == 0 ? chmod(folder, Self.marked) == 0 : errno == EEXIST else { return nil }
        var status = stat()
        lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard lock >= 0, fstat(lock, &status) == 0, status.st_mode & 0o7777 == Self.marked,
            status.st_uid == geteuid(), flock(lock, LOCK_SH | LOCK_NB) == 0
        else {
            if lock >= 0 { close(lock) }
            return nil
        }
        guard clinux_private_mount(root.point, folder) == 0 else {
            remove()
            return nil
        }
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
