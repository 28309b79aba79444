import Glibc
import Storage

/// Writes what a command found, a line each, as fast as its reader takes it.
final class LineWriter {
    private var buffer: [UInt8] = []
    private let isTerminal = isatty(STDOUT_FILENO) == 1

    private static let size = 1 << 16

    /// Writes a line; on a terminal, what would steer it is spelled out (X4).
    ///
    /// A closed standard output ends the process as it would end `ls`: there is nobody to write for.
    func line(_ text: String) {
        buffer += Array((isTerminal ? TerminalText.visible(text) : text).utf8)
        buffer.append(0x0A)
        if buffer.count >= Self.size || isTerminal { flush() }
    }

    /// Writes what has not been written yet.
    func flush() {
        guard !buffer.isEmpty else { return }
        Output.write(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}

/// Standard output.
enum Output {
    /// Writes all the bytes, or ends the process: quietly if nobody reads any more, with a message otherwise.
    static func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(STDOUT_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { fail(errno) }
            rest = rest.dropFirst(count)
        }
    }

    static func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }

    private static func fail(_ number: Int32) -> Never {
        if number == EPIPE {
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        }
        Messages.warn("standard output can't be written: \(String(cString: strerror(number)).lowercased())")
        ExitStatus.impossible.exit()
    }
}

extension Timestamp {
    /// `2026-11-24T08:15:00Z`.
    var iso8601: String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var fields = tm()
        gmtime_r(&seconds, &fields)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(fields.tm_year + 1900)-\(two(fields.tm_mon + 1))-\(two(fields.tm_mday))"
        return "\(date)T\(two(fields.tm_hour)):\(two(fields.tm_min)):\(two(fields.tm_sec))Z"
    }
}

extension ObjectInfo {
    /// What a listing tells of an object, for JSON.
    var members: [(String, JSONText.Value)] {
        [
            ("key", .string(key.string)), ("size", .number(size)), ("modified", .string(modified.iso8601)),
            ("etag", .string(etag.string)),
        ]
    }
}
