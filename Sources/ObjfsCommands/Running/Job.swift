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
    /// How long a task must have taken there to be run a second time; `nil` if none ever is.
    var shortestLate: Duration?

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
