import Glibc

/// How a command ended, as the manual pages' EXIT STATUS sections say.
package enum ExitStatus: Int32, Sendable {
    /// All that was asked was done.
    case success = 0
    /// Some of it failed; which, was said.
    case failure = 1
    /// The command line was wrong, and nothing was done.
    case usage = 2
    /// It could not be done at all.
    case impossible = 3
    /// What was written could not be uploaded.
    case notUploaded = 4
    /// The person interrupted it.
    case interrupted = 130

    /// Ends the process; a closed standard output is no news to anyone by now.
    ///
    /// The corresponding C function is `exit`.
    package func exit() -> Never { Glibc.exit(rawValue) }
}
