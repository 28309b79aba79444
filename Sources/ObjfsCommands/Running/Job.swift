import Bytes
import ObjfsRunner
import Storage
import Synchronization
import Threads

/// A job that is about to be run: new, or gone on with.
struct Job {
    let folder: JobFolder
    let plan: Plan
    let template: CommandTemplate
    let options: RunOptions
    /// What is done with the outputs of the tasks.
    let reduction: Reduction?
    /// How those tasks have ended that need not be run again.
    var known: [TaskRecord] = []
    /// Where its tasks run, if not on this machine.
    var cluster: Cluster?

    /// The records of a folder that count; those of failures are forgotten.
    static func known(_ folder: JobFolder) throws(Failure) -> [TaskRecord] {
        do throws(StorageError) {
            var known: [TaskRecord] = []
            for record in try folder.records() {
                if record.outcome.isFailure { try folder.forget(record.task) } else { known.append(record) }
            }
            return known
        } catch {
            throw Failure("run", folder.id, error)
        }
    }

    /// Refuses to go on if an object that is still needed is no longer the one of the plan.
    func refuseChanges() throws(Failure) {
        let done = Set(known.map(\.task))
        var needed: [String: Piece] = [:]
        var names: [String: String] = [:]
        for task in plan.tasks where !done.contains(task.number) {
            for piece in task.pieces where !piece.range.isEmpty {
                let place = piece.store.name + "/" + piece.object.key.string
                needed[place] = piece
                names[place] = task.name
            }
        }
        let changed = Self.firstChanged(needed)
        guard let changed else { return }
        let name = names[changed.place] ?? changed.place
        throw Failure(
            .impossible, "run: \(name): \(changed.reason)",
            hint: "objfs run --resume \(folder.id) --replan starts over with the objects that are there now")
    }

    /// Looks at all objects, some at a time.
    private static func firstChanged(_ pieces: [String: Piece]) -> (place: String, reason: String)? {
        let places = pieces.keys.sorted()
        let found = Monitor<(left: Int, first: (place: String, reason: String)?)>((places.count, nil))
        let pool = WorkerPool("objfs-look", limit: 32)
        for place in places {
            guard let piece = pieces[place] else { continue }
            pool.submit {
                let reason = Self.reason(piece)
                found.update { state in
                    state.left -= 1
                    if let reason, state.first.map({ place < $0.place }) ?? true { state.first = (place, reason) }
                }
            }
        }
        return found.wait { state -> (place: String, reason: String)?? in state.left == 0 ? .some(state.first) : nil }
    }

    private static func reason(_ piece: Piece) -> String? {
        do throws(StorageError) {
            let info = try piece.store.info(piece.object.key)
            return info.etag == piece.object.etag ? nil : "the object has changed since the job began"
        } catch {
            return error.message
        }
    }
}

/// What is done with the outputs of the tasks when all are there.
struct Reduction {
    let command: String
    /// Whether each object has a reducer of its own.
    let isByObject: Bool
    /// How many outputs one reducer gets at most, if those of reducers are reduced again.
    let tree: Int?

    /// Up to how many outputs are files of one reducer.
    private static let mostFiles = 500

    /// Some outputs that belong together, and how people call them.
    struct Group {
        let name: String
        var outputs: [Output]
    }

    struct Output {
        let record: TaskRecord
        let folder: JobFolder
    }

    var template: CommandTemplate { CommandTemplate(["/bin/sh", "-c", command]) }

    func groups(_ plan: Plan, _ records: [TaskRecord], _ folder: JobFolder) -> [Group] {
        let outputs = records.map { Output(record: $0, folder: folder) }
        guard isByObject else { return [Group(name: "reduce", outputs: outputs)] }
        var groups: [Group] = []
        for output in outputs {
            let name = plan.tasks[output.record.task].name
            if groups.last?.name != name { groups.append(Group(name: name, outputs: [])) }
            groups[groups.count - 1].outputs.append(output)
        }
        return groups
    }

    /// The tasks of one round, and whether there is none after it.
    ///
    /// Groups that one reducer can't take are cut up, each part being a group until ``take(_:_:_:_:)``.
    func plan(_ groups: inout [Group]) throws(Failure) -> (Plan, isLast: Bool) {
        let size = tree ?? Int.max
        let isLast = groups.allSatisfy { $0.outputs.count <= size }
        var tasks: [RunTask] = []
        var parts: [Group] = []
        for group in groups {
            var start = 0
            repeat {
                let end = size < group.outputs.count - start ? start + size : group.outputs.count
                let part = Group(name: group.name, outputs: Array(group.outputs[start..<end]))
                parts.append(part)
                tasks.append(try task(tasks.count, part))
                start = end
            } while start < group.outputs.count
        }
        groups = parts
        return (Plan(tasks), isLast)
    }

    private func task(_ number: Int, _ group: Group) throws(Failure) -> RunTask {
        var pieces: [Piece] = []
        do throws(StorageError) {
            for output in group.outputs { pieces += try output.record.pieces(in: output.folder) }
        } catch {
            throw Failure("run", "reduce", error)
        }
        guard !template.needsFile || pieces.count <= Self.mostFiles else {
            throw Failure(
                .impossible, "run: reduce: {} can't stand for \(pieces.count) outputs",
                hint: "reduce standard input, or a few at a time with --reduce-tree")
        }
        return RunTask(number: number, name: group.name, chunk: 0, chunks: 1, pieces: pieces)
    }

    /// Puts what a round has made into groups again.
    func take(_ records: [TaskRecord], _ plan: Plan, _ groups: inout [Group], _ folder: JobFolder) {
        groups = self.groups(plan, records, folder)
    }
}
