import CLinux
import Glibc

/// A program that stands for this process: it has its terminal and all its open files, and gets its signals.
package enum ForegroundProgram {
    /// The signals that are passed on to the program.
    private static let passed = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM, SIGTSTP]

    /// Runs a program to its end.
    ///
    /// It begins with the signals as this process got them, so that `nohup` still counts.
    /// When it is stopped, this process stops too, as a shell expects.
    ///
    /// - Parameters:
    ///   - path: Its file.
    ///   - arguments: Its arguments, its name first.
    /// - Throws: Why it can't be started.
    ///
    /// The corresponding C functions are `posix_spawn` and `waitpid`.
    package static func run(
        _ path: String, _ arguments: [String], environment: [String]
    ) throws(ChildProcess.StartError) -> Ending.How {
        var watched = sigset_t()
        var before = sigset_t()
        sigemptyset(&watched)
        for signal in passed + [SIGCHLD] { sigaddset(&watched, signal) }
        // Blocked signals are kept for the loop below; the program gets the mask that was before.
        sigprocmask(SIG_BLOCK, &watched, &before)
        defer { sigprocmask(SIG_SETMASK, &before, nil) }
        let process: pid_t
        do throws(ChildProcess.StartError) {
            process = try start(path, arguments, environment, mask: before)
        } catch {
            // A script without a first line that names a program is the shell's.
            guard error.errno == ENOEXEC else { throw error }
            process = try start("/bin/sh", ["/bin/sh", path] + arguments.dropFirst(), environment, mask: before)
        }
        return wait(for: process, &watched)
    }

    private static func start(
        _ path: String, _ arguments: [String], _ environment: [String], mask: sigset_t
    ) throws(ChildProcess.StartError) -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = mask
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        let status = ChildProcess.withCStrings(arguments) { arguments in
            ChildProcess.withCStrings(environment) { environment in
                posix_spawn(&process, path, nil, &attributes, arguments, environment)
            }
        }
        guard status == 0 else { throw ChildProcess.StartError(errno: status) }
        return process
    }

    /// Passes signals on until the program has ended.
    private static func wait(for process: pid_t, _ watched: inout sigset_t) -> Ending.How {
        while true {
            var info = siginfo_t()
            let signal = sigwaitinfo(&watched, &info)
            guard signal != SIGCHLD else {
                if let ending = poll(process) { return ending }
                continue
            }
            // What the terminal sends, it sends to the program too; what a process sends, comes here alone.
            if signal > 0, info.si_code != SI_KERNEL_VALUE { kill(process, signal) }
        }
    }

    private static func poll(_ process: pid_t) -> Ending.How? {
        var status: Int32 = 0
        guard waitpid(process, &status, WNOHANG | WUNTRACED) == process else { return nil }
        guard status & 0xFF != 0x7F else {
            // It was stopped: so is this process, until somebody lets both go on.
            kill(getpid(), SIGSTOP)
            kill(process, SIGCONT)
            return nil
        }
        let meaning = clinux_wait_meaning(status)
        return meaning >= 256 ? .killed(signal: meaning - 256) : .exited(meaning)
    }
}

/// `SI_KERNEL`, which Swift does not see.
private let SI_KERNEL_VALUE: Int32 = 0x80
