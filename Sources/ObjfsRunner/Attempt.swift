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
    /// Where others can end it.
    let process: AttemptProcess
    let context: RunContext
    let output: TaskOutput
    /// Whether output may go out as it comes, when it is the task's turn.
    let isDirect: Bool
    let meter = InputMeter()

    /// How it went.
    struct Result {
        var ending: Ending?
        /// Why it failed, if not for its status.
        var reason: String?
        /// Whether no other task will fare better: the command can't be started.
        var isFatal = false
        /// Whether a store failed at something that may go well the next time.
        var isStoreFailure = false
        /// What the limit of memory did to it, in words.
        var limit: String?
        /// The last of what it wrote to standard error.
        var errors: [UInt8] = []
    }

    func run() -> Result {
        switch context.options.input {
        case .none: runWithFiles { [] }
        case .stream: runWithStream()
        case .usual where !context.template.needsFile: runWithStream()
        case .usual, .file, .mount: runWithFiles(files)
        }
    }

    // MARK: Its bytes as files

    /// A file for each piece that `{}` stands for; without `{}` one for all of them.
    private func files() throws(PieceFeed.Failure) -> [TaskFile] {
        guard context.template.needsFile || context.options.input == .mount else {
            return task.pieces.isEmpty ? [] : [try made(task.pieces)]
        }
        var files: [TaskFile] = []
        for piece in task.pieces { files.append(try file(piece)) }
        return files
    }

    private func file(_ piece: Piece) throws(PieceFeed.Failure) -> TaskFile {
        let input = context.options.input
        guard input != .file, let path = context.options.mountedPath(task, piece) else {
            guard input != .mount else {
                throw .store(StorageError(.unsupported, "no mount of this machine shows it"))
            }
            return try made([piece])
        }
        do throws(TaskFileError) {
            return try TaskFile(piece, at: path)
        } catch {
            // Without a mount that shows the version of the plan, the store is asked, which knows more.
            guard input == .mount else { return try made([piece]) }
            throw Self.failure(error)
        }
    }

    private func made(_ pieces: [Piece]) throws(PieceFeed.Failure) -> TaskFile {
        let file: TaskFile
        do throws(TaskFileError) {
            file = try TaskFile(size: pieces.reduce(0) { $0 + $1.count })
        } catch {
            throw Self.failure(error)
        }
        try PieceFeed(pool: context.readers, meter: meter).run(pieces, to: file.descriptor)
        file.seal()
        return file
    }

    private static func failure(_ error: TaskFileError) -> PieceFeed.Failure {
        switch error {
        case .changed: .store(StorageError(.changed, "the object has changed"))
        case .system(let name, let number): .store(StorageError(.unsupported, "\(name): \(words(number))"))
        }
    }

    private func runWithFiles(_ make: () throws(PieceFeed.Failure) -> [TaskFile]) -> Result {
        let files: [TaskFile]
        do throws(PieceFeed.Failure) {
            files = try make()
        } catch {
            return Result(reason: Self.words(error), isStoreFailure: Self.isTransient(error))
        }
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(null) }
        let (paths, descriptors) = context.template.needsFile ? TaskFile.words(files) : ([], [])
        let standardInput = context.template.needsFile ? null : files.first?.descriptor ?? null
        return withExtendedLifetime(files) {
            serve([standardInput] + descriptors, paths) { _ in
            } whenEnded: { () throws(PieceFeed.Failure) in
                do throws(TaskFileError) {
                    for file in files { try file.refuseChangeOfPath() }
                } catch {
                    throw Self.failure(error)
                }
            }
        }
    }

    // MARK: Its bytes as a stream

    private func runWithStream() -> Result {
        guard let pipe = Pipe() else { return Result(reason: "no pipe: \(Self.words(errno))") }
        clinux_enlarge_pipe(pipe.writing, 1 << 20)
        let fed = Monitor<PieceFeed.Failure??>(nil)
        var isFed = false
        let result = serve([pipe.reading], []) { process in
            close(pipe.reading)
            isFed = true
            context.feeders.submit {
                let failure = feed(pipe.writing)
                // What was cut short must not look like a whole input: the command dies before it sees an end.
                if failure != nil { process.signal(SIGKILL) }
                close(pipe.writing)
                fed.update { $0 = .some(failure) }
            }
        } whenFed: {
            // The number of the process stays its own until the feed no longer needs it.
            isFed ? fed.wait(for: { $0 }) : nil
        } whenEnded: { () throws(PieceFeed.Failure) in
            do throws(StorageError) { try meter.refuseChange() } catch { throw .store(error) }
        }
        if !isFed {
            close(pipe.reading)
            close(pipe.writing)
        }
        return result
    }

    private func feed(_ descriptor: Int32) -> PieceFeed.Failure? {
        let feed = PieceFeed(pool: context.readers, meter: meter, movesFiles: true)
        do throws(PieceFeed.Failure) {
            if let late = task.late {
                try late.each { (pieces) throws(PieceFeed.Failure) in try feed.run(pieces, to: descriptor) }
            } else {
                try feed.run(task.pieces, to: descriptor)
            }
            return nil
        } catch {
            // A command that reads no further than it needs, as head does, is right to.
            if case .closed = error { return nil }
            return error
        }
    }

    // MARK: Its process

    /// Runs the command to its end.
    ///
    /// - Parameters:
    ///   - inputs: Its standard input, and its descriptors from 3 on.
    ///   - paths: What `{}` stands for.
    ///   - started: Is called when it runs.
    ///   - whenFed: Waits until it gets nothing any more; why it did not get all.
    ///   - whenEnded: Throws why what it got was not what it should have been.
    private func serve(
        _ inputs: [Int32], _ paths: [String], started: (ChildProcess) -> Void,
        whenFed: () -> PieceFeed.Failure? = { nil }, whenEnded: () throws(PieceFeed.Failure) -> Void
    ) -> Result {
        guard let stdout = Pipe(), let stderr = Pipe() else { return Result(reason: "no pipe: \(Self.words(errno))") }
        defer {
            close(stdout.reading)
            close(stderr.reading)
        }
        let process: ChildProcess
        let limited = context.memory?.begin()
        do {
            defer {
                close(stdout.writing)
                close(stderr.writing)
            }
            process = try start([inputs[0], stdout.writing, stderr.writing] + inputs.dropFirst(), paths, limited)
        } catch {
            let isMissing = error.errno == ENOENT
            let reason = "\(context.template.program): \(isMissing ? "command not found" : error.reason)"
            return Result(reason: reason, isFatal: true)
        }
        self.process.start(process)
        context.add(self.process)
        started(process)
        var errors = ErrorLines(tag: context.options.isTagged ? task.label + "\t" : "")
        let isLate = collect(stdout.reading, stderr.reading, process, &errors)
        var failure = whenFed()
        // Only now: the number of a process that has been waited for may be another's.
        self.process.finish()
        context.remove(self.process)
        let ending = process.wait()
        var result = Result(ending: ending, errors: errors.last)
        result.limit = limited?.end(ending)
        if failure == nil { do throws(PieceFeed.Failure) { try whenEnded() } catch { failure = error } }
        if isLate {
            result.reason = "it took longer than --timeout"
        } else if let failure {
            result.reason = Self.words(failure)
            result.isStoreFailure = Self.isTransient(failure)
        }
        return result
    }

    private func start(
        _ descriptors: [Int32], _ paths: [String], _ limited: MemoryLimit.Limited?
    ) throws(ChildProcess.StartError) -> ChildProcess {
        let arguments = context.template.arguments(for: task, of: context.count, paths: paths)
        var start = ChildProcess.Start(
            (limited?.words ?? []) + arguments, environment: context.options.environment + place,
            descriptors: descriptors)
        start.leadsGroup = true
        start.folder = context.options.folder
        return try ChildProcess(start)
    }

    /// What tells the command where it is.
    private var place: [String] {
        let piece = task.pieces.first
        return [
            "OBJFS_JOB=\(context.folder.id)", "OBJFS_TASK=\(task.number)", "OBJFS_TASKS=\(context.count)",
            "OBJFS_ATTEMPT=\(number)", "OBJFS_OBJECT=\(task.name)", "OBJFS_CHUNK=\(task.chunk)",
            "OBJFS_CHUNKS=\(task.chunks)", "OBJFS_OFFSET=\(piece?.range.lowerBound ?? 0)",
            "OBJFS_LENGTH=\(piece?.range.count ?? 0)", "OBJFS_ETAG=\(piece?.object.etag.string ?? "")",
        ]
    }

    // MARK: Its output

    /// Takes output until the command has closed both its ends; whether it took too long.
    ///
    /// The corresponding C function is `poll`.
    private func collect(
        _ stdout: Int32, _ stderr: Int32, _ process: ChildProcess, _ errors: inout ErrorLines
    ) -> Bool {
        let begin = ContinuousClock.now
        var deadline = context.timeLimit.map { begin + $0 }
        var isLate = false
        var open: [pollfd] = [stdout, stderr].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { block.deallocate() }
        while open.contains(where: { $0.fd >= 0 }) {
            // A limit that hangs on the other tasks changes while this one runs.
            if case .median = context.options.timeout, !isLate { deadline = context.timeLimit.map { begin + $0 } }
            let left = (deadline ?? nextLook).map { max(($0 - .now) / .milliseconds(1), 0) }
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

    /// When a task without a limit is looked at again; `nil` for not before it writes.
    private var nextLook: ContinuousClock.Instant? {
        guard case .median = context.options.timeout else { return nil }
        return .now + .milliseconds(500)
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        guard isDirect, context.presenter.isTurn(of: task.number) else { return output.add(bytes) }
        output.add(bytes, showingOn: context.sink)
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

    private static func isTransient(_ failure: PieceFeed.Failure) -> Bool {
        guard case .store(let error) = failure else { return false }
        return error.isTransient
    }

    private static func words(_ number: Int32) -> String { String(cString: strerror(number)).lowercased() }
}

/// Passes standard error on, whole lines at a time, so that those of several tasks don't mix.
private struct ErrorLines {
    private let tag: [UInt8]
    private var line: [UInt8] = []
    /// The last of it, without tags.
    private(set) var last: [UInt8] = []

    /// How much of it is kept for the task's record, in bytes.
    private static let kept = 2048
    /// A line that is longer goes out in pieces.
    private static let longest = 64 << 10

    init(tag: String) { self.tag = Array(tag.utf8) }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        last = (last + bytes.suffix(Self.kept)).suffix(Self.kept)
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
