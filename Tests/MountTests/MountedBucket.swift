import FUSE
import Glibc
import Logging
import ObjfsEngine
import ObjfsTesting
import Storage
import Testing
import Threads

/// A store that is mounted through the kernel for the time of a test.
final class MountedBucket {
    let store: InMemoryStore
    /// Stands between the engine and the store, and counts what is asked.
    let counter: CountingStore
    /// Where the store is mounted.
    let point: String
    /// A folder beside the mount, for what commands write.
    let scratch: String

    private let folder: TemporaryFolder
    private let session: Session
    private let loop: Threads.Thread

    /// Mounts a store in memory; who does must call ``unmount()``.
    init(_ objects: [ObjectKey: [UInt8]] = [:], ttl: Duration = .seconds(1), memory: Int = 64 << 20) throws {
        folder = TemporaryFolder()
        store = InMemoryStore()
        for (key, content) in objects { try store.write(key, content) }
        counter = CountingStore(store)
        point = folder.makeFolder("mount")
        scratch = folder.makeFolder("scratch")
        var options = EngineOptions(owner: getuid(), group: getgid())
        options.metadataTTL = ttl
        options.memoryLimit = memory
        let engine = Engine(
            .bucket(counter), options: options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let ready = Monitor(false)
        let session = try Session(
            engine, at: point, options: SessionOptions(source: "memory", subtype: "objfs", isReadOnly: true)
        ) { ready.update { $0 = true } }
        self.session = session
        loop = try #require(Thread.start("session") { session.run(handlesSignals: false) })
        guard ready.wait(atMost: .seconds(60), for: { $0 ? true : nil }) == true else {
            unmount()
            throw Shell.Failure(number: ETIMEDOUT)
        }
    }

    /// Unmounts; nothing may be asked of the mount any more.
    func unmount() {
        session.stop()
        loop.join()
    }

    /// Runs a line of shell in the mount, with `$S` the folder for what it writes.
    ///
    /// - Returns: The exit status, and what came on both outputs.
    func shell(_ line: String) throws -> (status: Int32, output: String) {
        try Shell.run("cd '\(point)' && S='\(scratch)' && \(line)", scratch: scratch)
    }

    /// The output of a line of shell that must succeed.
    func output(_ line: String) throws -> String {
        let (status, output) = try shell(line)
        try #require(status == 0, "\(line): status \(status): \(output)")
        return output
    }
}

/// Lines of `/bin/sh`.
enum Shell {
    struct Failure: Error { let number: Int32 }

    /// Runs a line and waits for its end.
    ///
    /// The corresponding C functions are `posix_spawn` and `waitpid`.
    static func run(_ line: String, scratch: String) throws -> (status: Int32, output: String) {
        var name = Array("\(scratch)/.output-XXXXXX".utf8CString)
        let descriptor = mkstemp(&name)
        guard descriptor >= 0 else { throw Failure(number: errno) }
        defer {
            close(descriptor)
            unlink(&name)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, descriptor, 1)
        posix_spawn_file_actions_adddup2(&actions, descriptor, 2)
        var arguments: [UnsafeMutablePointer<CChar>?] = []
        for word in ["/bin/sh", "-c", line] as [String] { arguments.append(strdup(word)) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        // The threads of a test run block signals, which a shell that waits for its children must not inherit.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process = pid_t()
        let failure = posix_spawn(&process, "/bin/sh", &actions, &attributes, &arguments, environ)
        guard failure == 0 else { throw Failure(number: failure) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) == -1 && errno == EINTR {}
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65536)
        lseek(descriptor, 0, SEEK_SET)
        while case let count = read(descriptor, &block, block.count), count > 0 { bytes += block[..<count] }
        let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + status & 0x7F
        return (code, String(decoding: bytes, as: UTF8.self))
    }
}
