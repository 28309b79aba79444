import Storage

/// Does the same with each of several things, and goes on when one fails.
enum Attempts {
    /// The number of those that failed; each was told on standard error as it did.
    static func count(
        _ names: [String], _ command: String, _ body: (String) throws(StorageError) -> Void
    ) -> Int {
        var failed = 0
        for name in names {
            do throws(StorageError) {
                try body(name)
            } catch {
                failed += 1
                Messages.write(Failure(command, name, error))
            }
        }
        return failed
    }

    /// Ends the process with the status that so many failures have: 1 if some did it, 3 if none did.
    static func end(_ failed: Int, of count: Int) throws {
        guard failed > 0 else { return }
        throw ExitStatusError(status: failed < count ? .failure : .impossible)
    }
}

/// Ends the process with a status, when all has been said.
struct ExitStatusError: Error {
    let status: ExitStatus
}
