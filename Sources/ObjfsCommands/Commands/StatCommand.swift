import ArgumentParser
import ObjfsConfiguration
import Storage

/// `objfs stat`: tells what is known of objects.
struct StatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat", abstract: "Tell what is known of objects", discussion: "The manual page is objfs-stat(1).")

    @Flag(help: "Print one JSON object for each")
    var json = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The objects", valueName: "url"))
    var urls: [String]

    func run() throws {
        let factory = stores.factory
        let output = LineWriter()
        let failed = Attempts.count(urls, "stat") { url throws(StorageError) in
            let location = try Location.find(url, factory)
            let info = try location.store.info(ObjectKey(location.key))
            show(info, location.name(info.key), output)
        }
        output.flush()
        try Attempts.end(failed, of: urls.count)
    }

    private func show(_ info: ObjectInfo, _ name: String, _ output: LineWriter) {
        let metadata = (info.attributes?.metadata ?? [:]).sorted { $0.key < $1.key }
        guard !json else {
            return output.line(
                JSONText.object(
                    info.members + [
                        ("type", info.attributes?.contentType.map { .string($0) } ?? .null),
                        ("metadata", .object(metadata.map { ($0.key, .string($0.value)) })),
                    ]))
        }
        output.line("name      \(name)")
        output.line("size      \(info.size)")
        output.line("modified  \(info.modified.iso8601)")
        output.line("version   \(info.etag.string)")
        if let type = info.attributes?.contentType { output.line("type      \(type)") }
        for (name, value) in metadata { output.line("metadata  \(name)=\(value)") }
    }
}
