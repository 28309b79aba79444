import CLinux
import Glibc

extension DirectoryStore {
    /// Sets when a file, or the folder itself for an empty key, was modified; `nil` is now.
    ///
    /// The corresponding C function is `futimens`.
    package func setModified(_ key: ObjectKey, _ time: Timestamp?) throws(StorageError) {
        let root = try openRoot()
        guard key.string.isEmpty else {
            return try root.open(key, O_RDONLY | O_NONBLOCK).setModified(time)
        }
        guard futimens(root.descriptor, nil) == 0 else { throw StorageError(errno: errno) }
    }
}

extension DirectoryFile {
    /// Sets when the file was modified, and last read; `nil` is now.
    ///
    /// The corresponding C function is `futimens`.
    func setModified(_ time: Timestamp?) throws(StorageError) {
        guard let time else {
            guard futimens(descriptor, nil) == 0 else { throw StorageError(errno: errno) }
            return
        }
        var seconds = time.nanoseconds / 1_000_000_000
        var rest = time.nanoseconds % 1_000_000_000
        if rest < 0 { (seconds, rest) = (seconds - 1, rest + 1_000_000_000) }
        let moment = timespec(tv_sec: Int(seconds), tv_nsec: Int(rest))
        guard futimens(descriptor, [moment, moment]) == 0 else { throw StorageError(errno: errno) }
    }
}
