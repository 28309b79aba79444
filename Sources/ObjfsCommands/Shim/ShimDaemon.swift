import Digests
import Glibc
import ObjfsMount
import Processes

/// The mount that serves all programs of one user with the same credentials.
struct ShimDaemon {
    private let stores: StoreArguments

    init(_ stores: StoreArguments) { self.stores = stores }

    /// Finds the mount, or makes it.
    ///
    /// - Returns: The folder whose `s3` has the buckets.
    func start() throws -> String {
        let root = try Self.makeFolder(Self.makeFolder(Self.base) + "/" + identity)
        let lock = try Self.lock(root)
        defer { close(lock) }
        let point = root + "/s3"
        if MountTable.mounts().contains(where: { $0.point == point }) {
            var status = stat()
            if stat(point, &status) == 0 { return root }
            // A daemon that was killed leaves a mount that answers nobody.
            _ = try? Unmount.unmount(point)
        }
        _ = try Self.makeFolder(point)
        // The daemon is no program of the shim: its own files would be taken for those of its mount.
        let own = ["LD_PRELOAD", "OBJFS_ROOT"].map { ($0, Environment.value($0)) }
        for (name, _) in own { unsetenv(name) }
        defer { for case (let name, let value?) in own { setenv(name, value, 1) } }
        var quiet = stores
        quiet.verbose = false
        do throws(MountError) {
            let words = ["mount", "--foreground", "--ready-descriptor=\(BackgroundMount.readyDescriptor)"]
            try BackgroundMount.start(words + quiet.words + ["--", "s3:", point], log: root + "/log")
        } catch {
            throw Failure(.impossible, "exec: s3: \(error.message)", hint: error.hint)
        }
        return root
    }

    /// Ends all daemons of this user that nothing uses.
    static func stopAll() throws {
        let base = try makeFolder(base)
        var busy: [String] = []
        for mount in MountTable.mounts() where mount.point.hasPrefix(base + "/") && mount.point.hasSuffix("/s3") {
            let lock = try lock(String(mount.point.dropLast(3)))
            defer { close(lock) }
            do throws(MountError) {
                try Unmount.unmount(mount.point)
            } catch {
                busy.append("\(mount.point): \(error.message)")
            }
        }
        if !busy.isEmpty { throw Failure(.failure, "exec: " + busy.joined(separator: "; ")) }
    }

    /// The folder of all daemons of this user.
    private static var base: String {
        if let folder = Environment.value("XDG_RUNTIME_DIR"), folder.hasPrefix("/") {
            return AbsolutePath.of(folder) + "/objfs"
        }
        return "/tmp/objfs-\(getuid())"
    }

    /// What tells one set of credentials from another, and tells nobody the credentials.
    private var identity: String {
        var options = stores
        options.verbose = false
        let variables = Environment.all.filter { $0.hasPrefix("AWS_") || $0.hasPrefix("HOME=") }.sorted()
        let digest = Digest.sha256(Array((options.words + variables).joined(separator: "\0").utf8))
        return digest.prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Makes a folder that is this user's alone, or finds that it is.
    ///
    /// - Throws: ``Failure`` for one that somebody else may enter: who prepared it could read what is mounted there.
    private static func makeFolder(_ path: String) throws -> String {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw Failure(.impossible, "exec: \(path): \(String(cString: strerror(errno)).lowercased())")
        }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid(),
            status.st_mode & 0o077 == 0
        else { throw Failure(.impossible, "exec: \(path): not a folder that only this user can enter") }
        return path
    }

    /// Waits until no other process starts or ends the daemon of a folder; closing the descriptor lets them.
    ///
    /// The corresponding C function is `flock`.
    private static func lock(_ root: String) throws -> Int32 {
        let file = open(root + "/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else {
            throw Failure(.impossible, "exec: \(root): \(String(cString: strerror(errno)).lowercased())")
        }
        while flock(file, LOCK_EX) != 0, errno == EINTR {}
        return file
    }
}
