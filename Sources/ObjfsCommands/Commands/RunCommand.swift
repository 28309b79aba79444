import ArgumentParser
import Bytes
import Glibc
import ObjfsConfiguration
import ObjfsRunner
import Storage

/// `objfs run`: runs a command for each chunk.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a command for each chunk",
        usage: "objfs run [<options>] <input> ... -- <command> [<argument> ...]",
        discussion: "The manual page is objfs-run(1).")

    @OptionGroup var cut: ChunkArguments

    @Flag(help: "One task for each object, whole")
    var perObject = false

    @Option(help: ArgumentHelp("So many whole objects a task, one after another", valueName: "n"))
    var batch: Int?

    @Flag(name: .customShort("0"), help: "The list on standard input ends each name with a NUL")
    var nulTerminated = false

    @OptionGroup var execution: RunArguments
    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("Objects, prefixes, patterns or paths; - reads a list", valueName: "input"))
    var inputs: [String]

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
        guard !command.isEmpty else { throw ValidationError("no command is given: write it behind --") }
        if let batch {
            guard batch > 0 else { throw ValidationError("--batch must be 1 or more") }
            guard !command.contains(where: { $0.contains("{}") }) else {
                throw ValidationError("--batch brings objects on standard input: {} can't stand for several")
            }
        }
        if perObject || batch != nil, cut.chunkSize != nil || cut.chunks != nil {
            throw ValidationError(
                "--per-object and --batch take objects whole: they go with no size or number of chunks")
        }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let options = try execution.options(for: command)
        let plan = try Planner(
            parameters: try cut.parameters("run"), isWhole: perObject || batch != nil, batch: batch ?? 1,
            stores: stores.factory
        ).plan(names())
        let template = CommandTemplate(execution.shell ? ["/bin/sh", "-c", command.joined(separator: " ")] : command)
        guard !execution.dryRun else { return show(plan, template) }
        let status = try RunSession(plan, template, options, progress: execution.progress).run()
        if status != .success { throw ExitStatusError(status: status) }
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
            let words = template.arguments(for: task, of: plan.tasks.count, path: "{}")
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

    @Option(help: ArgumentHelp("How long a task may take: 90, 90s, 30m, 2h", valueName: "time"))
    var timeout: TimeLimit?

    @Option(help: ArgumentHelp("How much memory a task's program may use", valueName: "size"))
    var memory: MemorySize?

    @Flag(help: "Go on when a task fails, or end the job")
    var whenOneFails = WhenOneFails.keepGoing

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
    func options(for command: [String]) throws(Failure) -> RunOptions {
        var options = RunOptions()
        options.parallelism = jobs ?? max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1)
        guard options.parallelism > 0, options.parallelism <= 10_000 else {
            throw Failure(usage: "run: '\(options.parallelism)' is no number of tasks at a time: it must be 1 or more")
        }
        guard 0...1000 ~= retries else { throw Failure(usage: "run: --retries must be 0 to 1000") }
        options.retries = retries
        options.timeout = timeout?.duration
        options.memory = memory?.bytes
        options.failsFast = whenOneFails == .failFast
        options.isTagged = tag
        options.job = "\(getpid())-\(UInt32.random(in: 0 ... .max))"
        options.environment = EnvironmentVariables.words
        if let okStatus { options.goodStatuses = okStatus.statuses }
        options.oneIsNoMatch = okStatus == nil && !shell && Self.isSearch(command.first ?? "")
        if unordered { options.output = .unordered }
        if let outputDir { options.output = .folder(try Self.folder(outputDir)) }
        return options
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

/// A time as people write it: a number, and `s`, `m`, `h` or `d`.
struct TimeLimit: ExpressibleByArgument {
    let duration: Duration

    init?(argument: String) {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let unit = argument.last.flatMap { units[$0] }
        guard let number = Double(unit == nil ? argument : String(argument.dropLast())), number > 0, number < 1e8 else {
            return nil
        }
        duration = .milliseconds(Int64(number * (unit ?? 1) * 1000))
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
