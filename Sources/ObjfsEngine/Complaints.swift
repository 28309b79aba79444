import Glibc
import Logging
import Storage
import Synchronization

/// Tells the log of failures, each once in a while: a program that reads on meets the same one many times.
final class Complaints: Sendable {
    private let logger: Logger
    private let told = Mutex<[String: Int64]>([:])

    /// For how long the same is not told again, in nanoseconds.
    private static let silence: Int64 = 10_000_000_000

    init(_ logger: Logger) { self.logger = logger }

    /// Tells that the store failed.
    func tell(_ operation: String, _ name: String, _ error: StorageError) {
        var message = "\(operation): \(name): \(error.message)"
        var cause = error.cause
        while let beneath = cause {
            message += ": \(beneath)"
            cause = (beneath as? StorageError)?.cause
        }
        if let hint = error.hint { message += " (\(hint))" }
        tell(message)
    }

    /// Tells why something was refused.
    func tell(_ message: String) {
        let now = Self.now
        let isNew = told.withLock { told in
            if let last = told[message], now - last < Self.silence { return false }
            if told.count >= 256 { told.removeAll() }
            told[message] = now
            return true
        }
        if isNew { logger.error("\(message)") }
    }

    /// The time of day, in nanoseconds since 1970.
    static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
