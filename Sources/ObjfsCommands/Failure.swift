package import Storage

/// Why a command ends without having done its work, in words for the person who gave it.
package struct Failure: Error, Sendable {
    package let status: ExitStatus
    /// `COMMAND: OBJECT: REASON`, or as much of it as is known.
    package let message: String
    /// What the person might do, where something can be done.
    package let hint: String?

    package init(_ status: ExitStatus, _ message: String, hint: String? = nil) {
        self.status = status
        self.message = message
        self.hint = hint
    }

    /// A command line that can't be understood.
    package init(usage message: String, hint: String? = nil) {
        self.init(.usage, message, hint: hint)
    }

    /// A store that failed.
    package init(_ command: String, _ object: String, _ error: StorageError) {
        self.init(.impossible, "\(command): \(object): \(error.message)", hint: error.hint)
    }
}
