import Glibc
import Processes

/// The folders that objfs makes for itself, each its owner's alone.
enum CacheFolder {
    /// Where the borders of chunks are kept; `nil` if there is no home for them.
    static var borders: String? {
        make(base("XDG_CACHE_HOME", ".cache"), "borders")
    }

    /// Where the logs of mounts are kept; `nil` if there is no home for them.
    static var logs: String? {
        make(base("XDG_STATE_HOME", ".local/state"), "log")
    }

    /// Where files are kept that are being written; `nil` if there is no home for them.
    static var journal: String? {
        make(base("XDG_STATE_HOME", ".local/state"), "journal")
    }

    /// A folder of the user's, by the XDG base directory specification.
    private static func base(_ variable: String, _ usual: String) -> String? {
        // A relative path there is to be ignored, as the specification says.
        if let folder = Environment.value(variable), folder.hasPrefix("/") { return folder }
        return Environment.value("HOME").map { $0 + "/" + usual }
    }

    private static func make(_ base: String?, _ name: String) -> String? {
        guard let base else { return nil }
        var folder = ""
        for part in (base + "/objfs/" + name).split(separator: "/") {
            folder += "/\(part)"
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { return nil }
        }
        return folder
    }
}

extension CacheFolder {
    /// Where jobs are kept: in the user's folder for such things, or where there is none, in one for temporary files.
    static var jobs: String? {
        if let folder = make(base("XDG_STATE_HOME", ".local/state"), "jobs"), access(folder, W_OK) == 0 {
            return folder
        }
        let folder = (Environment.value("TMPDIR") ?? "/tmp") + "/objfs-\(getuid())"
        mkdir(folder, 0o700)
        var status = stat()
        // What somebody else has put there is not ours to trust.
        guard lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid(),
            status.st_mode & 0o077 == 0
        else { return nil }
        return folder
    }
}
