import ArgumentParser
import Bytes
import Chunks
import Decompression
import ObjfsConfiguration
import Records
import Storage
import Threads

/// `objfs index`: finds out from where compressed objects can be decompressed, before somebody waits for it.
struct IndexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index", abstract: "Index compressed objects, so that chunks of them can be read at once",
        discussion: "The manual page is objfs-index(1).")

    @Flag(help: "Keep each index beside its object too, for all who read it")
    var beside = false

    @Flag(help: "Print one JSON object for each object")
    var json = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The objects, folders and patterns", valueName: "url"))
    var urls: [String]

    func run() throws {
        let factory = stores.factory
        let pool = WorkerPool("objfs-index", limit: 8)
        let progress = ReadingProgress("index")
        let borders = BorderCache(folder: CacheFolder.borders, progress: progress.report)
        let output = LineWriter()
        var count = 0
        var failed = 0
        for url in urls {
            failed += Attempts.count([url], "index") { url throws(StorageError) in
                let location = try Location.find(url, factory)
                try Selection.each(location) { (object) throws(StorageError) in
                    guard !object.key.string.hasSuffix(IndexObject.suffix) else { return true }
                    count += 1
                    failed += Attempts.count([location.name(object.key)], "index") { name throws(StorageError) in
                        defer { progress.clear() }
                        let index = try ChunkIndex.open(
                            store: location.store, object: object, parameters: ChunkParameters(cut: .count(1)),
                            borders: borders, pool: pool)
                        if beside { try index.keepBeside(location.store) }
                        show(name, index, output)
                    }
                    return true
                }
            }
        }
        output.flush()
        try Attempts.end(failed, of: max(count, failed))
    }

    private func show(_ name: String, _ index: ChunkIndex, _ output: LineWriter) {
        let compression = index.compression?.rawValue ?? "none"
        guard json else { return output.line("\(index.object.size)\t\(compression)\t\(name)") }
        output.line(
            JSONText.object([
                ("name", .string(name)), ("compression", .string(compression)), ("size", .number(index.object.size)),
            ]))
    }
}
