import Bytes
import Chunks
import ObjfsConfiguration
import ObjfsRunner
import Records
import Storage
import Threads

/// Finds the objects of a job, and cuts them into tasks.
struct Planner {
    let parameters: ChunkParameters
    /// Whether objects are taken whole.
    let isWhole: Bool
    /// How many whole objects one task gets.
    let batch: Int
    let stores: StoreFactory

    /// An object that was found, and where.
    private struct Input {
        let location: Location
        let object: ObjectInfo
    }

    /// The tasks for all inputs, in their order.
    func plan(_ names: [String]) throws(Failure) -> Plan {
        var inputs: [Input] = []
        for name in names {
            do throws(StorageError) {
                let location = try Location.find(name, stores)
                try Selection.each(location) { object in
                    inputs.append(Input(location: location, object: object))
                    return true
                }
            } catch {
                throw Failure("run", name, error)
            }
        }
        return Plan(isWhole ? wholeTasks(inputs) : try chunkTasks(inputs))
    }

    private func wholeTasks(_ inputs: [Input]) -> [RunTask] {
        stride(from: 0, to: inputs.count, by: batch).enumerated().map { number, start in
            let members = inputs[start..<min(start + batch, inputs.count)]
            let pieces = members.map { Piece(store: $0.location.store, object: $0.object, range: 0..<$0.object.size) }
            return RunTask(
                number: number, name: members.first.map { $0.location.name($0.object.key) } ?? "", chunk: 0, chunks: 1,
                pieces: pieces)
        }
    }

    private func chunkTasks(_ inputs: [Input]) throws(Failure) -> [RunTask] {
        let pool = WorkerPool("objfs-borders", limit: 64)
        let borders = BorderCache(folder: CacheFolder.borders)
        var tasks: [RunTask] = []
        for input in inputs {
            let index = ChunkIndex(
                store: input.location.store, object: input.object, parameters: parameters, borders: borders, pool: pool)
            let name = input.location.name(input.object.key)
            do throws(StorageError) {
                let header = try index.headerBytes()
                for chunk in try index.chunks(0..<index.count) {
                    let piece = Piece(
                        store: input.location.store, object: input.object, range: chunk.range,
                        header: chunk.index > 0 ? header : .empty)
                    tasks.append(
                        RunTask(
                            number: tasks.count, name: name, chunk: chunk.index, chunks: chunk.count, pieces: [piece]))
                }
            } catch {
                throw Failure("run", name, error)
            }
        }
        return tasks
    }
}
