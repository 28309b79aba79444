import Glibc

/// How far the kernel reads ahead in files of a mount.
enum ReadAhead {
    /// Sets it, in bytes, where this process may; as libfuse starts, it is 128 KiB at most.
    static func set(_ bytes: UInt32, of mountPoint: String) {
        guard geteuid() == 0, let device = device(of: mountPoint) else { return }
        let file = open("/sys/class/bdi/\(device)/read_ahead_kb", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        let text = "\(bytes / 1024)"
        _ = write(file, text, text.utf8.count)
        close(file)
    }

    /// The device of a mount point, as `MAJOR:MINOR`; the mount itself is not asked.
    ///
    /// See: `man 5 proc`, `/proc/pid/mountinfo`.
    private static func device(of mountPoint: String) -> String? {
        guard let file = fopen("/proc/self/mountinfo", "re") else { return nil }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        var found: String?
        while getline(&line, &capacity, file) > 0 {
            guard let line else { break }
            let fields = String(cString: line).split(separator: " ")
            if fields.count > 4, fields[4] == mountPoint { found = String(fields[2]) }
        }
        return found
    }
}
