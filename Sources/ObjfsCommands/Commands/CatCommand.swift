import ArgumentParser
import ObjfsConfiguration
import Storage

/// `objfs cat`: writes objects to standard output.
struct CatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat", abstract: "Write objects to standard output", discussion: "The manual page is objfs-cat(1)."
    )

    @Option(help: ArgumentHelp("Only these bytes of each object, the last included", valueName: "first-last"))
    var range: ByteRange?

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("What to write", valueName: "url"))
    var urls: [String]

    func run() throws {
        let factory = stores.factory
        let failed = Attempts.count(urls, "cat") { url throws(StorageError) in
            let source = try ByteSource(Location.find(url, factory))
            try source.read(range) { part in
                Output.write(part)
                return true
            }
        }
        try Attempts.end(failed, of: urls.count)
    }
}

/// Bytes as HTTP counts them: from 0, both ends included, and perhaps without an end.
struct ByteRange: ExpressibleByArgument {
    /// The end is excluded.
    let range: Range<Int64>

    init(_ range: Range<Int64>) { self.range = range }

    init?(argument: String) {
        let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = Int64(parts[0]), first >= 0 else { return nil }
        guard !parts[1].isEmpty else {
            range = first..<Int64.max
            return
        }
        guard let last = Int64(parts[1]), last >= first, last < .max else { return nil }
        range = first..<last + 1
    }
}
