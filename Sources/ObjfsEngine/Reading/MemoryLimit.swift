import Glibc

extension MemoryBudget {
    /// The lower of 512 MiB and a quarter of what the control group of this process may have, in bytes.
    package static var defaultLimit: Int {
        min(512 << 20, (controlGroupLimit ?? .max) / 4)
    }

    /// What the control group of this process, or one above it, may have; `nil` if nothing is said.
    ///
    /// The corresponding file is `memory.max`.
    private static var controlGroupLimit: Int? {
        guard let groups = text(of: "/proc/self/cgroup") else { return nil }
        var limits: [Int] = []
        for line in groups.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[0] == "0" else { continue }
            var path = fields[2].split(separator: "/")
            while true {
                let folder = (["/sys/fs/cgroup"] + path.map(String.init)).joined(separator: "/")
                if let limit = text(of: folder + "/memory.max").flatMap({ Int($0.prefix { $0 != "\n" }) }) {
                    limits.append(limit)
                }
                guard !path.isEmpty else { break }
                path.removeLast()
            }
        }
        return limits.min()
    }

    /// The beginning of a small file; `nil` if it can't be read.
    private static func text(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
