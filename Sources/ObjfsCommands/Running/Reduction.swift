import ObjfsRunner
import Storage

/// What is done with the outputs of the tasks.
struct Reduction {
    let command: String
    /// Whether each object has a reducer of its own.
    let isByObject: Bool
    /// How many outputs one reducer gets at most, if those of reducers are reduced again.
    let tree: Int?
    /// How much of the tasks must be done before reducers begin, as a part of 1; `nil` for all.
    let beginsAt: Double?

    /// Up to how many outputs are files of one reducer.
    private static let mostFiles = 500

    var template: CommandTemplate { CommandTemplate(["/bin/sh", "-c", command]) }

    /// Some tasks that follow each other, whose outputs belong together, and how people call them.
    struct Group {
        let name: String
        var tasks: Range<Int>
    }

    /// The reducers that run at a time, before those that reduce their outputs.
    struct Round {
        let plan: Plan
        /// What there is to reduce afterwards, as groups of this round's tasks.
        let groups: [Group]
        /// Whether its outputs are those of the job.
        let isLast: Bool
        /// Where its records and outputs are.
        let folder: JobFolder

        /// Says that the output of a task is there.
        func add(_ task: Int) { for reducer in plan.tasks { reducer.late?.add(task) } }

        /// Says that some outputs will never be there.
        func cancel() { for reducer in plan.tasks { reducer.late?.cancel() } }
    }

    /// What belongs together of a job's own tasks.
    func groups(_ plan: Plan) -> [Group] {
        guard isByObject else { return [Group(name: "reduce", tasks: 0..<plan.tasks.count)] }
        var groups: [Group] = []
        for task in plan.tasks {
            if groups.last?.name != task.name {
                groups.append(Group(name: task.name, tasks: task.number..<task.number))
            }
            groups[groups.count - 1].tasks = groups[groups.count - 1].tasks.lowerBound..<task.number + 1
        }
        return groups
    }

    /// A round of reducers.
    ///
    /// - Parameters:
    ///   - number: Which round it is, from 1.
    ///   - groups: What it reduces.
    ///   - folder: Where the outputs are that it reduces.
    ///   - job: The folder of the job.
    ///   - areReady: Whether all these outputs are there; the round is told of them otherwise.
    func round(
        _ number: Int, _ groups: [Group], of folder: JobFolder, job: JobFolder, areReady: Bool = true
    ) throws(Failure) -> Round {
        var tasks: [RunTask] = []
        var next: [Group] = []
        for group in groups {
            let first = tasks.count
            for part in parts(of: group) { tasks.append(try task(tasks.count, part, folder, areReady)) }
            next.append(Group(name: group.name, tasks: first..<tasks.count))
        }
        return Round(
            plan: Plan(tasks), groups: next, isLast: tasks.count == groups.count,
            folder: job.stage("reduce-\(number)"))
    }

    /// What each reducer of a group gets; one that gets nothing runs too.
    private func parts(of group: Group) -> [Group] {
        let size = tree ?? max(group.tasks.count, 1)
        guard group.tasks.count > size else { return [group] }
        return stride(from: group.tasks.lowerBound, to: group.tasks.upperBound, by: size).map { start in
            Group(name: group.name, tasks: start..<min(start + size, group.tasks.upperBound))
        }
    }

    private func task(
        _ number: Int, _ group: Group, _ folder: JobFolder, _ areReady: Bool
    ) throws(Failure) -> RunTask {
        guard template.needsFile else {
            let late = LatePieces(group.tasks, in: folder, areReady: areReady)
            return RunTask(number: number, name: group.name, chunk: 0, chunks: 1, pieces: [], late: late)
        }
        var pieces: [Piece] = []
        do throws(StorageError) {
            for task in group.tasks { pieces += try folder.outputPieces(task) }
        } catch {
            throw Failure("run", "reduce", error)
        }
        guard pieces.count <= Self.mostFiles else {
            throw Failure(
                .impossible, "run: reduce: {} can't stand for \(pieces.count) outputs",
                hint: "reduce standard input, or a few at a time with --reduce-tree")
        }
        return RunTask(number: number, name: group.name, chunk: 0, chunks: 1, pieces: pieces)
    }
}
