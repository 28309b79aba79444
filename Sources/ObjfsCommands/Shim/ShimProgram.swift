import Glibc
import Processes

/// The file of a program, and whether a library can be preloaded into it.
struct ShimProgram {
    /// Where it is; as it was given if it is nowhere, for the system then says why.
    let path: String
    /// Whether the loader runs in it, takes preloaded libraries, and the program calls the system by libc.
    let isPreloadable: Bool

    /// Finds a program as a shell does.
    ///
    /// - Throws: ``Failure`` never; a program that isn't there ends the process with 127, as in a shell.
    init(_ name: String, root: String) throws {
        if name.contains("/") {
            path = ShimPath.rewritten(name, root: root)
        } else {
            let folders = (Environment.value("PATH") ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
            path = folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 && !Self.isFolder($0) } ?? name
        }
        isPreloadable = Self.canPreload(path, depth: 0)
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func canPreload(_ path: String, depth: Int) -> Bool {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return !hasOtherRights(path) }
        defer { close(file) }
        var head = [UInt8](repeating: 0, count: 4096)
        head = Array(head.prefix(max(pread(file, &head, head.count, 0), 0)))
        if head.starts(with: Array("#!".utf8)), depth < 4 {
            let line = String(decoding: head.dropFirst(2).prefix { $0 != 0x0A }, as: UTF8.self)
            let interpreter = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).first
            return interpreter.map { canPreload(String($0), depth: depth + 1) } ?? true
        }
        guard head.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else { return true }
        return !hasOtherRights(path) && ElfHead(head).takesPreloads
    }

    /// Whether it runs with rights that are not its caller's: the loader ignores foreign libraries then.
    private static func hasOtherRights(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        return status.st_mode & (S_ISUID | S_ISGID) != 0
    }
}

/// The beginning of an ELF file, as far as it says how the program is loaded.
struct ElfHead {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Whether it has a loader of glibc of this machine's width, and was not made by Go.
    ///
    /// Go's programs call the kernel themselves, even those that have a loader.
    var takesPreloads: Bool {
        guard bytes.count > 64, bytes[4] == 2 else { return false }
        let start = number(32, 8)
        let size = number(54, 2)
        var hasLoader = false
        for index in 0..<min(number(56, 2), 64) {
            let entry = start + index * size
            guard entry >= 0, entry + 56 <= bytes.count else { break }
            let (offset, count) = (number(entry + 8, 8), number(entry + 32, 8))
            switch number(entry, 4) {
            case 3:
                let loader = text(offset, count)
                hasLoader = !loader.contains("musl")
            case 4 where text(offset, count).contains("Go\0\0"): return false
            default: continue
            }
        }
        return hasLoader
    }

    /// A number of so many bytes; 0 beyond the end, and for what no offset in a file's beginning can be.
    private func number(_ offset: Int, _ count: Int) -> Int {
        guard offset >= 0, offset <= bytes.count - count else { return 0 }
        let value = bytes[offset..<offset + count].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return value < 1 << 32 ? Int(value) : 0
    }

    private func text(_ offset: Int, _ count: Int) -> String {
        guard offset < bytes.count else { return "" }
        return String(decoding: bytes[offset...].prefix(count), as: UTF8.self)
    }
}
