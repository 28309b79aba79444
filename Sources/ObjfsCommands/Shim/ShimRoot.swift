import Glibc
import Processes

/// The folder of one daemon of `objfs exec`: its mount `s3`, its log, and the locks that its users take.
struct ShimRoot: Sendable {
    let path: String

    init(path: String) { self.path = path }

    /// Where the buckets are mounted.
    var point: String { path + "/s3" }
    var log: String { path + "/log" }

    /// What everybody who uses the daemon is told, in one line; `nil` if there is nothing to say.
    var notice: String? {
        guard let file = fopen(path + "/notice", "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }

    /// Sets the notice.
    func setNotice(_ text: String?) {
        unlink(path + "/notice")
        guard let text else { return }
        let file = open(path + "/notice", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return }
        Messages.write(Array(text.utf8), to: file)
        close(file)
    }

    /// The folder of all daemons of this user.
    static var base: String {
        get throws {
            if let folder = Environment.value("XDG_RUNTIME_DIR"), folder.hasPrefix("/") {
                return try makeFolder(folder + "/objfs-exec")
            }
            return try makeFolder("/tmp/objfs-exec-\(getuid())")
        }
    }

    /// Makes a folder that is this user's alone, or finds that it is.
    ///
    /// - Throws: ``Failure`` for one that somebody else may enter: who prepared it could read what is mounted there.
    @discardableResult
    static func makeFolder(_ path: String) throws -> String {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw Failure(.impossible, "exec: \(path): \(String(cString: strerror(errno)).lowercased())")
        }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid(),
            status.st_mode & 0o077 == 0
        else { throw Failure(.impossible, "exec: \(path): not a folder that only this user can enter") }
        return path
    }

    /// Two locks: one for who starts or ends the daemon, one for who uses it.
    enum Lock: String {
        case starting, using
    }

    /// Takes a lock, which closing the descriptor gives back; `nil` if others have it and nobody is to wait.
    ///
    /// The corresponding C function is `flock`.
    func take(_ lock: Lock, _ operation: Int32) throws -> Int32? {
        let file = open(path + "/" + lock.rawValue, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else {
            throw Failure(.impossible, "exec: \(path): \(String(cString: strerror(errno)).lowercased())")
        }
        while flock(file, operation) != 0 {
            guard errno != EINTR else { continue }
            close(file)
            return nil
        }
        return file
    }
}
