import ArgumentParser
import Glibc
import Processes

/// `objfs exec`: runs a program to which URLs are files.
struct ExecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Run a program to which URLs are files",
        discussion: "The manual page is objfs-exec(1).")

    @Flag(help: "End the daemons that earlier calls started, and run nothing")
    var stop = false

    @Option(
        help: ArgumentHelp("How long the daemon stays when nothing uses it (default: 600)", valueName: "seconds"))
    var idleTimeout = 600

    @OptionGroup var stores: StoreArguments

    @Argument(
        parsing: .postTerminator, help: ArgumentHelp("The program and its arguments", valueName: "program"))
    var command: [String] = []

    func validate() throws {
        guard idleTimeout > 0, idleTimeout < 1 << 31 else { throw ValidationError("--idle-timeout must be 1 or more") }
        guard stop != command.isEmpty else { return }
        throw ValidationError(stop ? "--stop runs no program" : "no program is given: write it behind --")
    }

    func run() throws {
        if stop { return try ShimDaemon.stopAll() }
        let library = try PreloadLibrary.path()
        let root = mountedRoot()
        let program = ShimProgram(command[0], root: root)
        let view = program.way == .rewritten && !program.hasOtherRights ? root.flatMap { ShimView($0) } : nil
        if stores.verbose {
            let more = view == nil ? "" : ", with s3: in its folder"
            Messages.warn("exec: \(program.path): \(program.way.rawValue)\(more)")
        }
        let spelling = program.way.spelling(root)
        let arguments = program.way == .preloaded ? command : command.map { ShimPath.rewritten($0, spelling) }
        let environment = ShimEnvironment(Environment.all, root: root, library: library).words
        let failures = root.map { FailureLog(root: $0.path) }
        let start = failures?.end ?? 0
        let ending = Self.start(program.path, [command[0]] + arguments.dropFirst(), environment)
        view?.end()
        if let root, let failures { try Self.checkStored(failures, from: start, root) }
        Self.end(as: ending)
    }

    /// Where the buckets are mounted; `nil` if they can't be, which is said.
    ///
    /// The program runs all the same: it may need none, and is told `EACCES` when it opens one.
    private func mountedRoot() -> ShimRoot? {
        do {
            let root = try ShimDaemon(stores, patience: idleTimeout).start()
            if let notice = root.notice { Messages.warn("exec: \(notice)") }
            return root
        } catch let failure as Failure {
            Messages.write(failure)
        } catch {
            Messages.warn("exec: \(error)")
        }
        return nil
    }

    /// Runs the program; one that can't be started ends this process as it would end a shell's command.
    private static func start(_ path: String, _ arguments: [String], _ environment: [String]) -> Ending.How {
        do throws(ChildProcess.StartError) {
            return try ForegroundProgram.run(path, arguments, environment: environment)
        } catch {
            Messages.warn("exec: \(path): \(error.reason)")
            return .exited(error.errno == ENOENT ? 127 : 126)
        }
    }

    /// Tells of what the program wrote and the store does not have, whatever the program made of it.
    private static func checkStored(_ log: FailureLog, from start: Int64, _ root: ShimRoot) throws {
        let failures = log.failures(from: start, below: getpid())
        for failure in failures { Messages.warn("exec: \(failure.url): not stored: \(failure.reason)") }
        guard failures.isEmpty else {
            Messages.warn("hint: objfs recover lists what was written; \(root.log) tells more")
            throw ExitStatusError(status: .notUploaded)
        }
        guard !ShimDaemon.answers(root) else { return }
        let aside = try ShimDaemon.putAside(root).map { "; what was written since is in \($0)" } ?? ""
        throw Failure(
            .notUploaded, "exec: \(root.point): the daemon ended while the program ran",
            hint: "objfs recover lists what was written and not stored" + aside)
    }

    /// Ends this process as the program ended: with its status, or by its signal.
    private static func end(as how: Ending.How) -> Never {
        switch how {
        case .exited(let status): Glibc.exit(status)
        case .killed(let number):
            // The program has left its core already.
            var none = rlimit(rlim_cur: 0, rlim_max: 0)
            setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
            signal(number, SIG_DFL)
            kill(getpid(), number)
            Glibc.exit(128 + number)
        }
    }
}
