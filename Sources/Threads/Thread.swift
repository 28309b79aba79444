import CLinux
import Glibc

/// A thread of the system that runs one closure and ends.
///
/// Threads block all signals, so that they reach the main thread, whose business they are.
package struct Thread: @unchecked Sendable {
    // A pthread_t is a plain number that any thread may join, once.
    private let handle: pthread_t

    /// Starts a thread; `nil` if the system allows no more of them.
    ///
    /// - Parameter name: What `ps -L` and a debugger call it; 15 bytes at most are kept.
    ///
    /// The corresponding C function is `pthread_create`.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Thread? {
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
        var handle = pthread_t()
        let context = Unmanaged.passRetained(Body(run: body))
        let status = pthread_create(
            &handle, nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            context.release()
            return nil
        }
        clinux_thread_set_name(handle, String(decoding: name.utf8.prefix(15), as: UTF8.self))
        return Thread(handle: handle)
    }

    /// Waits for the thread to end.
    ///
    /// The corresponding C function is `pthread_join`.
    package func join() { pthread_join(handle, nil) }

    /// Lets the thread end by itself, waited for by nobody.
    ///
    /// The corresponding C function is `pthread_detach`.
    package func detach() { pthread_detach(handle) }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
