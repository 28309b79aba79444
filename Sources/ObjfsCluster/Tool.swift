import CLinux
import Glibc
import Processes

/// A program of a cluster that is run to its end.
struct Tool {
    let status: Int32
    let output: String
    let errors: String

    /// Runs a program.
    ///
    /// - Throws: Why it could not be started, or that it failed, in its own words.
    static func run(_ words: [String], input: String = "") throws(EngineError) -> Tool {
        let files = (0..<3).map { _ in clinux_memory_file("objfs-tool") }
        defer { for file in files { close(file) } }
        guard files.allSatisfy({ $0 >= 0 }) else { throw EngineError("no temporary file") }
        let bytes = Array(input.utf8)
        guard write(files[0], bytes, bytes.count) == bytes.count else { throw EngineError("no temporary file") }
        lseek(files[0], 0, SEEK_SET)
        let process: ChildProcess
        do {
            var start = ChildProcess.Start(words, environment: Environment.all, descriptors: files)
            // An interrupt of the terminal is for objfs, which ends what it has started in order.
            start.leadsGroup = true
            process = try ChildProcess(start)
        } catch {
            let reason = error.errno == ENOENT ? "command not found" : error.reason
            throw EngineError("\(words.first ?? ""): \(reason)")
        }
        let ending = process.wait()
        let tool = Tool(
            status: ending.isSuccess ? 0 : 1, output: text(files[1]), errors: text(files[2]))
        return tool
    }

    /// What it wrote; or why it failed.
    func checked(_ program: String) throws(EngineError) -> String {
        guard status == 0 else {
            let line = errors.split(separator: "\n").last.map(String.init) ?? "it failed"
            throw EngineError(line.hasPrefix(program) ? line : "\(program): \(line)")
        }
        return output
    }

    private static func text(_ file: Int32) -> String {
        lseek(file, 0, SEEK_SET)
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(file, &block, block.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += block[..<count]
        }
    }

    /// A word as a shell takes it for itself.
    static func quoted(_ word: String) -> String {
        "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
