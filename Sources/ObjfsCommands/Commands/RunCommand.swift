import ArgumentParser
import Bytes
import Glibc
import ObjfsConfiguration
import ObjfsMount
import ObjfsRunner
import Processes
import Storage

/// `objfs run`: runs a command for each chunk.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a command for each chunk",
        usage: """
            objfs run [<options>] <input> ... -- <command> [<argument> ...]
            objfs run --resume <id> [<options>]
            """,
        discussion: "The manual page is objfs-run(1).")

    @OptionGroup var cut: ChunkArguments

    @Flag(help: "One task for each object, whole")
    var perObject = false

    @Option(help: ArgumentHelp("So many whole objects a task, one after another", valueName: "n"))
    var batch: Int?

    @Flag(name: .customShort("0"), help: "The list on standard input ends each name with a NUL")
    var nulTerminated = false

    @OptionGroup var execution: RunArguments
    @OptionGroup var cluster: ClusterArguments
    @OptionGroup var keeping: JobArguments
    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("Objects, prefixes, patterns or paths; - reads a list", valueName: "input"))
    var inputs: [String] = []

    @Option(name: .customLong(Self.wordOption), parsing: .unconditionalSingleValue, help: .private)
    var command: [String] = []

    private static let wordOption = "command-word"

    /// A command line in which what stands behind the first `--` is told from the inputs before it.
    ///
    /// To the parser both are positional, and it keeps no record of where the one ends.
    static func markingCommand(_ arguments: [String]) -> [String] {
        guard arguments.first == "run", let end = arguments.firstIndex(of: "--") else { return arguments }
        return arguments[..<end] + arguments[(end + 1)...].map { "--\(wordOption)=\($0)" }
    }

    func validate() throws {
        guard keeping.resume == nil else { return }
        guard !inputs.isEmpty else { throw ValidationError("no input is given") }
        guard !command.isEmpty else { throw ValidationError("no command is given: write it behind --") }
        if let batch {
            guard batch > 0 else { throw ValidationError("--batch must be 1 or more") }
            guard batch <= Self.mostFiles || !command.contains(where: { $0.contains("{}") }) else {
                throw ValidationError("{} can stand for \(Self.mostFiles) objects at most: see --batch")
            }
        }
        if perObject || batch != nil, cut.chunkSize != nil || cut.chunks != nil {
            throw ValidationError(
                "--per-object and --batch take objects whole: they go with no size or number of chunks")
        }
        try execution.validateReduction()
        try execution.validateInput(takesFiles: template.needsFile, isBatch: (batch ?? 1) > 1)
    }

    /// How many files a command may get.
    private static let mostFiles = 500

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        guard let id = keeping.resume else { return try start(Self.arguments) }
        let (folder, head) = try keeping.place(stores.factory).find(id, "run")
        let merged = try Self.merged(head, Self.arguments)
        guard chdir(head.folder) == 0 else {
            throw Failure(.impossible, "run: \(head.folder): \(String(cString: strerror(errno)).lowercased())")
        }
        if keeping.replan { return try merged.start(head.arguments) }
        try merged.go(on: folder)
    }

    /// What stands behind `run` on the command line of this process, with the command's words marked.
    private static var arguments: [String] {
        Array(markingCommand(Array(CommandLine.arguments.dropFirst())).dropFirst())
    }

    /// The command line that a job was made with, and what was said now, which counts more.
    static func merged(_ head: JobPlan.Head, _ arguments: [String]) throws(Failure) -> RunCommand {
        do {
            return try RunCommand.parse(head.arguments + arguments)
        } catch {
            throw Failure(usage: "run: \(RunCommand.message(for: error))")
        }
    }

    /// Makes a job of the inputs as they are now, and runs it.
    private func start(_ arguments: [String]) throws {
        let options = try options()
        let factory = stores.factory
        let plan = try Planner(
            parameters: try cut.parameters("run"), isWhole: perObject || batch != nil, batch: batch ?? 1,
            stores: factory, parallelism: execution.jobs, jobs: { () throws(Failure) in try keeping.place(factory) }
        ).plan(names())
        guard !execution.dryRun else { return show(plan, template) }
        try requireMount(plan, options)
        let place = try keeping.place(factory)
        place.tidy()
        let head = JobPlan.Head(
            id: JobFolder.newID(), folder: AbsolutePath.of("."), arguments: arguments.filter { $0 != "--detach" }, plan)
        let folder = place.folder(head.id)
        do throws(StorageError) {
            try folder.create(JobPlan(head, plan))
        } catch {
            throw Failure("run", "the job's folder", error)
        }
        if keeping.detach { return try detach(folder) }
        let job = Job(
            folder: folder, plan: plan, template: template, options: options, reduction: execution.reduction)
        try perform(job)
    }

    /// Goes on with a job.
    private func go(on folder: JobFolder) throws {
        let factory = stores.factory
        var job: Job
        do throws(StorageError) {
            if case .running(let beat) = try folder.state(), beat.pid != getpid(), !keeping.isDetached {
                throw StorageError(
                    .invalid, "the job is running, as process \(beat.pid) on \(beat.node)",
                    hint: "objfs jobs wait \(folder.id) waits for it")
            }
            let kept = try folder.plan { (url) throws(StorageError) in try factory.store(ObjectURL(url)) }
            job = Job(
                folder: folder, plan: kept.plan, template: template, options: RunOptions(),
                reduction: execution.reduction)
        } catch {
            throw Failure("run", folder.id, error)
        }
        job.known = try Job.known(folder)
        try job.refuseChanges()
        if keeping.detach { return try detach(folder) }
        var options = try options()
        try requireMount(job.plan, options)
        if keeping.isDetached, options.output == .ordered || options.output == .unordered { options.output = .kept }
        let ready = Job(
            folder: folder, plan: job.plan, template: job.template, options: options, reduction: job.reduction,
            known: job.known)
        try perform(ready)
    }

    /// How tasks are run.
    ///
    /// - Parameter writesFiles: Whether this process writes the files of `--output-dir`, whose folder is then made.
    func options(writesFiles: Bool = true) throws(Failure) -> RunOptions {
        var options = try execution.options(for: command, writesFiles: writesFiles)
        if template.needsFile || options.input == .mount {
            let paths = MountedPaths(try cut.parameters("run"), isWhole: perObject || batch != nil)
            options.mountedPath = { task, piece in paths.path(task, piece) }
        }
        return options
    }

    /// Refuses a job whose tasks all would fail, as no mount shows what they need.
    private func requireMount(_ plan: Plan, _ options: RunOptions) throws(Failure) {
        guard options.input == .mount, cluster.engine == .local, let task = plan.tasks.first,
            let piece = task.pieces.first, options.mountedPath(task, piece) == nil
        else { return }
        throw Failure(
            .impossible, "run: \(task.name): no mount of this machine shows it",
            hint: "objfs mount makes one; without --input mount none is needed")
    }

    var template: CommandTemplate {
        CommandTemplate(execution.shell ? ["/bin/sh", "-c", command.joined(separator: " ")] : command)
    }

    private func perform(_ job: Job) throws {
        var job = job
        let place = try keeping.place(stores.factory)
        job.cluster = try cluster.cluster(
            job.folder, jobs: execution.jobs, jobDir: place.store.name + "/" + place.parent, stores: stores)
        job.shortestLate = execution.shortestLate
        let log = try execution.joblog.map { path throws(Failure) in try JobLog(path) }
        let status = try RunSession(job, progress: execution.progress, log: log).run()
        if status != .success { throw ExitStatusError(status: status) }
    }

    /// Has another process run the job in the background, and prints its name.
    private func detach(_ folder: JobFolder) throws {
        let id = folder.id
        var words = ["/proc/self/exe", "run", "--resume", id, "--detached"] + stores.words
        if let folder = keeping.jobDir { words.append("--job-dir=\(folder)") }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        let log = CacheFolder.logs.map { open("\($0)/run-\(id).log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600) }
        var start = ChildProcess.Start(
            words, environment: EnvironmentVariables.words, descriptors: [null, null, max(log ?? null, null)])
        start.leadsSession = true
        let process: ChildProcess
        do {
            process = try ChildProcess(start)
        } catch {
            throw Failure(.impossible, "run: it can't be started in the background: \(error.reason)")
        }
        // From when it says that it runs, it can be told to end.
        while try isStarting(folder, process) { usleep(20_000) }
        Messages.print(id)
    }

    /// Whether a process in the background has neither begun with the job nor ended.
    private func isStarting(_ folder: JobFolder, _ process: ChildProcess) throws(Failure) -> Bool {
        if process.poll() != nil {
            if case .ended? = try? folder.state() { return false }
            throw Failure(
                .impossible, "run: \(folder.id): it could not be started in the background",
                hint: "the reason is at the end of $XDG_STATE_HOME/objfs/log/run-\(folder.id).log")
        }
        do throws(StorageError) {
            return try folder.get("heartbeat").flatMap { Heartbeat($0) }?.pid != process.pid
        } catch {
            throw Failure("run", folder.id, error)
        }
    }

    /// The inputs, with a list on standard input in the place of `-`.
    private func names() throws(Failure) -> [String] {
        var names: [String] = []
        for input in inputs {
            if input != "-" {
                names.append(input)
                continue
            }
            let bytes = StandardInput.read()
            let list = bytes.split(separator: nulTerminated ? 0 : 0x0A)
            for name in list {
                guard let name = String(validating: name, as: UTF8.self) else {
                    throw Failure(.impossible, "run: a name on standard input is not UTF-8")
                }
                names.append(name)
            }
        }
        return names
    }

    private func show(_ plan: Plan, _ template: CommandTemplate) {
        let output = LineWriter()
        for task in plan.tasks {
            let words = template.arguments(for: task, of: plan.tasks.count, paths: ["{}"])
            let offset = task.pieces.first?.range.lowerBound ?? 0
            output.line("\(task.label)\t\(offset)\t\(task.count)\t\(words.joined(separator: " "))")
        }
        output.flush()
    }
}
