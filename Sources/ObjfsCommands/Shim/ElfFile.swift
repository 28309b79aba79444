import Glibc

/// An ELF file, as far as it says how the program is loaded.
///
/// See: `man 5 elf`.
struct ElfFile {
    private let file: Int32

    /// Reads from an open file, which the caller closes.
    init(_ file: Int32) { self.file = file }

    /// Whether it has a loader of glibc of this machine's kind, and was not made by Go.
    ///
    /// Go's programs call the kernel themselves, even those that have a loader.
    var takesPreloads: Bool {
        // The library is of this machine's width; a program of another width ignores it.
        guard number(at: 4, bytes: 1) == 2, number(at: 18, bytes: 2) == Self.machine else { return false }
        guard let start = number(at: 32, bytes: 8), let size = number(at: 54, bytes: 2),
            let count = number(at: 56, bytes: 2)
        else { return false }
        var hasLoader = false
        for index in 0..<min(count, 128) {
            let (entry, overflow) = start.addingReportingOverflow(index * size)
            guard !overflow, let type = number(at: entry, bytes: 4), let offset = number(at: entry + 8, bytes: 8),
                let length = number(at: entry + 32, bytes: 8)
            else { return false }
            switch type {
            case 3: hasLoader = !text(at: offset, length).contains("musl")
            // The note that Go's linker leaves has its name.
            case 4 where text(at: offset, length).contains("Go\0\0"): return false
            default: continue
            }
        }
        return hasLoader
    }

    /// The kind of processor that this program was built for.
    private static var machine: Int? {
        let own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        defer { close(own) }
        return ElfFile(own).number(at: 18, bytes: 2)
    }

    /// A little-endian number; `nil` beyond the end of the file, and for what no offset of a program can be.
    private func number(at offset: Int, bytes count: Int) -> Int? {
        var bytes = [UInt8](repeating: 0, count: count)
        guard offset >= 0, offset < 1 << 40, pread(file, &bytes, count, offset) == count else { return nil }
        let value = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return value < 1 << 40 ? Int(value) : nil
    }

    private func text(at offset: Int, _ count: Int) -> String {
        var bytes = [UInt8](repeating: 0, count: min(max(count, 0), 4096))
        let found = pread(file, &bytes, bytes.count, offset)
        return String(decoding: bytes.prefix(max(found, 0)), as: UTF8.self)
    }
}
