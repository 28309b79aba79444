import CLinux
import Glibc

/// The bytes of a task as a file that its command can open and seek in.
struct TaskFile: ~Copyable {
    let descriptor: Int32

    /// The path by which the command finds one of its files: they are its descriptors from 3 on.
    static func path(_ index: Int) -> String { "/dev/fd/\(3 + index)" }

    /// Up to this size a file is in memory, above it on the disk.
    private static let memoryLimit: Int64 = 64 << 20

    /// Makes an empty file that has no name; `nil` if the system has no room for one.
    ///
    /// The corresponding C functions are `memfd_create` and `mkstemp`.
    init?(size: Int64) {
        if size <= Self.memoryLimit {
            descriptor = clinux_memory_file("objfs-task")
        } else {
            let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
            var template = Array("\(folder)/objfs-task-XXXXXX".utf8CString)
            descriptor = mkstemp(&template)
            template.withUnsafeBufferPointer { _ = $0.baseAddress.map { unlink($0) } }
            if descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    /// Sets the file to its start, for a command that reads the descriptor itself.
    func rewind() { lseek(descriptor, 0, SEEK_SET) }
}

/// A ``TaskFile`` where several are held at a time.
final class TaskFileHolder {
    private let file: TaskFile

    init(_ file: consuming TaskFile) { self.file = file }

    var descriptor: Int32 { file.descriptor }
}
