import ArgumentParser
import Glibc
import ObjfsConfiguration
import ObjfsRunner

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

    @Option(help: ArgumentHelp("How long a task must have taken for that, at least", valueName: "time"))
    var speculateAfter: TimeArgument?

    @Option(help: ArgumentHelp("What the command reads: auto, stdin, file, mount, none", valueName: "what"))
    var input = InputKind.auto

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

    @Option(help: ArgumentHelp("Begin to reduce when so much of the tasks is done: 20%", valueName: "n"))
    var reduceAt: ShareArgument?

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
        if case .median? = speculateAfter?.limit { throw Failure(usage: "run: --speculate-after must be a time") }
        if let shortestLate { options.shortestLate = shortestLate }
        options.input = input.kind
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

    /// How long a task must have taken to be run a second time; `nil` if none ever is.
    var shortestLate: Duration? {
        guard speculate else { return nil }
        if case .time(let time)? = speculateAfter?.limit { return time }
        return RunOptions().shortestLate
    }

    /// - Parameter takesFiles: Whether `{}` stands for files in the command.
    func validateInput(takesFiles: Bool, isBatch: Bool) throws {
        if takesFiles, input == .stdin || input == .none {
            throw ValidationError("{} stands for a file, and --input \(input.rawValue) makes none")
        }
        if !takesFiles, input == .mount, isBatch {
            throw ValidationError("--input mount shows one file on standard input: write {} for those of a --batch")
        }
    }

    func validateReduction() throws {
        guard reduce == nil else {
            if let reduceTree, reduceTree < 2 { throw ValidationError("--reduce-tree must be 2 or more") }
            if reduceAt != nil, reduce?.contains("{}") ?? false {
                throw ValidationError("--reduce-at feeds standard input: it does not go with {}")
            }
            if tag { throw ValidationError("--tag and --reduce don't go together: the reducer would get the tags") }
            return
        }
        if reduceTree != nil || reduceBy != .all || reduceAt != nil {
            throw ValidationError("nothing is reduced: --reduce is missing")
        }
    }

    /// What is done with the output of the tasks.
    var reduction: Reduction? {
        reduce.map {
            Reduction(
                command: $0, isByObject: reduceBy == .object, tree: reduceTree, beginsAt: reduceAt?.share)
        }
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

enum InputKind: String, ExpressibleByArgument, CaseIterable {
    case auto, stdin, file, mount, none

    var kind: TaskInput {
        switch self {
        case .auto: .usual
        case .stdin: .stream
        case .file: .file
        case .mount: .mount
        case .none: .none
        }
    }
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
