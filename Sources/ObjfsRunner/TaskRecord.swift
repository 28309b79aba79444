package import Processes

/// How a task ended.
package struct TaskRecord: Sendable {
    package enum Outcome: Sendable {
        case succeeded
        /// The command said that it found nothing.
        case nothingFound
        /// Why it failed, in words.
        case failed(String)
        /// The job was ended before.
        case cancelled
    }

    package let task: Int
    package let outcome: Outcome
    /// How often it was run.
    package let attempts: Int
    /// From its start to its end, the last time it was run.
    package let time: Duration
    /// How its program ended; `nil` if it could not be started.
    package let ending: Ending?
}

/// Why a job could not be run at all.
package struct RunError: Error, Sendable {
    package let message: String
    package let hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}
