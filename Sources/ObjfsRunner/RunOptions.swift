/// How a job is run.
package struct RunOptions: Sendable {
    /// How many tasks run at a time.
    package var parallelism = 1
    /// How often a task that failed is run again.
    package var retries = 0
    /// How long a task may take.
    package var timeout: TimeLimit?
    /// How much memory a task's program may use, in bytes.
    package var memory: Int64?
    /// How the command gets the bytes of its task.
    package var input = TaskInput.usual
    /// Where a mount shows a piece of a task; `nil` if none does.
    package var mountedPath: @Sendable (RunTask, Piece) -> String? = { _, _ in nil }
    /// After how many failed tasks the job ends; `nil` for never.
    package var failureLimit: FailureLimit?
    /// Whether a task that takes far longer than the others is run a second time beside.
    package var speculates = false
    /// How long a task must have taken for that, beside twice as long as half of the others.
    package var shortestLate = Duration.seconds(30)
    /// How much time lies between the starts of two tasks, at least.
    package var delay = Duration.zero
    /// Above how many processes that want a processor no task starts.
    package var load: Double?
    /// How much less than others the tasks are preferred by the system.
    package var nice: Int32 = 0
    /// The folder that commands start in; `nil` for that of this process.
    package var folder: String?
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
    /// What runs the tasks, for their records.
    package var worker = nodeName()
    /// The tasks that somebody else runs too, and that take long there.
    package var late: Set<Int> = []
    /// Makes names for the parts of outputs; `nil` for the usual ones.
    package var partNames: (@Sendable () -> String?)?

    package init() {}
}

/// How a command gets the bytes of its task.
package enum TaskInput: Hashable, Sendable {
    /// On its standard input, or as a file where `{}` stands for one: one of a mount if there is any that shows it.
    case usual
    /// On its standard input, as they come from the store.
    case stream
    /// As a file that was made for it: `{}`, or else its standard input.
    case file
    /// As a file of a mount: `{}`, or else its standard input.
    case mount
    /// Not at all.
    case none
}

/// Where the tasks' output goes, and when.
package enum OutputOrder: Hashable, Sendable {
    case ordered
    case unordered
    case folder(String)
    /// Nowhere but into the job's folder.
    case kept
}

/// How long a task may take.
package enum TimeLimit: Hashable, Sendable {
    case time(Duration)
    /// So many times as long as half of the tasks before it, once some have ended.
    case median(Double)
}

/// How many tasks may fail.
package enum FailureLimit: Hashable, Sendable {
    case count(Int)
    case share(Double)

    /// The number of a job of so many tasks.
    package func count(of tasks: Int) -> Int {
        switch self {
        case .count(let count): count
        case .share(let share): Int(Double(tasks) * share)
        }
    }
}
