import Glibc
import Synchronization

/// The processes of this machine that carry some words in their environment, however they were started.
package enum MarkedProcesses {
    /// The numbers of those processes; those that have ended and were not waited for are none.
    package static func find(_ words: [String]) -> [Int32] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var found: [Int32] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let pid = Int32(name), pid != getpid() else { continue }
            let environment = read("/proc/\(pid)/environ")
            if words.allSatisfy({ environment.contains($0) }) { found.append(pid) }
        }
        return found
    }

    /// Ends all of them at once.
    package static func kill(_ words: [String]) {
        // One that is started meanwhile is found by the next look.
        for _ in 0..<20 {
            let found = find(words)
            guard !found.isEmpty else { return }
            for pid in found { Glibc.kill(pid, SIGKILL) }
            usleep(20_000)
        }
    }

    /// Ends them when the tests end.
    static func killAtExit(_ word: String, removing folder: String) {
        all.withLock { $0.append((word, folder)) }
        _ = endWithTests
    }

    private static let all = Mutex<[(word: String, folder: String)]>([])
    private static let endWithTests: Void = {
        atexit {
            for (word, folder) in MarkedProcesses.all.withLock({ $0 }) {
                MarkedProcesses.kill([word])
                _ = try? Program.run(["rm", "-rf", folder])
            }
        }
    }()

    private static func read(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = Glibc.read(file, &block, block.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += block[..<count]
        }
    }
}
