import CLinux
import Glibc
import Processes
import Storage
import Threads

/// One run of the command for a task: starts it, feeds it, takes its output, and waits for it.
struct Attempt: Sendable {
    let task: RunTask
    /// Which run of the task it is, from 1.
    let number: Int
    let context: RunContext
    let output: TaskOutput
    /// Whether output may go out as it comes, when it is the task's turn.
    let isDirect: Bool

    /// How it went.
    struct Result {
        var ending: Ending?
        /// Why it failed, if not for its status.
        var reason: String?
        /// Whether no other task will fare better: the command can't be started.
        var isFatal = false
    }

    func run() -> Result {
        context.template.needsFile ? runWithFile() : runWithInput()
    }

    // MARK: Its bytes

    private func runWithFile() -> Result {
        guard let file = TaskFile(size: task.count) else {
            return Result(reason: "no temporary file: \(Self.words(errno))")
        }
        do throws(PieceFeed.Failure) {
            try PieceFeed(task, pool: context.readers).run(to: file.descriptor)
        } catch {
            return Result(reason: Self.words(error))
        }
        file.rewind()
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(null) }
        return serve([null, file.descriptor]) { _ in }
    }

    private func runWithInput() -> Result {
        guard let pipe = Pipe() else { return Result(reason: "no pipe: \(Self.words(errno))") }
        clinux_enlarge_pipe(pipe.writing, 1 << 20)
        let fed = Monitor<String??>(nil)
        var isFed = false
        var result = serve([pipe.reading]) { process in
            close(pipe.reading)
            isFed = true
            context.feeders.submit {
                let failure = feed(pipe.writing)
                // What was cut short must not look like a whole input: the command dies before it sees an end.
                if failure != nil { process.signal(SIGKILL) }
                close(pipe.writing)
                fed.update { $0 = .some(failure) }
            }
            return
        } whenEnded: {
            // The number of the process stays its own until the feed no longer needs it.
            isFed ? fed.wait(for: { $0 }) : nil
        }
        if !isFed {
            close(pipe.reading)
            close(pipe.writing)
        }
        if let failure = result.reason { result.reason = failure }
        return result
    }

    private func feed(_ descriptor: Int32) -> String? {
        do throws(PieceFeed.Failure) {
            try PieceFeed(task, pool: context.readers).run(to: descriptor)
            return nil
        } catch {
            // A command that reads no further than it needs, as head does, is right to.
            if case .closed = error { return nil }
            return Self.words(error)
        }
    }

    // MARK: Its process

    private func serve(
        _ inputs: [Int32], started: (ChildProcess) -> Void, whenEnded: () -> String? = { nil }
    ) -> Result {
        guard let stdout = Pipe(), let stderr = Pipe() else { return Result(reason: "no pipe: \(Self.words(errno))") }
        defer {
            close(stdout.reading)
            close(stderr.reading)
        }
        let process: ChildProcess
        do {
            defer {
                close(stdout.writing)
                close(stderr.writing)
            }
            process = try start([inputs[0], stdout.writing, stderr.writing] + inputs.dropFirst())
        } catch {
            let isMissing = error.errno == ENOENT
            let reason = "\(context.template.program): \(isMissing ? "command not found" : error.reason)"
            return Result(reason: reason, isFatal: true)
        }
        context.processes.add(process)
        if let memory = context.options.memory { clinux_limit_memory(process.pid, UInt(memory)) }
        started(process)
        let isLate = collect(stdout.reading, stderr.reading, process)
        let failure = whenEnded()
        // Only now: the number of a process that has been waited for may be another's.
        context.processes.remove(process)
        let ending = process.wait()
        return Result(ending: ending, reason: isLate ? "it took longer than --timeout" : failure)
    }

    private func start(_ descriptors: [Int32]) throws(ChildProcess.StartError) -> ChildProcess {
        let arguments = context.template.arguments(for: task, of: context.count, path: TaskFile.path)
        var start = ChildProcess.Start(
            arguments, environment: context.options.environment + place, descriptors: descriptors)
        start.leadsGroup = true
        return try ChildProcess(start)
    }

    /// What tells the command where it is.
    private var place: [String] {
        let piece = task.pieces.first
        return [
            "OBJFS_JOB=\(context.options.job)", "OBJFS_TASK=\(task.number)", "OBJFS_TASKS=\(context.count)",
            "OBJFS_ATTEMPT=\(number)", "OBJFS_OBJECT=\(task.name)", "OBJFS_CHUNK=\(task.chunk)",
            "OBJFS_CHUNKS=\(task.chunks)", "OBJFS_OFFSET=\(piece?.range.lowerBound ?? 0)",
            "OBJFS_LENGTH=\(piece?.range.count ?? 0)", "OBJFS_ETAG=\(piece?.object.etag.string ?? "")",
        ]
    }

    // MARK: Its output

    /// Takes output until the command has closed both its ends; whether it took too long.
    ///
    /// The corresponding C function is `poll`.
    private func collect(_ stdout: Int32, _ stderr: Int32, _ process: ChildProcess) -> Bool {
        var deadline = context.options.timeout.map { ContinuousClock.now + $0 }
        var isLate = false
        var errors = LineBuffer(tag: context.options.isTagged ? task.label + "\t" : "")
        var open: [pollfd] = [stdout, stderr].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { block.deallocate() }
        while open.contains(where: { $0.fd >= 0 }) {
            let left = deadline.map { max(($0 - .now) / .milliseconds(1), 0) }
            let ready = poll(&open, 2, left.map { Int32(min($0 + 1, 1e9)) } ?? -1)
            if ready == 0, let passed = deadline, passed <= .now {
                process.signal(isLate ? SIGKILL : SIGTERM)
                isLate = true
                deadline = .now + RunContext.grace
            }
            for index in 0..<2 where open[index].fd >= 0 && open[index].revents != 0 {
                let count = read(open[index].fd, block.baseAddress, block.count)
                if count < 0, errno == EINTR { continue }
                let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(block)[..<max(count, 0)])
                if count <= 0 { open[index].fd = -1 } else if index == 0 { take(bytes) } else { errors.add(bytes) }
            }
        }
        errors.finish()
        return isLate
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        guard isDirect, context.collator.isTurn(of: task.number) else { return output.add(bytes) }
        if !output.isEmpty { output.write(to: context.sink) }
        output.tagged(bytes) { context.sink.write($0) }
        if context.sink.failure != nil { context.stop() }
    }

    // MARK: Words

    private static func words(_ failure: PieceFeed.Failure) -> String {
        switch failure {
        case .closed: "the command takes no input"
        case .store(let error): error.code == .changed ? "the object has changed since the job began" : error.message
        case .file(let number): "a temporary file can't be written: \(words(number))"
        }
    }

    private static func words(_ number: Int32) -> String { String(cString: strerror(number)).lowercased() }
}

/// Passes standard error on, whole lines at a time, so that those of several tasks don't mix.
private struct LineBuffer {
    private let tag: [UInt8]
    private var line: [UInt8] = []

    /// A line that is longer goes out in pieces.
    private static let longest = 64 << 10

    init(tag: String) { self.tag = Array(tag.utf8) }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            if line.isEmpty { line += tag }
            line.append(byte)
            if byte == 0x0A || line.count >= Self.longest { flush() }
        }
    }

    mutating func finish() {
        guard !line.isEmpty else { return }
        line.append(0x0A)
        flush()
    }

    private mutating func flush() {
        OutputSink(descriptor: STDERR_FILENO).write(line)
        line.removeAll(keepingCapacity: true)
    }
}

extension OutputSink {
    fileprivate func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }
}
