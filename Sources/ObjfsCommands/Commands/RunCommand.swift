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
        let options = try execution.options(for: command)
        let factory = stores.factory
        let plan = try Planner(
            parameters: try cut.parameters("run"), isWhole: perObject || batch != nil, batch: batch ?? 1,
            stores: factory, jobs: { () throws(Failure) in try keeping.place(factory) }
        ).plan(names())
        guard !execution.dryRun else { return show(plan, template) }
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
        var options = try execution.options(for: command)
        if keeping.isDetached, options.output == .ordered || options.output == .unordered { options.output = .kept }
        let ready = Job(
            folder: folder, plan: job.plan, template: job.template, options: options, reduction: job.reduction,
            known: job.known)
        try perform(ready)
    }

    var template: CommandTemplate {
        CommandTemplate(execution.shell ? ["/bin/sh", "-c", command.joined(separator: " ")] : command)
    }

    private func perform(_ job: Job) throws {
        var job = job
        let place = try keeping.place(stores.factory)
        job.cluster = try cluster.cluster(
            job.folder, jobs: execution.jobs, jobDir: place.store.name + "/" + place.parent, stores: stores)
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

/// The options that say how tasks are run.
struct RunArguments: ParsableArguments {
    @Option(
        name: [.customShort("j", allowingJoined: true), .long],
        help: ArgumentHelp("How many tasks run at a time", valueName: "n"))
    var jobs: Int?

    @Option(help: ArgumentHelp("How often a task that failed is run again", valueName: "n"))
    var retries = 0

    @Option(help: ArgumentHelp("How long a task may take: 90s, 30m, 2h, or 300% of the median", valueName: "time"))
    var timeout: TimeArgument?

    @Option(help: ArgumentHelp("How much memory a task's program may use", valueName: "size"))
    var memory: MemorySize?

    @Flag(help: "Go on when a task fails, or end the job")
    var whenOneFails = WhenOneFails.keepGoing

    @Option(help: ArgumentHelp("End the job when more tasks than so many, or 1%, failed", valueName: "n"))
    var maxFailures: FailureArgument?

    @Flag(help: "Run a task that takes far longer than the others a second time beside")
    var speculate = false

    @Option(help: ArgumentHelp("Wait so long between the starts of two tasks", valueName: "time"))
    var delay: TimeArgument?

    @Option(help: ArgumentHelp("Start no task while the load of the machine is higher", valueName: "load"))
    var load: LoadArgument?

    @Option(help: ArgumentHelp("Run tasks with this niceness", valueName: "n"))
    var nice: Int32 = 0

    @Option(help: ArgumentHelp("Set a variable in the tasks' environment", valueName: "name=value"))
    var env: [String] = []

    @Option(help: ArgumentHelp("Run tasks in this folder", valueName: "folder"))
    var workdir: String?

    @Option(help: ArgumentHelp("Then run this by /bin/sh on all output, in order", valueName: "command"))
    var reduce: String?

    @Option(help: ArgumentHelp("One reducer for each: all, object", valueName: "what"))
    var reduceBy = ReducedThings.all

    @Option(help: ArgumentHelp("Reduce so many outputs at a time, and their outputs again", valueName: "n"))
    var reduceTree: Int?

    @Option(help: ArgumentHelp("Write a line for each task there, as GNU parallel does", valueName: "file"))
    var joblog: String?

    @Option(help: ArgumentHelp("Statuses of the command that are no failures", valueName: "list"))
    var okStatus: StatusList?

    @Flag(help: "Write output as tasks end, not in the order of the input")
    var unordered = false

    @Flag(help: "Begin each line of output with the task that it is from")
    var tag = false

    @Option(help: ArgumentHelp("Write each task's output to a file of its own there", valueName: "folder"))
    var outputDir: String?

    @Flag(help: "Run the command by /bin/sh")
    var shell = false

    @Flag(help: "Print the tasks, and run none")
    var dryRun = false

    @Option(help: ArgumentHelp("Whether to show progress: auto, none, json", valueName: "how"))
    var progress = ProgressStyle.auto

    /// The options as the runner takes them.
    ///
    /// - Parameter writesFiles: Whether this process writes the files of `--output-dir`, whose folder is then made.
    func options(for command: [String], writesFiles: Bool = true) throws(Failure) -> RunOptions {
        var options = RunOptions()
        options.parallelism = jobs ?? max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1)
        guard options.parallelism > 0, options.parallelism <= 10_000 else {
            throw Failure(usage: "run: '\(options.parallelism)' is no number of tasks at a time: it must be 1 or more")
        }
        guard 0...1000 ~= retries else { throw Failure(usage: "run: --retries must be 0 to 1000") }
        options.retries = retries
        options.timeout = timeout?.limit
        guard -20...19 ~= nice else { throw Failure(usage: "run: --nice must be -20 to 19") }
        options.nice = nice
        if case .time(let delay)? = delay?.limit {
            options.delay = delay
        } else if delay != nil {
            throw Failure(usage: "run: --delay must be a time")
        }
        options.load = load?.load
        options.speculates = speculate
        options.folder = workdir
        options.memory = memory?.bytes
        options.failureLimit = whenOneFails == .failFast ? .count(0) : maxFailures?.limit
        options.isTagged = tag
        options.environment = try Self.environment(env)
        if let okStatus { options.goodStatuses = okStatus.statuses }
        options.oneIsNoMatch = okStatus == nil && !shell && Self.isSearch(command.first ?? "")
        if unordered { options.output = .unordered }
        if let outputDir, writesFiles { options.output = .folder(try Self.folder(outputDir)) }
        return options
    }

    /// This process's environment with some variables set.
    private static func environment(_ settings: [String]) throws(Failure) -> [String] {
        var names: Set<Substring> = []
        for setting in settings {
            guard let end = setting.firstIndex(of: "="), end != setting.startIndex else {
                throw Failure(usage: "run: '\(setting)' sets no variable: write NAME=VALUE")
            }
            names.insert(setting[..<end])
        }
        return EnvironmentVariables.words.filter { !names.contains($0.prefix { $0 != "=" }) } + settings
    }

    func validateReduction() throws {
        guard reduce == nil else {
            if let reduceTree, reduceTree < 2 { throw ValidationError("--reduce-tree must be 2 or more") }
            if tag { throw ValidationError("--tag and --reduce don't go together: the reducer would get the tags") }
            return
        }
        if reduceTree != nil || reduceBy != .all { throw ValidationError("nothing is reduced: --reduce is missing") }
    }

    /// What is done with the output of the tasks.
    var reduction: Reduction? {
        reduce.map { Reduction(command: $0, isByObject: reduceBy == .object, tree: reduceTree) }
    }

    /// Programs whose status 1 says that nothing was found.
    private static func isSearch(_ program: String) -> Bool {
        let name = program.split(separator: "/").last.map(String.init) ?? program
        return ["grep", "egrep", "fgrep", "zgrep", "pcregrep", "pcre2grep", "rg", "ag", "ack", "ugrep", "look"]
            .contains(name)
    }

    private static func folder(_ path: String) throws(Failure) -> String {
        guard mkdir(path, 0o777) == 0 || errno == EEXIST, access(path, W_OK) == 0 else {
            throw Failure(.impossible, "run: \(path): \(String(cString: strerror(errno)).lowercased())")
        }
        return path
    }
}

enum WhenOneFails: String, EnumerableFlag {
    case keepGoing, failFast
}

enum ProgressStyle: String, ExpressibleByArgument, CaseIterable {
    case auto, none, json
}

enum ReducedThings: String, ExpressibleByArgument, CaseIterable {
    case all, object
}

/// The options that say where a job is kept, and which one is gone on with.
struct JobArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Go on with a job: run only what has no success yet", valueName: "id"))
    var resume: String?

    @Flag(help: "Start the job over that is named, with the objects that are there now")
    var replan = false

    @Flag(help: "Run in the background, and print the name of the job")
    var detach = false

    @Flag(help: .private)
    var detached = false

    @OptionGroup var placing: JobPlaceArguments

    var jobDir: String? { placing.jobDir }

    /// Whether this is the process in the background.
    var isDetached: Bool { detached }

    func place(_ stores: StoreFactory) throws(Failure) -> JobPlace { try placing.place(stores) }
}

/// The option that says where jobs are kept.
struct JobPlaceArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Where jobs are kept: a folder, or a URL", valueName: "folder"))
    var jobDir: String?

    func place(_ stores: StoreFactory) throws(Failure) -> JobPlace { try JobPlace(jobDir, stores) }
}

/// A time as people write it: a number, and `s`, `m`, `h` or `d`; or a percentage of the median.
struct TimeArgument: ExpressibleByArgument {
    let limit: TimeLimit

    init?(argument: String) {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let unit = argument.last.flatMap { units[$0] }
        let isShare = argument.last == "%"
        let digits = unit == nil && !isShare ? argument : String(argument.dropLast())
        guard let number = Double(digits), number > 0, number < 1e8 else { return nil }
        limit = isShare ? .median(number / 100) : .time(.milliseconds(Int64(number * (unit ?? 1) * 1000)))
    }
}

/// A number of tasks, or a percentage of them.
struct FailureArgument: ExpressibleByArgument {
    let limit: FailureLimit

    init?(argument: String) {
        if argument.last == "%" {
            guard let percent = Double(argument.dropLast()), 0...100 ~= percent else { return nil }
            limit = .share(percent / 100)
        } else {
            guard let count = Int(argument), count >= 0 else { return nil }
            limit = .count(count)
        }
    }
}

/// A load as `uptime` tells it, or a percentage of the processors.
struct LoadArgument: ExpressibleByArgument {
    let load: Double

    init?(argument: String) {
        let isShare = argument.last == "%"
        guard let number = Double(isShare ? String(argument.dropLast()) : argument), number > 0, number < 1e6 else {
            return nil
        }
        load = isShare ? number / 100 * Double(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)) : number
    }
}

/// A size of memory, as people write it.
struct MemorySize: ExpressibleByArgument {
    let bytes: Int64

    init?(argument: String) {
        guard let size = ByteCount(argument), size.bytes > 0 else { return nil }
        bytes = size.bytes
    }
}

/// Exit statuses, separated by commas.
struct StatusList: ExpressibleByArgument {
    let statuses: Set<Int32>

    init?(argument: String) {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int32($0) }
        guard numbers.allSatisfy({ $0.map { 0...255 ~= $0 } ?? false }) else { return nil }
        statuses = Set(numbers.compactMap { $0 })
    }
}
