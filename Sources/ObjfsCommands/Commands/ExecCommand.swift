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

    @OptionGroup var stores: StoreArguments

    @Argument(parsing: .postTerminator, help: ArgumentHelp("The program and its arguments", valueName: "program"))
    var command: [String] = []

    func validate() throws {
        guard stop != command.isEmpty else { return }
        throw ValidationError(
            stop ? "--stop runs no program" : "no program is given: write it behind --")
    }

    func run() throws {
        if stop { return try ShimDaemon.stopAll() }
        let library = try Self.library()
        let root = try root()
        let program = try ShimProgram(command[0], root: root)
        setenv("OBJFS_ROOT", root, 1)
        if program.isPreloadable { Self.preload(library) }
        let arguments = program.isPreloadable ? command : command.map { ShimPath.rewritten($0, root: root) }
        if stores.verbose {
            Messages.warn("exec: \(program.path): \(program.isPreloadable ? "preloaded" : "arguments rewritten")")
        }
        throw Self.replace(program.path, arguments)
    }

    /// Where the buckets are mounted; empty if they can't be, and no argument needs them.
    private func root() throws -> String {
        do {
            return try ShimDaemon(stores).start()
        } catch let failure as Failure {
            guard !command.contains(where: { ShimPath.mentionsObject($0) }) else { throw failure }
            Messages.write(failure)
            return ""
        }
    }

    /// The library that is preloaded: beside this program, or where it is installed.
    private static func library() throws(Failure) -> String {
        guard let real = realpath("/proc/self/exe", nil) else {
            throw Failure(.impossible, "exec: this program's own file can't be found")
        }
        defer { free(real) }
        let folder = String(cString: real).split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let places = ["\(folder)/libobjfs-preload.so", "\(folder)/../lib/objfs/libobjfs-preload.so"]
        guard let library = places.first(where: { access($0, R_OK) == 0 }) else {
            throw Failure(.impossible, "exec: libobjfs-preload.so is missing", hint: "it should be \(places[1])")
        }
        // The loader divides the list at these.
        guard !library.contains(where: { $0 == " " || $0 == ":" }) else {
            throw Failure(.impossible, "exec: \(library): a path with blanks or colons can't be preloaded")
        }
        return library
    }

    private static func preload(_ library: String) {
        let others = Environment.value("LD_PRELOAD")
        if let others, others.split(whereSeparator: { $0 == " " || $0 == ":" }).contains(Substring(library)) { return }
        setenv("LD_PRELOAD", others.map { $0 + ":" + library } ?? library, 1)
    }

    /// Becomes the program, and so has its status, its signals and its terminal.
    ///
    /// The corresponding C function is `execvp`.
    private static func replace(_ path: String, _ arguments: [String]) -> any Error {
        let words = arguments.map { strdup($0) }
        execvp(path, words + [nil])
        let reason = String(cString: strerror(errno)).lowercased()
        let status: Int32 = errno == ENOENT ? 127 : 126
        Messages.warn("exec: \(path): \(reason)")
        Glibc.exit(status)
    }
}
