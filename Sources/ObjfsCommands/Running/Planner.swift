import Bytes
import Chunks
import Decompression
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
    /// How many tasks will run at a time, if that was said: fewer of them make fewer requests for borders.
    let parallelism: Int?
    /// Where the jobs are whose outputs are inputs.
    let jobs: () throws(Failure) -> JobPlace

    /// An object that was found, and where.
    private struct Input {
        let location: Location
        let object: ObjectInfo
    }

    /// The tasks for all inputs, in their order.
    func plan(_ names: [String]) throws(Failure) -> Plan {
        var inputs: [Input] = []
        var outputs: [(name: String, pieces: [Piece])] = []
        for name in names {
            if name.hasPrefix("job:") {
                outputs += try self.outputs(of: String(name.dropFirst(4)))
                continue
            }
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
        var tasks = isWhole ? wholeTasks(inputs) : try chunkTasks(inputs)
        for output in outputs {
            tasks.append(
                RunTask(number: tasks.count, name: output.name, chunk: 0, chunks: 1, pieces: output.pieces))
        }
        return Plan(tasks)
    }

    /// What the tasks of a job have written, each whole.
    private func outputs(of id: String) throws(Failure) -> [(name: String, pieces: [Piece])] {
        let folder = try jobs().find(id, "run").folder
        do throws(StorageError) {
            guard case .ended(let end) = try folder.state(), end.status == 0 else {
                throw StorageError(
                    .invalid, "the job has not ended well", hint: "objfs run --resume \(id) does what is missing")
            }
            let stage = end.stage.isEmpty ? folder : folder.stage(end.stage)
            var outputs: [(name: String, pieces: [Piece])] = []
            for record in try stage.records() {
                outputs.append(("job:\(id)#\(record.task)", try record.storedPieces(in: stage)))
            }
            guard outputs.count == end.tasks else { throw StorageError(.invalid, "some of the job's records are gone") }
            return outputs
        } catch {
            throw Failure("run", "job:\(id)", error)
        }
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
        let requests = parallelism.map { min(max($0, 1), 4) * 16 } ?? 64
        let pool = WorkerPool("objfs-borders", limit: requests)
        let readers = WorkerPool("objfs-ahead", limit: requests)
        let progress = ReadingProgress("run")
        defer { progress.clear() }
        let borders = BorderCache(folder: CacheFolder.borders, progress: progress.report)
        var tasks: [RunTask] = []
        for input in inputs {
            let name = input.location.name(input.object.key)
            do throws(StorageError) {
                let index = try ChunkIndex.open(
                    store: input.location.store, object: input.object, parameters: parameters, borders: borders,
                    pool: pool, effort: .readingAhead(readers))
                for chunk in try index.chunks(0..<index.count) {
                    let piece = Piece(
                        store: index.store, object: index.object, range: chunk.range,
                        content: try index.content(of: chunk))
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
