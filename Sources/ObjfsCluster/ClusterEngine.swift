/// What starts workers on many machines, and knows nothing of tasks.
package protocol ClusterEngine: Sendable {
    /// How people call it.
    var name: String { get }

    /// How many workers have a place at a time, at most.
    func capacity() throws(EngineError) -> Int

    /// Starts some workers, or has them wait for their turn.
    ///
    /// - Parameter command: How one is started.
    func start(_ count: Int, _ command: WorkerCommandLine) throws(EngineError)

    /// How many of the workers that were started run or wait for their turn.
    func alive() throws(EngineError) -> Int

    /// Ends all workers, and what they have started; those that have ended already are no failure.
    func cancel()
}

/// How a worker is started.
package struct WorkerCommandLine: Sendable {
    /// The command line, without the program's name.
    package let arguments: [String]
    /// What it gets on its standard input, which may be secret: nobody but the worker should see it.
    package let input: String

    package init(_ arguments: [String], input: String = "") {
        self.arguments = arguments
        self.input = input
    }
}

/// Why a cluster did not do what it was asked.
package struct EngineError: Error, Sendable {
    package let message: String
    package let hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}
