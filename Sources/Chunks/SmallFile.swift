import Glibc

/// Files that are small enough to be read at once.
enum SmallFile {
    /// The content of a file; `nil` if it can't be read, or is larger than 64 MiB.
    ///
    /// The corresponding C functions are `open` and `read`.
    static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, 0...(64 << 20) ~= status.st_size else { return nil }
        let text = String(unsafeUninitializedCapacity: Int(status.st_size)) { buffer in
            var count = 0
            while count < buffer.count {
                let read = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
                if read < 0, errno == EINTR { continue }
                guard read > 0 else { break }
                count += read
            }
            return count
        }
        return text
    }
}
