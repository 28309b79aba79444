import CLinux
import Glibc

/// A program that this process started and that it has to wait for.
package struct ChildProcess: Sendable {
    /// Its process number; the number of its process group too, if it leads one.
    package let pid: Int32
    private let leadsGroup: Bool

    /// How a program is started.
    package struct Start: Sendable {
        /// The program, found by `PATH` if it has no `/`, and its arguments.
        package var arguments: [String]
        /// `NAME=VALUE` each.
        package var environment: [String]
        /// The descriptors that become 0, 1 and 2, and 3 if there is a fourth; all others are closed.
        package var descriptors: [Int32]
        /// The folder that it starts in; `nil` for that of this process.
        package var folder: String?
        /// Whether it leads a process group, so that it can be ended with all that it started.
        package var leadsGroup = false
        /// Whether it leads a session, away from the terminal.
        package var leadsSession = false

        package init(_ arguments: [String], environment: [String], descriptors: [Int32] = [0, 1, 2]) {
            self.arguments = arguments
            self.environment = environment
            self.descriptors = descriptors
        }
    }

    /// Why a program could not be started.
    package struct StartError: Error, Sendable {
        /// The number that the system gave.
        package let errno: Int32

        /// The system's words for it, in lower case.
        package var reason: String { String(cString: strerror(errno)).lowercased() }
    }

    /// Starts a program with every signal as it is by default.
    ///
    /// The corresponding C function is `posix_spawnp`.
    package init(_ start: Start) throws(StartError) {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        try Self.prepare(&actions, start)
        Self.prepare(&attributes, start)
        var pid: pid_t = 0
        let status = Self.withCStrings(start.arguments) { arguments in
            guard let program = arguments[0] else { return EINVAL }
            return Self.withCStrings(start.environment) { environment in
                posix_spawnp(&pid, program, &actions, &attributes, arguments, environment)
            }
        }
        guard status == 0 else { throw StartError(errno: status) }
        self.pid = pid
        leadsGroup = start.leadsGroup || start.leadsSession
    }

    /// - Throws: `EBADF` also if the limit of descriptors leaves no room for them twice.
    private static func prepare(
        _ actions: inout posix_spawn_file_actions_t, _ start: Start
    ) throws(StartError) {
        // A descriptor that stands where another one must go would be lost: all are moved out of the way first.
        let count = Int32(start.descriptors.count)
        let free = max(start.descriptors.max() ?? 0, count) + 1
        var status: Int32 = 0
        for (index, descriptor) in start.descriptors.enumerated() where status == 0 {
            status = posix_spawn_file_actions_adddup2(&actions, descriptor, free + Int32(index))
        }
        for index in 0..<count where status == 0 {
            status = posix_spawn_file_actions_adddup2(&actions, free + index, index)
        }
        if status == 0 { status = clinux_spawn_close_from(&actions, count) }
        if status == 0, let folder = start.folder { status = clinux_spawn_change_folder(&actions, folder) }
        guard status == 0 else { throw StartError(errno: status) }
    }

    private static func prepare(_ attributes: inout posix_spawnattr_t, _ start: Start) {
        var all = sigset_t()
        var none = sigset_t()
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, clinux_spawn_flags(start.leadsGroup && !start.leadsSession ? 1 : 0, start.leadsSession ? 1 : 0)
        )
    }

    static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }

    /// Sends a signal to the program, and to all of its group if it leads one.
    ///
    /// It must not have been waited for yet. The corresponding C function is `kill`.
    package func signal(_ number: Int32) {
        kill(leadsGroup ? -pid : pid, number)
    }

    /// Waits for the program to end.
    ///
    /// The corresponding C function is `wait4`.
    package func wait() -> Ending {
        var status: Int32 = 0
        var usage = rusage()
        while wait4(pid, &status, 0, &usage) < 0, errno == EINTR {}
        return Ending(status, usage)
    }

    /// How the program ended, if it has.
    package func poll() -> Ending? {
        var status: Int32 = 0
        var usage = rusage()
        return wait4(pid, &status, WNOHANG, &usage) == pid ? Ending(status, usage) : nil
    }
}

/// How a program ended, and what it used.
package struct Ending: Hashable, Sendable {
    package enum How: Hashable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    package let how: How
    /// The time that it had a processor, its waited-for children included.
    package let processorTime: Duration
    /// The largest resident memory of it or of one of its children, in bytes.
    package let peakMemory: Int64

    fileprivate init(_ status: Int32, _ usage: rusage) {
        let meaning = clinux_wait_meaning(status)
        how = meaning >= 256 ? .killed(signal: meaning - 256) : .exited(meaning)
        processorTime =
            .seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + .microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
        peakMemory = Int64(usage.ru_maxrss) * 1024
    }

    /// Whether it ended by itself with status 0.
    package var isSuccess: Bool { how == .exited(0) }
}
