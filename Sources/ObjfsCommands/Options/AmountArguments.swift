import ArgumentParser
import Bytes
import ObjfsConfiguration
import Storage

/// How much of each object `head` and `tail` write.
struct AmountArguments: ParsableArguments {
    @Option(
        name: [.customShort("n"), .long], help: ArgumentHelp("How many lines; 10 if nothing is said", valueName: "n"))
    var lines: Int64?

    @Option(
        name: [.customShort("c"), .long],
        help: ArgumentHelp("How many bytes, with a unit if need be", valueName: "size"))
    var bytes: SizeAmount?

    func validate() throws {
        if lines != nil, bytes != nil { throw ValidationError("--lines and --bytes exclude each other") }
        if let lines, lines < 0 { throw ValidationError("--lines must be 0 or more") }
    }

    enum Amount {
        case lines(Int64)
        case bytes(Int64)
    }

    var value: Amount { bytes.map { .bytes($0.count.bytes) } ?? .lines(lines ?? 10) }

    /// Does something with each object; of several, the name stands before what is written of it.
    func each(
        _ urls: [String], _ command: String, _ factory: StoreFactory,
        _ body: (ByteSource) throws(StorageError) -> Void
    ) throws {
        var isFirst = true
        let failed = Attempts.count(urls, command) { url throws(StorageError) in
            let source = try ByteSource(Location.find(url, factory))
            if urls.count > 1 {
                Output.write(Array("\(isFirst ? "" : "\n")==> \(TerminalText.visible(url)) <==\n".utf8))
                isFirst = false
            }
            try body(source)
        }
        try Attempts.end(failed, of: urls.count)
    }
}

/// A number of bytes, which may be 0.
struct SizeAmount: ExpressibleByArgument {
    let count: ByteCount

    init?(argument: String) {
        guard let count = ByteCount(argument) else { return nil }
        self.count = count
    }
}
