import Glibc
import ObjfsRunner
import Processes
import Storage
import Synchronization

/// A line for each task that has ended, as GNU parallel's `--joblog` has them.
final class JobLog: Sendable {
    private let descriptor: Int32
    private let lock = Mutex(())

    /// Makes the file anew.
    init(_ path: String) throws(Failure) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0o666)
        guard descriptor >= 0 else {
            throw Failure(.impossible, "run: \(path): \(String(cString: strerror(errno)).lowercased())")
        }
        let names = ["Seq", "Host", "Starttime", "JobRuntime", "Send", "Receive", "Exitval", "Signal", "Command"]
        Messages.write(Array((names.joined(separator: "\t") + "\n").utf8), to: descriptor)
    }

    deinit { close(descriptor) }

    func add(_ record: TaskRecord, _ command: [String]) {
        var status: Int32 = -1
        var signal: Int32 = 0
        switch record.how {
        case .exited(let number): status = number
        case .killed(signal: let number): (status, signal) = (0, number)
        case nil: break
        }
        let words = command.joined(separator: " ").map { $0 == "\t" || $0 == "\n" ? " " : $0 }
        let fields = [
            "\(record.task + 1)", record.worker, Self.seconds(record.begin.nanoseconds / 1_000_000),
            Self.seconds(record.time.wholeMicroseconds / 1000), "\(record.bytesIn)", "\(record.bytesOut)", "\(status)",
            "\(signal)", String(words),
        ]
        lock.withLock { _ in _ = Messages.write(Array((fields.joined(separator: "\t") + "\n").utf8), to: descriptor) }
    }

    /// Seconds with three digits behind the point.
    private static func seconds(_ milliseconds: Int64) -> String {
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: max(3 - rest.utf8.count, 0)) + rest
    }
}
