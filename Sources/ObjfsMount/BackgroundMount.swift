import Glibc
import Processes

/// A mount in the background: a second process of this program, which tells the first one when it answers.
package enum BackgroundMount {
    /// The descriptor on which the second process tells how it went.
    package static let readyDescriptor: Int32 = 3

    /// How long the second process may take.
    private static let patience = Duration.seconds(10)

    /// Starts this program once more, and returns when its mount answers.
    ///
    /// - Parameters:
    ///   - arguments: What the second process is to do; it must mount in the foreground and use a ``Readiness``.
    ///   - log: Where its messages go.
    /// - Throws: What the second process told, or that it told nothing in time; it has ended then.
    package static func start(_ arguments: [String], log: String) throws(MountError) {
        guard let pipe = Pipe() else { throw MountError(MountPoint.reason(errno)) }
        defer { close(pipe.reading) }
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        let output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { for descriptor in [null, output] where descriptor >= 0 { close(descriptor) } }
        guard output >= 0 else { throw MountError("the log \(log) can't be written: \(MountPoint.reason(errno))") }
        let child = try spawn(arguments, [null, null, output, pipe.writing])
        close(pipe.writing)
        guard let told = read(pipe.reading) else {
            child.signal(SIGKILL)
            _ = child.wait()
            throw MountError("the mount did not answer within \(patience.components.seconds) seconds")
        }
        guard told != Readiness.word else { return }
        _ = child.wait()
        // What went wrong is told here; a log of nothing else is of no use.
        if !told.isEmpty { removeIfEmpty(output, log) }
        let lines = told.split(separator: "\n", maxSplits: 1).map(String.init)
        throw MountError(lines.first ?? "the daemon ended, see \(log)", hint: lines.count > 1 ? lines[1] : nil)
    }

    /// Removes the log that this process, or the one before it, writes to, if there is nothing in it.
    package static func removeIfEmpty(_ descriptor: Int32, _ log: String) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size == 0 else { return }
        unlink(log)
    }

    private static func spawn(_ arguments: [String], _ descriptors: [Int32]) throws(MountError) -> ChildProcess {
        var start = ChildProcess.Start(
            ["/proc/self/exe"] + arguments, environment: Environment.all, descriptors: descriptors)
        start.leadsSession = true
        start.folder = "/"
        do {
            return try ChildProcess(start)
        } catch {
            throw MountError("objfs can't be started again: \(error.reason)")
        }
    }

    /// What the second process tells until it closes the pipe; `nil` if it takes too long.
    private static func read(_ descriptor: Int32) -> String? {
        let deadline = ContinuousClock.now + patience
        var bytes: [UInt8] = []
        while true {
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let left = (deadline - ContinuousClock.now).components
            let milliseconds = left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000
            guard milliseconds > 0 else { return nil }
            guard Glibc.poll(&poll, 1, Int32(clamping: milliseconds)) > 0 else { continue }
            var block = [UInt8](repeating: 0, count: 4096)
            let count = Glibc.read(descriptor, &block, block.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += block[..<count]
        }
    }
}

/// Tells whoever waits that a mount answers, or why it does not.
package struct Readiness: Sendable {
    static let word = "ready"

    private let descriptor: Int32?

    /// Takes over the pipe of the first process; `nil` if there is none.
    ///
    /// Programs that this one starts don't get it: the first process waits until everybody has closed it.
    package init(descriptor: Int32?) {
        self.descriptor = descriptor
        if let descriptor { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }

    /// Tells that the mount answers, to the first process and to systemd.
    ///
    /// - Returns: Whether the first process still waits; if not, nobody wants the mount.
    package func tellReady() -> Bool {
        guard tell(Self.word) else { return false }
        ServiceNotification.send("READY=1")
        return true
    }

    /// Tells why there will be no mount.
    package func tell(_ error: MountError) {
        tell(error.hint.map { "\(error.message)\n\($0)" } ?? error.message)
    }

    @discardableResult
    private func tell(_ text: String) -> Bool {
        guard let descriptor else { return true }
        var text = text
        let count = text.withUTF8 { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        return count == text.utf8.count
    }
}
