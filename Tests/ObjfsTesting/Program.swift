import Glibc
package import Processes
import Threads

/// Runs a program to its end.
package struct Program: Sendable {
    package let how: Ending.How
    package let output: [UInt8]
    package let errors: [UInt8]

    package var isSuccess: Bool { how == .exited(0) }
    package var standardOutput: String { String(decoding: output, as: UTF8.self) }
    package var standardError: String { String(decoding: errors, as: UTF8.self) }
    /// The exit status; 128 and the number of the signal for a program that was killed, as a shell says it.
    package var status: Int32 {
        switch how {
        case .exited(let status): status
        case .killed(let signal): 128 + signal
        }
    }

    /// Runs a program, and ends it with all that it started if it takes too long.
    ///
    /// - Parameters:
    ///   - arguments: The program and its arguments.
    ///   - environment: What is added to this process's own environment.
    ///   - input: Its standard input.
    ///   - folder: Where it runs.
    ///   - seconds: How long it may take.
    package static func run(
        _ arguments: [String], environment: [String: String] = [:], input: [UInt8] = [], folder: String? = nil,
        seconds: Int64 = 120
    ) throws -> Program {
        guard let stdin = Pipe(), let stdout = Pipe(), let stderr = Pipe() else { throw ServerError("no pipes") }
        let names = Set(environment.keys)
        let inherited = Environment.all.filter { !names.contains(String($0.prefix { $0 != "=" })) }
        var start = ChildProcess.Start(
            arguments, environment: inherited + environment.map { "\($0.key)=\($0.value)" },
            descriptors: [stdin.reading, stdout.writing, stderr.writing])
        start.leadsGroup = true
        start.folder = folder
        defer { for end in [stdout.reading, stderr.reading] { close(end) } }
        let process: ChildProcess
        do {
            process = try ChildProcess(start)
        } catch {
            throw ServerError("\(arguments[0]) can't be started: \(error.reason)")
        }
        for end in [stdin.reading, stdout.writing, stderr.writing] { close(end) }
        let output = Collector(stdout.reading)
        let errors = Collector(stderr.reading)
        let feeder = Feeder(stdin.writing, input)
        let ended = Monitor<Ending?>(nil)
        let waiter = Thread.start("waiter") {
            let ending = process.wait()
            ended.update { $0 = ending }
        }
        let ending = ended.wait(atMost: .seconds(seconds)) { $0 }
        if ending == nil { process.signal(SIGKILL) }
        waiter?.join()
        feeder.finish()
        // What a program leaves running has its pipes; nobody waits for that for ever.
        if !output.isOver(within: .seconds(20)) || !errors.isOver(within: .seconds(1)) { process.signal(SIGKILL) }
        return Program(
            how: ending?.how ?? .killed(signal: SIGKILL), output: output.finish(), errors: errors.finish())
    }

    /// The built program of this package.
    package static var objfs: String {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count)
        let executable = String(decoding: path.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return executable.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/objfs"
    }

    /// Runs the built program of this package.
    package static func objfs(
        _ arguments: [String], environment: [String: String] = [:], input: [UInt8] = [], folder: String? = nil,
        seconds: Int64 = 120
    ) throws -> Program {
        try run([objfs] + arguments, environment: environment, input: input, folder: folder, seconds: seconds)
    }
}

/// Reads a pipe to its end, on a thread of its own.
private final class Collector: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var isOver = false
    }

    private let state = Monitor(State())

    init(_ descriptor: Int32) {
        let state = state
        let thread = Thread.start("collector") {
            defer { state.update { $0.isOver = true } }
            var block = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = read(descriptor, &block, block.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                state.withLock { $0.bytes += block[..<count] }
            }
        }
        thread?.detach()
    }

    /// Whether the pipe has come to its end; waits for it, but not longer than this.
    func isOver(within time: Duration) -> Bool { state.wait(atMost: time) { $0.isOver ? true : nil } ?? false }

    /// What was read.
    func finish() -> [UInt8] {
        _ = isOver(within: .seconds(5))
        return state.withLock { $0.bytes }
    }
}

/// Writes a pipe from memory, on a thread of its own, and closes it.
private struct Feeder {
    private let thread: Thread?

    init(_ descriptor: Int32, _ bytes: [UInt8]) {
        signal(SIGPIPE, SIG_IGN)
        thread = Thread.start("feeder") {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                guard count > 0 else { break }
                rest = rest.dropFirst(count)
            }
            close(descriptor)
        }
    }

    func finish() { thread?.join() }
}
