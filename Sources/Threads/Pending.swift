/// A value that a thread of a pool finds out.
package final class Pending<Value: Sendable>: Sendable {
    private let result = Monitor<Value?>(nil)

    /// Lets a thread of the pool begin.
    package init(_ pool: WorkerPool, _ body: @escaping @Sendable () -> Value) {
        pool.submit { [result] in
            let value = body()
            result.update { $0 = value }
        }
    }

    /// The value; waits for it.
    package var value: Value { result.wait { $0 } }
}
