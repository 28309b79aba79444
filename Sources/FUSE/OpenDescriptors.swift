import Glibc

/// The files that other processes have open.
package enum OpenDescriptors {
    /// Whether a process has a descriptor that may write a file, beside one that it is closing.
    ///
    /// A shell that runs `command > file` opens the file, makes the descriptor its standard output, and closes the
    /// first one: that is no end of anything.
    ///
    /// - Parameters:
    ///   - process: The number of a process or a thread; `false` if nobody may look into it.
    ///   - inode: The number that the file has for the kernel.
    ///
    /// See: `man 5 proc`, `/proc/pid/fdinfo`; it tells of inodes since Linux 5.14.
    package static func hasWriter(process: Int32, inode: UInt64) -> Bool {
        let folder = "/proc/\(process)/fdinfo"
        guard let stream = opendir(folder) else { return false }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.first?.isNumber == true, isWriter("\(folder)/\(name)", inode) { return true }
        }
        return false
    }

    private static func isWriter(_ path: String, _ inode: UInt64) -> Bool {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        var block = [UInt8](repeating: 0, count: 1024)
        let count = read(file, &block, block.count)
        guard count > 0 else { return false }
        var flags: Int32?
        var number: UInt64?
        for line in String(decoding: block[..<count], as: UTF8.self).split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            guard words.count == 2 else { continue }
            if words[0] == "flags:" { flags = Int32(words[1], radix: 8) }
            if words[0] == "ino:" { number = UInt64(words[1]) }
        }
        guard let flags, number == inode else { return false }
        return flags & O_ACCMODE != O_RDONLY
    }
}
