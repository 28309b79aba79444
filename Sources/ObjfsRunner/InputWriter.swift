import CLinux
import Glibc

/// Writes to a pipe, or to a file, in gulps.
///
/// A writer that sleeps in the kernel until a pipe has room is woken for each page that its reader takes;
/// with a reader of small pieces, as awk is one, both then do little but wake each other.
/// This one sleeps by the clock, for about as long as the reader takes for half of a pipe.
struct InputWriter {
    /// Why no more is written.
    enum Failure: Error {
        /// Nobody reads any more.
        case closed
        /// The file that bytes are moved from ended too early.
        case shortened
        /// The number that the system gave.
        case error(Int32)
    }

    private let descriptor: Int32
    /// How long the next sleep is, in microseconds.
    private var pause: useconds_t = 100
    /// How much was written since the last one, in bytes.
    private var gulp = 0
    /// How many sleeps in a row there was no room after.
    private var idle = 0

    private static let pauses: ClosedRange<useconds_t> = 50...2000
    /// Half of the pipe's room, see ``Attempt``.
    private static let goodGulp = 512 << 10
    /// After so many sleeps for nothing the reader is busy with something else, and the kernel tells when it is back.
    private static let patience = 16

    /// Makes a writer; a pipe is set to refuse what it has no room for.
    ///
    /// The corresponding C function is `fcntl` with `O_NONBLOCK`.
    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    /// Writes all the bytes.
    ///
    /// The corresponding C function is `write`.
    mutating func write(_ bytes: UnsafeRawBufferPointer) -> Failure? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
                gulp += count
                idle = 0
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: wait()
            case EPIPE: return .closed
            case let number: return .error(number)
            }
        }
        return nil
    }

    /// Moves some bytes of a file into a pipe, without copying them: the pipe then refers to the system's cache of it.
    ///
    /// What is written to the file before the pipe is read shows in the pipe.
    /// The corresponding C function is `splice`.
    mutating func splice(_ file: Int32, _ range: Range<Int64>) -> Failure? {
        var offset = Int(range.lowerBound)
        while offset < range.upperBound {
            let count = clinux_splice(file, &offset, descriptor, Int(range.upperBound) - offset)
            if count > 0 {
                gulp += count
                idle = 0
                continue
            }
            guard count < 0 else { return .shortened }
            switch errno {
            case EINTR: continue
            case EAGAIN: wait()
            case EPIPE: return .closed
            case let number: return .error(number)
            }
        }
        return nil
    }

    /// Sleeps until there should be room, longer than the last time if there was little then.
    private mutating func wait() {
        if gulp < Self.goodGulp / 2 { pause = min(pause * 2, Self.pauses.upperBound) }
        if gulp > Self.goodGulp { pause = max(pause / 2, Self.pauses.lowerBound) }
        gulp = 0
        idle += 1
        guard idle > Self.patience else {
            usleep(pause)
            return
        }
        var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&room, 1, -1)
    }
}
