import ArgumentParser
import Bytes
import Chunks
import ObjfsConfiguration
import Records
import Storage
import Threads

/// `objfs chunks`: prints where an object would be cut.
struct ChunksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chunks", abstract: "Print where an object would be cut",
        discussion: "The manual page is objfs-chunks(1).")

    @OptionGroup var cut: ChunkArguments

    @Flag(help: "Print one JSON object for each chunk")
    var json = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The object", valueName: "object"))
    var object: String

    func run() throws {
        let parameters = try cut.parameters("chunks")
        let progress = ReadingProgress("chunks")
        defer { progress.clear() }
        do throws(StorageError) {
            let location = try Location.find(object, stores.factory)
            let index = try ChunkIndex.open(
                store: location.store, object: try location.store.info(ObjectKey(location.key)),
                parameters: parameters, borders: BorderCache(folder: CacheFolder.borders, progress: progress.report),
                pool: WorkerPool("objfs-borders", limit: 64))
            progress.clear()
            try show(index)
        } catch {
            throw Failure("chunks", object, error)
        }
    }

    private func show(_ index: ChunkIndex) throws(StorageError) {
        let output = LineWriter()
        let format = try index.format().words
        var first: Int64 = 0
        while first < index.count {
            let chunks = try index.chunks(first..<min(first + 256, index.count))
            for chunk in chunks {
                show(chunk, try index.content(of: chunk).count, try index.rows(of: chunk), format, output)
            }
            first += Int64(chunks.count)
        }
        output.flush()
    }

    private func show(_ chunk: Chunk, _ length: Int64, _ rows: Int64?, _ format: String, _ output: LineWriter) {
        guard json else {
            // Who leaves the format to the object is told which it is.
            let found = (rows.map { ["\($0)"] } ?? []) + (cut.format == "auto" ? [format] : [])
            return output.line((["\(chunk.index)", "\(chunk.offset)", "\(length)"] + found).joined(separator: "\t"))
        }
        output.line(
            JSONText.object(
                [("index", .number(chunk.index)), ("offset", .number(chunk.offset)), ("length", .number(length))]
                    + (rows.map { [("rows", .number($0))] } ?? []) + [("format", .string(format))]))
    }
}
