import Digests
import Glibc
import ObjfsMount
import Processes

/// The mount that serves all programs of one user with the same credentials.
struct ShimDaemon {
    private let stores: StoreArguments
    /// How long it stays when nobody uses it, in seconds.
    private let patience: Int

    init(_ stores: StoreArguments, patience: Int) {
        self.stores = stores
        self.patience = patience
    }

    /// Finds the mount, or makes it.
    ///
    /// It stays at least as long as this process does.
    func start() throws -> ShimRoot {
        let root = ShimRoot(path: try ShimRoot.makeFolder(ShimRoot.base + "/" + identity))
        // Never closed: the system gives it back when this process has ended.
        _ = try root.take(.using, LOCK_SH)
        if Self.answers(root) { return root }
        let lock = try root.take(.starting, LOCK_EX)
        defer { if let lock { close(lock) } }
        if Self.answers(root) { return root }
        // A daemon that was killed leaves a mount that answers nobody.
        if MountTable.mounts().contains(where: { $0.point == root.point }) { _ = try? Unmount.unmount(root.point) }
        try ShimRoot.makeFolder(root.point)
        try mount(root)
        return root
    }

    /// Whether buckets are mounted there: a mount is another device than the folder that it is in.
    static func answers(_ root: ShimRoot) -> Bool {
        var (outside, inside) = (stat(), stat())
        return stat(root.path, &outside) == 0 && stat(root.point, &inside) == 0 && outside.st_dev != inside.st_dev
    }

    /// Puts aside what programs wrote where a mount had been; returns where it is now, `nil` if there is nothing.
    ///
    /// A daemon that was killed is unmounted by its helper, and then its mount is a folder like any other.
    static func putAside(_ root: ShimRoot) throws -> String? {
        let lock = try root.take(.starting, LOCK_EX)
        defer { if let lock { close(lock) } }
        // A folder that is empty goes; one that is mounted on, or that holds something, does not.
        guard !answers(root), rmdir(root.point) != 0, errno == ENOTEMPTY else { return nil }
        let aside = "\(root.path)/unstored-\(getpid())"
        return rename(root.point, aside) == 0 ? aside : nil
    }

    private func mount(_ root: ShimRoot) throws {
        // The daemon is no program of the shim: its own files would be taken for those of its mount.
        let own = ["LD_PRELOAD", "OBJFS_ROOT"].map { ($0, Environment.value($0)) }
        for (name, _) in own { unsetenv(name) }
        defer { for case (let name, let value?) in own { setenv(name, value, 1) } }
        var quiet = stores
        quiet.verbose = false
        let words = [
            "mount", "--foreground", "--ready-descriptor=\(BackgroundMount.readyDescriptor)",
            "--exec-root=\(root.path)", "--exec-patience=\(patience)",
        ]
        do throws(MountError) {
            try BackgroundMount.start(words + quiet.words + ["--", "s3:", root.point], log: root.log)
        } catch {
            // What the daemon could not mount, it names by its source, which is the same for all.
            let told = error.message.hasPrefix("s3:: ") ? String(error.message.dropFirst(5)) : error.message
            throw Failure(.impossible, "exec: s3: \(told)", hint: error.hint)
        }
    }

    /// Ends all daemons of this user that nothing uses.
    static func stopAll() throws {
        let base = try ShimRoot.base
        var busy: [String] = []
        for mount in MountTable.mounts() where mount.point.hasPrefix(base + "/") && mount.point.hasSuffix("/s3") {
            let root = ShimRoot(path: String(mount.point.dropLast(3)))
            let lock = try root.take(.starting, LOCK_EX)
            defer { if let lock { close(lock) } }
            do throws(MountError) {
                guard let use = try? root.take(.using, LOCK_EX | LOCK_NB) else { throw MountError("it is in use") }
                defer { close(use) }
                try Unmount.unmount(mount.point)
            } catch {
                busy.append("\(mount.point): \(error.message)")
            }
        }
        if !busy.isEmpty { throw Failure(.failure, "exec: " + busy.joined(separator: "; ")) }
    }

    /// What tells one set of credentials from another, and tells nobody the credentials.
    private var identity: String {
        var options = stores
        options.verbose = false
        let variables = Environment.all.filter { variable in
            ["AWS_", "HOME=", "XDG_STATE_HOME=", "XDG_CACHE_HOME="].contains { variable.hasPrefix($0) }
        }
        let text = (options.words + variables.sorted()).joined(separator: "\0")
        return Digest.sha256(Array(text.utf8)).prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
