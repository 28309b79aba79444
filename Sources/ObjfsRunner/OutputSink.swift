import Glibc
import Synchronization

/// Where output goes in the end: standard output, as a rule.
package final class OutputSink: Sendable {
    /// What ended the writing.
    package enum Failure: Hashable, Sendable {
        /// Nobody reads any more.
        case closed
        /// The number that the system gave.
        case error(Int32)
    }

    private let descriptor: Int32
    private let beforeWrite: @Sendable () -> Void
    private let state = Mutex<Failure?>(nil)

    /// Makes a sink.
    ///
    /// - Parameter beforeWrite: Is called before each piece of output, so that what is shown there can make way.
    package init(descriptor: Int32, beforeWrite: @escaping @Sendable () -> Void = {}) {
        self.descriptor = descriptor
        self.beforeWrite = beforeWrite
    }

    /// Why no more is written; `nil` as long as all was.
    package var failure: Failure? { state.withLock { $0 } }

    /// Writes all the bytes, or remembers why not.
    ///
    /// The corresponding C function is `write`.
    func write(_ bytes: UnsafeRawBufferPointer) {
        guard failure == nil, !bytes.isEmpty else { return }
        beforeWrite()
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let number = errno
                state.withLock { $0 = number == EPIPE ? .closed : .error(number) }
                return
            }
            rest = rest.dropFirst(count)
        }
    }
}
