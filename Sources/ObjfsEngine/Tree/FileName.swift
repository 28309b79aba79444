/// Which part of a key can be the name of a file.
enum FileName {
    /// The longest name, in bytes: `NAME_MAX`.
    static let longest = 255

    /// Whether a file can have this name.
    ///
    /// What can't is hidden: nothing at all (from `//`), `.` and `..`, a NUL, and what is too long.
    static func isPossible(_ name: String) -> Bool {
        let bytes = name.utf8
        guard !bytes.isEmpty, bytes.count <= longest, !sameBytes(name, "."), !sameBytes(name, "..") else {
            return false
        }
        return !bytes.contains(0) && !bytes.contains(UInt8(ascii: "/"))
    }
}
