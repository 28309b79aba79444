import Glibc

/// The two ends of a pipe, neither of which a started program inherits by accident.
package struct Pipe: Sendable {
    package let reading: Int32
    package let writing: Int32

    /// Makes a pipe; `nil` if this process has too many files open.
    ///
    /// The corresponding C function is `pipe2` with `O_CLOEXEC`.
    package init?() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        reading = ends[0]
        writing = ends[1]
    }
}
