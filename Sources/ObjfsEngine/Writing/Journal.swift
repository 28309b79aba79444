import Glibc
import Storage
import Synchronization
package import SystemPackage

/// The folder where a daemon keeps what was written and is not yet in the store.
///
/// Each daemon has a folder of its own in the user's journal, and holds a lock there for as long as it lives.
/// What is found in a folder whose lock is free was left behind by a daemon that was killed.
package final class Journal: Sendable {
    /// The folder of this daemon.
    let path: String
    /// How many bytes the disk must have left; what is written in order may still go on below that.
    package let reserve: Int64
    /// Where the stores' service is; empty if it is AWS, or there is none.
    private let service: String
    private let lock: Int32
    private let count = Atomic<UInt64>(0)

    static let lockName = "lock"

    /// Whether a folder of a journal may be that of a daemon: a number of a process, and something random.
    static func isName(_ name: String) -> Bool {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count == 2 && Int32(parts[0]) != nil && !parts[1].isEmpty
    }

    /// Makes the folder of this process in the journal at `root`.
    ///
    /// - Throws: Why there can't be one.
    ///
    /// The corresponding C functions are `mkdir`, `flock` and `rename`.
    package init(root: String, reserve: Int64 = 256 << 20, service: String = "") throws(Errno) {
        self.reserve = reserve
        self.service = service
        let name = "\(getpid())-" + String(UInt32.random(in: 0 ... .max), radix: 36)
        path = root + "/" + name
        lock = try Self.make(path, at: root + "/." + name)
    }

    /// Makes the folder and locks it, before it has the name under which others would take it for a dead daemon's.
    private static func make(_ path: String, at hidden: String) throws(Errno) -> Int32 {
        guard mkdir(hidden, 0o700) == 0 else { throw Errno(rawValue: errno) }
        let lock = Glibc.open(hidden + "/" + lockName, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0, flock(lock, LOCK_EX | LOCK_NB) == 0, rename(hidden, path) == 0 else {
            let reason = errno
            if lock >= 0 { close(lock) }
            unlink(hidden + "/" + lockName)
            rmdir(hidden)
            throw Errno(rawValue: reason)
        }
        return lock
    }

    /// Removes the folder, if nothing is left in it that was not stored.
    deinit {
        if isEmpty {
            unlink(path + "/" + Self.lockName)
            rmdir(path)
        }
        close(lock)
    }

    private var isEmpty: Bool {
        guard let stream = opendir(path) else { return false }
        defer { closedir(stream) }
        var others = 0
        while let entry = readdir(stream) {
            if entry.pointee.d_type == UInt8(DT_REG) { others += 1 }
        }
        return others <= 1
    }

    /// Makes the two files of one file that is being written.
    func stage(_ key: ObjectKey, of store: String) throws(Errno) -> StagedFile {
        let number = count.wrappingAdd(1, ordering: .relaxed).newValue
        let header = StagedFile.Header(store: store, service: service, boot: Self.boot, key: key)
        return try StagedFile(creating: path + "/\(number)", header)
    }

    /// What identifies the system from its start until its end; see `random(4)`.
    static let boot =
        SmallFile.text(of: "/proc/sys/kernel/random/boot_id").map { String($0.prefix { $0 != "\n" }) } ?? ""

    /// How many bytes the disk of the journal has left.
    ///
    /// The corresponding C function is `statvfs`.
    var room: Int64 {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return .max }
        let (bytes, overflow) = Int64(clamping: status.f_bavail).multipliedReportingOverflow(
            by: Int64(clamping: status.f_frsize))
        return overflow ? .max : bytes
    }
}
