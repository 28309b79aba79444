import CFUSE
import CFUSESession
import Glibc
import Synchronization
import Threads
package import VFS

/// A mounted file system: the kernel's questions, and the ``FileSystem`` that answers them.
package final class Session: @unchecked Sendable {
    // libfuse lets any thread use a session; the pointer is freed only when nobody has this object any more.
    private let raw: OpaquePointer
    private let mountPoint: String
    let fileSystem: any FileSystem
    private let whenReady: @Sendable () -> Void
    private let requestCount = Atomic<UInt64>(0)

    /// How many requests the kernel sends ahead without waiting for answers, as reading ahead does.
    static let background: UInt32 = 64
    /// The size of the largest request, and how far the kernel reads ahead, in bytes.
    static let largestRequest: UInt32 = 1 << 20
    /// How many threads answer at a time, and how many stay when there is nothing to do.
    private static let threads: UInt32 = 128
    private static let idleThreads: UInt32 = 16

    /// Mounts a file system; it answers nothing before ``run()``.
    ///
    /// The corresponding C functions are `fuse_session_new` and `fuse_session_mount`.
    package init(
        _ fileSystem: any FileSystem, at mountPoint: String, options: SessionOptions,
        whenReady: @escaping @Sendable () -> Void = {}
    ) throws(SessionError) {
        self.fileSystem = fileSystem
        self.mountPoint = mountPoint
        self.whenReady = whenReady
        var operations = Session.operations()
        let arguments = CArguments(["objfs", "-o", options.text])
        var list = fuse_args(argc: arguments.count, argv: arguments.pointer, allocated: 0)
        // The session keeps a pointer to this object; it is set below, when there is an object to point at.
        let box = Unmanaged.passRetained(SessionBox())
        let size = MemoryLayout<fuse_lowlevel_ops>.size
        guard let raw = fuse_session_new(&list, &operations, size, box.toOpaque()) else {
            box.release()
            throw SessionError("the options '\(options.text)' are refused by libfuse")
        }
        self.raw = raw
        context = box
        guard fuse_session_mount(raw, mountPoint) == 0 else {
            throw SessionError("the kernel refuses to mount here")
        }
        _ = cfuse_session_take_over(raw)
        box.takeUnretainedValue().session = self
    }

    private let context: Unmanaged<SessionBox>

    deinit {
        fuse_session_destroy(raw)
        context.release()
    }

    /// Answers the kernel until the file system is unmounted, be it by ``stop()``, by a signal or by `umount`.
    ///
    /// - Parameter handlesSignals: Whether SIGINT, SIGTERM and SIGHUP unmount.
    ///
    /// The corresponding C function is `fuse_session_loop_mt`.
    package func run(handlesSignals: Bool) {
        if handlesSignals { fuse_set_signal_handlers(raw) }
        let config = fuse_loop_cfg_create()
        fuse_loop_cfg_set_max_threads(config, Self.threads)
        fuse_loop_cfg_set_idle_threads(config, Self.idleThreads)
        let watcher = Thread.start("objfs-ready") { self.awaitReadiness() }
        _ = fuse_session_loop_mt(raw, config)
        fuse_loop_cfg_destroy(config)
        if handlesSignals { fuse_remove_signal_handlers(raw) }
        fuse_session_unmount(raw)
        watcher?.join()
        fileSystem.unmounted()
        context.takeUnretainedValue().session = nil
    }

    /// Ends the session; the next request, or the unmounting that this begins, wakes its loop.
    ///
    /// The corresponding C function is `fuse_session_exit`.
    package func stop() {
        fuse_session_exit(raw)
        fuse_session_unmount(raw)
    }

    /// Waits until the mount answers, then tells so, and lets the kernel read further ahead than libfuse can ask for.
    private func awaitReadiness() {
        var status = statvfs()
        guard statvfs(mountPoint, &status) == 0 else { return }
        ReadAhead.set(Self.largestRequest, of: mountPoint)
        whenReady()
    }

    /// How many requests the kernel has sent so far.
    package var requests: UInt64 { requestCount.load(ordering: .relaxed) }
    func countRequest() { requestCount.wrappingAdd(1, ordering: .relaxed) }

    /// The session that a request belongs to; only valid while the request is not answered.
    static func current(_ request: fuse_req_t) -> Session? {
        guard let context = fuse_req_userdata(request) else { return nil }
        return Unmanaged<SessionBox>.fromOpaque(context).takeUnretainedValue().session
    }
}

/// What libfuse keeps for a session; it outlives the session's own construction.
private final class SessionBox: @unchecked Sendable {
    // Set before the loop runs and cleared after it has ended.
    var session: Session?
}

/// Why a file system could not be mounted.
package struct SessionError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// An argument list as C wants it.
private final class CArguments {
    let count: Int32
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    init(_ words: [String]) {
        count = Int32(words.count)
        pointer = .allocate(capacity: words.count + 1)
        for (index, word) in words.enumerated() { pointer[index] = strdup(word) }
        pointer[words.count] = nil
    }

    deinit {
        for index in 0..<Int(count) { free(pointer[index]) }
        pointer.deallocate()
    }
}
