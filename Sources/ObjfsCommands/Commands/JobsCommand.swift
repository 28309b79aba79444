import ArgumentParser
import Bytes
import Glibc
import ObjfsConfiguration
import ObjfsRunner
import Records
import Storage
import Threads

/// `objfs jobs`: tells of jobs, waits for them, and ends or removes them.
struct JobsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Tell of jobs, wait for them, end or remove them",
        discussion: "The manual page is objfs-jobs(1).",
        subcommands: [
            ListJobs.self, ShowJob.self, JobLogs.self, JobOutput.self, WaitForJob.self, CancelJob.self, ResumeJob.self,
            RetryJob.self, ReportJob.self, RemoveJob.self,
        ])
}

/// What every subcommand of `objfs jobs` needs.
struct JobsArguments: ParsableArguments {
    @OptionGroup var placing: JobPlaceArguments
    @OptionGroup var stores: StoreArguments

    func place() throws(Failure) -> JobPlace { try placing.place(stores.factory) }

    func find(_ id: String) throws(Failure) -> (folder: JobFolder, head: JobPlan.Head) {
        try place().find(id, "jobs")
    }

    /// The options as words of a command line.
    var words: [String] { stores.words + (placing.jobDir.map { ["--job-dir=\($0)"] } ?? []) }
}

/// What is known of a job at a moment.
private struct JobStatus {
    let head: JobPlan.Head
    let state: JobState
    var done = 0
    var failed: [TaskRecord] = []
    var records: [TaskRecord] = []

    init(_ folder: JobFolder, _ head: JobPlan.Head) throws(StorageError) {
        self.head = head
        state = try folder.state()
        records = try folder.records()
        done = records.count
        failed = records.filter(\.outcome.isFailure)
    }

    /// The command line, as far as it is short.
    var line: String {
        let text = head.commandLine
        return text.count > 60 ? text.prefix(59) + "…" : text
    }

    var members: [(String, JSONText.Value)] {
        [
            ("id", .string(head.id)), ("state", .string(state.word)), ("created", .string(head.created.iso8601)),
            ("tasks", .number(Int64(head.tasks))), ("done", .number(Int64(done - failed.count))),
            ("failed", .number(Int64(failed.count))), ("bytes", .number(head.bytes)), ("folder", .string(head.folder)),
            ("command", .string(line)),
        ]
    }
}

struct ListJobs: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Name all jobs")

    @Flag(help: "Print one JSON object for each")
    var json = false

    @OptionGroup var jobs: JobsArguments

    func run() throws {
        let place = try jobs.place()
        let output = LineWriter()
        do throws(StorageError) {
            for id in try place.ids() {
                let folder = place.folder(id)
                guard let head = try? folder.head() else { continue }
                let status = try JobStatus(folder, head)
                guard !json else {
                    output.line(JSONText.object(status.members))
                    continue
                }
                let failed = status.failed.isEmpty ? "" : ", \(status.failed.count) failed"
                output.line("\(id)\t\(status.state.word)\t\(status.done)/\(head.tasks)\(failed)\t\(status.line)")
            }
        } catch {
            throw Failure("jobs", "list", error)
        }
        output.flush()
    }
}

struct ShowJob: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Tell how a job stands")

    @Flag(help: "Print a JSON object")
    var json = false

    @Argument(help: "The name of the job")
    var id: String

    @OptionGroup var jobs: JobsArguments

    func run() throws {
        let (folder, head) = try jobs.find(id)
        let output = LineWriter()
        do throws(StorageError) {
            let status = try JobStatus(folder, head)
            if json { output.line(JSONText.object(status.members)) } else { show(status, output) }
        } catch {
            throw Failure("jobs", id, error)
        }
        output.flush()
    }

    private func show(_ status: JobStatus, _ output: LineWriter) {
        output.line("job      \(id)")
        output.line("state    \(status.state.word)")
        if case .running(let beat) = status.state { output.line("process  \(beat.pid) on \(beat.node)") }
        if case .ended(let end) = status.state, !end.message.isEmpty { output.line("reason   \(end.message)") }
        output.line("created  \(status.head.created.iso8601)")
        output.line("folder   \(status.head.folder)")
        output.line("command  \(status.line)")
        output.line(
            "tasks    \(status.done - status.failed.count) of \(status.head.tasks) done, \(status.failed.count) failed")
        output.line("input    \(ByteCount(status.head.bytes))")
        for record in status.failed.prefix(20) {
            guard case .failed(let reason) = record.outcome else { continue }
            output.line("failed   task \(record.task): \(reason)")
        }
    }
}

struct JobLogs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print the last of what tasks wrote to standard error")

    @Option(help: ArgumentHelp("Only this task, from 0", valueName: "n"))
    var task: Int?

    @Argument(help: "The name of the job")
    var id: String

    @OptionGroup var jobs: JobsArguments

    func run() throws {
        let folder = try jobs.find(id).folder
        let output = LineWriter()
        do throws(StorageError) {
            for record in try folder.records() where task == nil || record.task == task {
                for line in record.errors.split(separator: "\n") { output.line("\(record.task)\t\(line)") }
                if case .failed(let reason) = record.outcome { output.line("\(record.task)\t\(reason)") }
            }
        } catch {
            throw Failure("jobs", id, error)
        }
        output.flush()
    }
}

struct JobOutput: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "output", abstract: "Print the output of a job that has ended")

    @Argument(help: "The name of the job")
    var id: String

    @OptionGroup var jobs: JobsArguments

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let folder = try jobs.find(id).folder
        do throws(StorageError) {
            guard case .ended(let end) = try folder.state() else {
                throw StorageError(
                    .invalid, "the job has not ended", hint: "objfs jobs show \(id) tells how it stands")
            }
            let stage = end.stage.isEmpty ? folder : folder.stage(end.stage)
            for record in try stage.records() {
                for piece in try record.pieces(in: stage) {
                    for segment in piece.content.segments {
                        switch segment {
                        case .literal(let bytes): bytes.withUnsafeBytes { Output.write($0) }
                        case .object(let range):
                            let bytes: [UInt8] = try piece.store.read(
                                piece.object.key, range: range, ifVersion: piece.object.etag)
                            Output.write(bytes)
                        }
                    }
                }
            }
        } catch {
            throw Failure("jobs", id, error)
        }
    }
}

struct WaitForJob: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Wait until jobs have ended, and return the worst of their statuses")

    @Flag(help: "Wait for one of the jobs, whichever ends first")
    var any = false

    @Option(help: ArgumentHelp("Wait until so much of each job's tasks is done", valueName: "n"))
    var percent: Int?

    @Argument(help: ArgumentHelp("The names of the jobs", valueName: "id"))
    var ids: [String]

    @OptionGroup var jobs: JobsArguments

    func validate() throws {
        if let percent, !(1...100 ~= percent) { throw ValidationError("--percent must be 1 to 100") }
    }

    func run() throws {
        var left = try ids.map { try jobs.find($0) }
        var worst: Int32 = 0
        while true {
            var waiting: [(folder: JobFolder, head: JobPlan.Head)] = []
            for job in left {
                if let status = try status(job.folder, job.head) {
                    worst = max(worst, status)
                } else {
                    waiting.append(job)
                }
            }
            if waiting.isEmpty || (any && waiting.count < left.count) { break }
            left = waiting
            usleep(200_000)
        }
        if let status = ExitStatus(rawValue: worst), status != .success { throw ExitStatusError(status: status) }
    }

    /// The status of a job that need not be waited for any more.
    private func status(_ folder: JobFolder, _ head: JobPlan.Head) throws(Failure) -> Int32? {
        do throws(StorageError) {
            switch try folder.state() {
            case .ended(let end): return end.status
            case .left:
                throw StorageError(
                    .invalid, "nobody runs the job", hint: "objfs run --resume \(folder.id) does the rest")
            case .running: break
            }
            guard let percent else { return nil }
            var done = 0
            try folder.recorded { _ in done += 1 }
            return done * 100 >= head.tasks * percent ? 0 : nil
        } catch {
            throw Failure("jobs", folder.id, error)
        }
    }
}

struct CancelJob: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "End a job that runs, and wait until it has ended")

    @Argument(help: "The name of the job")
    var id: String

    @OptionGroup var jobs: JobsArguments

    func run() throws {
        let folder = try jobs.find(id).folder
        do throws(StorageError) {
            guard case .running(let beat) = try folder.state() else {
                throw StorageError(.invalid, "the job does not run")
            }
            try folder.put("cancel", Array("cancel\n".utf8))
            // Its process looks for that now and then; on this machine it can be told at once.
            if beat.isAlive == true { kill(beat.pid, SIGINT) }
            while case .running = try folder.state() { usleep(100_000) }
        } catch {
            throw Failure("jobs", id, error)
        }
    }
}

struct ReportJob: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Write a page about a job: timeline, durations, failures, totals")

    @Option(name: .shortAndLong, help: ArgumentHelp("Write the page there", valueName: "file"))
    var output: String?

    @Argument(help: "The name of the job")
    var id: String

    @OptionGroup var jobs: JobsArguments

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let (folder, head) = try jobs.find(id)
        let page: String
        do throws(StorageError) {
            let factory = jobs.stores.factory
            let tasks = try folder.plan { (url) throws(StorageError) in try factory.store(ObjectURL(url)) }.plan.tasks
            page =
                JobReport(head, try folder.state(), try folder.records()) { number in
                    tasks.indices.contains(number) ? tasks[number].label : ""
                }.html
        } catch {
            throw Failure("jobs", id, error)
        }
        guard let output else { return Output.write(Array(page.utf8)) }
        let file = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        defer { close(file) }
        guard file >= 0, Messages.write(Array(page.utf8), to: file) else {
            throw Failure(.impossible, "jobs: \(output): \(String(cString: strerror(errno)).lowercased())")
        }
    }
}

struct RemoveJob: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove all that is kept of jobs", aliases: ["remove"])

    @Argument(help: ArgumentHelp("The names of the jobs", valueName: "id"))
    var ids: [String]

    @OptionGroup var jobs: JobsArguments

    func run() throws {
        let place = try jobs.place()
        let failed = Attempts.count(ids, "jobs") { id throws(StorageError) in
            guard JobFolder.isID(id) else { throw StorageError(.notFound, "no such job") }
            let folder = place.folder(id)
            do throws(StorageError) { _ = try folder.head() } catch {
                throw error.code == .notFound ? StorageError(.notFound, "no such job") : error
            }
            if case .running(let beat) = try folder.state() {
                throw StorageError(
                    .invalid, "the job is running, as process \(beat.pid) on \(beat.node)",
                    hint: "objfs jobs cancel \(id) ends it")
            }
            try folder.remove()
        }
        try Attempts.end(failed, of: ids.count)
    }
}

struct ResumeJob: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Go on with a job: run only what has no success yet")

    @Argument(help: "The name of the job")
    var id: String

    @OptionGroup var jobs: JobsArguments

    func run() throws { try ResumedRun.begin(id, jobs) }
}

struct RetryJob: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Run the failed tasks of a job again, and those that are missing")

    @Flag(help: "The failed tasks, which is what is run in any case")
    var failed = false

    @Argument(help: "The name of the job")
    var id: String

    @OptionGroup var jobs: JobsArguments

    func run() throws { try ResumedRun.begin(id, jobs) }
}

/// Puts `objfs run --resume` in the place of this process.
private enum ResumedRun {
    /// The corresponding C function is `execv`.
    static func begin(_ id: String, _ jobs: JobsArguments) throws {
        _ = try jobs.find(id)
        let words = ["objfs", "run", "--resume", id] + jobs.words
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        execv("/proc/self/exe", &pointers)
        throw Failure(.impossible, "jobs: \(id): \(String(cString: strerror(errno)).lowercased())")
    }
}
