/// Lets a bounded number of threads do something at a time.
package final class Turns: Sendable {
    private let free: Monitor<Int>

    /// - Parameter count: How many threads at a time; at least one.
    package init(_ count: Int) { free = Monitor(max(count, 1)) }

    /// Does something when it is this thread's turn.
    ///
    /// - Throws: What `body` throws.
    package func take<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        free.wait { free in
            guard free > 0 else { return nil as Void? }
            free -= 1
            return ()
        }
        defer { free.update { $0 += 1 } }
        return try body()
    }
}
