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
        guard let groups = SmallFile.text(of: "/proc/self/cgroup") else { return nil }
        var limits: [Int] = []
        for line in groups.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[0] == "0" else { continue }
            var path = fields[2].split(separator: "/")
            while true {
                let folder = (["/sys/fs/cgroup"] + path.map(String.init)).joined(separator: "/")
                if let limit = SmallFile.text(of: folder + "/memory.max").flatMap({ Int($0.prefix { $0 != "\n" }) }) {
                    limits.append(limit)
                }
                guard !path.isEmpty else { break }
                path.removeLast()
            }
        }
        return limits.min()
    }
}
