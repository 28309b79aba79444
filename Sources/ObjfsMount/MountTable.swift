import Glibc

/// A mount of objfs, as the kernel knows it.
package struct Mount: Hashable, Sendable {
    /// The URL that is mounted.
    package let source: String
    /// Where; absolute, without a `/` at the end.
    package let point: String
}

/// The mounts of objfs that this process sees.
package enum MountTable {
    /// The type that the kernel shows for mounts of objfs.
    package static let type = "fuse.objfs"

    /// All of them, the latest last.
    ///
    /// See: `man 5 proc`, `/proc/pid/mountinfo`.
    package static func mounts() -> [Mount] {
        guard let file = fopen("/proc/self/mountinfo", "re") else { return [] }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        var mounts: [Mount] = []
        while getline(&line, &capacity, file) > 0 {
            guard let line, let mount = parse(String(cString: line)) else { continue }
            mounts.append(mount)
        }
        return mounts
    }

    /// The mount that a path is in, and the rest of the path, without a `/` before it; `nil` if it is in none.
    ///
    /// Links in the path are followed as far as it exists; inside a mount its text counts, for a chunk file
    /// is found by its name.
    package static func find(_ path: String) -> (mount: Mount, rest: String)? {
        let absolute = AbsolutePath.of(path)
        let mounts = mounts()
        let found = mounts.last { absolute == $0.point || absolute.hasPrefix($0.point + "/") }
        guard let found else { return nil }
        return (found, String(absolute.dropFirst(found.point.count).drop { $0 == "/" }))
    }

    /// Reads a line; `nil` if it is no mount of objfs.
    static func parse(_ line: String) -> Mount? {
        let fields = line.split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 2, dash > 4, fields[dash + 1] == type else {
            return nil
        }
        return Mount(source: unescaped(fields[dash + 2]), point: unescaped(fields[4]))
    }

    /// A field as it was before the kernel wrote blanks, tabs, newlines and backslashes as `\NNN`, in octal.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Substring(field).utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, let code = UInt8(String(digits) ?? "", radix: 8) {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
