/// How a job is run.
package struct RunOptions: Sendable {
    /// How many tasks run at a time.
    package var parallelism = 1
    /// How often a task that failed is run again.
    package var retries = 0
    /// How long a task may take.
    package var timeout: Duration?
    /// How much address space a task's program may use, in bytes.
    package var memory: Int64?
    /// Whether the first failure ends the job.
    package var failsFast = false
    /// Statuses of the command that are no failures.
    package var goodStatuses: Set<Int32> = [0]
    /// Whether status 1 says that nothing was found, as it does of grep.
    package var oneIsNoMatch = false
    /// What the tasks' output is: in order, each as it ends, or a file each in a folder.
    package var output = OutputOrder.ordered
    /// Whether each line of output begins with the task that it is from.
    package var isTagged = false
    /// The environment of the commands, but for what tells a task where it is.
    package var environment: [String] = []
    /// The name of the job.
    package var job = ""

    package init() {}
}

/// Where the tasks' output goes, and when.
package enum OutputOrder: Hashable, Sendable {
    case ordered
    case unordered
    case folder(String)
}
