import Bytes
import Glibc
import ObjfsEngine

/// What the daemon of `objfs exec` tells of files that it could not store: a line of JSON each, at the end of a file.
struct FailureLog: Sendable {
    private let path: String

    init(root: String) { path = root + "/failures" }

    /// Adds a line; the daemon does.
    func add(_ report: StoringReport) {
        let line: [String: JSON] =
            switch report {
            case .failed(let url, let reason, let process):
                [
                    "url": .string(url), "reason": .string("\(reason)"),
                    "processes": .array((process.map(Self.ancestry) ?? []).map { JSON($0) }),
                ]
            case .stored(let url): ["url": .string(url)]
            }
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        Messages.write(Array((JSON.object(line).text + "\n").utf8), to: file)
    }

    /// Where the next line will stand; 0 if there is none yet.
    var end: Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : 0
    }

    /// The files that processes below `process` closed since, and that are still not stored, and why.
    ///
    /// A file that nobody is known to have closed counts for everyone.
    func failures(from start: Int64, below process: Int32) -> [(url: String, reason: String)] {
        var failures: [(url: String, reason: String)] = []
        for line in lines(from: start) {
            guard let line = JSON(line), let url = line["url"]?.string else { continue }
            failures.removeAll { $0.url == url }
            guard let reason = line["reason"]?.string, case .array(let processes)? = line["processes"] else { continue }
            let isOurs = processes.isEmpty || processes.contains { $0.integer == Int64(process) }
            if isOurs { failures.append((url, reason)) }
        }
        return failures
    }

    private func lines(from start: Int64) -> [String] {
        guard let file = fopen(path, "re") else { return [] }
        defer { fclose(file) }
        fseek(file, Int(start), SEEK_SET)
        var lines: [String] = []
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, file) > 0 {
            if let line { lines.append(String(cString: line)) }
        }
        return lines
    }

    /// A process, the one that started it, and so on.
    ///
    /// See: `man 5 proc`, `/proc/pid/stat`.
    private static func ancestry(_ process: Int32) -> [Int32] {
        var found: [Int32] = []
        var next = process
        while next > 1, found.count < 64, !found.contains(next) {
            found.append(next)
            guard let file = fopen("/proc/\(next)/stat", "re") else { break }
            defer { fclose(file) }
            var block = [UInt8](repeating: 0, count: 1024)
            let count = fread(&block, 1, block.count, file)
            // The name of the program stands in brackets, and may hold blanks and brackets.
            guard let bracket = block[..<count].lastIndex(of: UInt8(ascii: ")")) else { break }
            let fields = String(decoding: block[(bracket + 1)..<count], as: UTF8.self).split(separator: " ")
            guard fields.count > 1, let parent = Int32(fields[1]) else { break }
            next = parent
        }
        return found
    }
}
