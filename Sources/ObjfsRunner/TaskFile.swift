import CLinux
import Glibc
import Storage

/// The bytes of a task, or of one of its pieces, as a file that its command can open and seek in.
final class TaskFile {
    /// Where the bytes are, open for reading.
    let descriptor: Int32
    /// The file's path on a mount; `nil` for a file that has no name.
    private let path: String?
    private let piece: Piece?

    /// Up to this size a file is in memory, above it on the disk.
    private static let memoryLimit: Int64 = 64 << 20

    /// The path by which a command finds one of its descriptors.
    private static func path(ofDescriptor number: Int) -> String { "/dev/fd/\(number)" }

    // MARK: Files without a name

    /// Makes an empty file that has no name.
    ///
    /// The corresponding C functions are `memfd_create` and `mkstemp`.
    init(size: Int64) throws(TaskFileError) {
        path = nil
        piece = nil
        if size <= Self.memoryLimit {
            descriptor = clinux_memory_file("objfs-task")
        } else {
            let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
            var template = Array("\(folder)/objfs-task-XXXXXX".utf8CString)
            descriptor = mkstemp(&template)
            template.withUnsafeBufferPointer { _ = $0.baseAddress.map { unlink($0) } }
            if descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        }
        guard descriptor >= 0 else { throw .system("no temporary file", errno) }
    }

    /// Makes the file one that is read from its start; in memory, it can't be changed any more.
    ///
    /// The corresponding C functions are `lseek`, and `fcntl` with `F_ADD_SEALS`.
    func seal() {
        lseek(descriptor, 0, SEEK_SET)
        // A file on the disk can't be sealed, which matters as little as it does for any temporary file.
        _ = clinux_seal_file(descriptor)
    }

    // MARK: Files of a mount

    /// Opens a file of a mount that shows a piece.
    ///
    /// - Throws: ``TaskFileError/changed`` if it shows another version of the object, or another part of it.
    ///
    /// The corresponding C functions are `open` and `fgetxattr`.
    init(_ piece: Piece, at path: String) throws(TaskFileError) {
        self.path = path
        self.piece = piece
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("\(path)", errno) }
        try refuseChange()
    }

    /// Looks whether a mount shows the same at the path as it did when this was opened.
    func refuseChangeOfPath() throws(TaskFileError) {
        guard let path, let piece else { return }
        _ = try TaskFile(piece, at: path)
    }

    private func refuseChange() throws(TaskFileError) {
        guard let piece else { return }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int64(status.st_size) == piece.count,
            attribute("etag") == piece.object.etag.string
        else { throw .changed }
        // A whole object has no place in itself.
        guard let offset = attribute("offset") else { return }
        guard offset == String(piece.range.lowerBound), attribute("length") == String(piece.range.count) else {
            throw .changed
        }
    }

    private func attribute(_ name: String) -> String? {
        var value = [UInt8](repeating: 0, count: 1024)
        let count = fgetxattr(descriptor, "user.objfs." + name, &value, value.count)
        return count < 0 ? nil : String(decoding: value.prefix(count), as: UTF8.self)
    }

    deinit { close(descriptor) }

    // MARK: What the command gets

    /// What `{}` stands for, and the descriptors from 3 on that the command gets for it.
    static func words(_ files: [TaskFile]) -> (paths: [String], descriptors: [Int32]) {
        var descriptors: [Int32] = []
        let paths = files.map { file in
            if let path = file.path { return path }
            descriptors.append(file.descriptor)
            return path(ofDescriptor: 2 + descriptors.count)
        }
        return (paths, descriptors)
    }
}

/// Why a task has no file.
enum TaskFileError: Error {
    /// What is there is not what the plan says.
    case changed
    /// The system did not do what it was asked, and the number that it gave.
    case system(String, Int32)
}
