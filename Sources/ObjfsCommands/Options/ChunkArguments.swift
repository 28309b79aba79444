import ArgumentParser
import Records

/// The options that say how an object is cut.
struct ChunkArguments: ParsableArguments {
    @Option(help: ArgumentHelp("How large chunks are", valueName: "size"))
    var chunkSize: String?

    @Option(help: ArgumentHelp("How many chunks there are", valueName: "n"))
    var chunks: String?

    @Option(
        help: ArgumentHelp(
            "How an object divides into records: \(ChunkParameters.formatNames.joined(separator: ", "))",
            valueName: "format"),
        completion: .list(ChunkParameters.formatNames))
    var format: String?

    @Option(help: ArgumentHelp("What ends a line: lf, crlf, nul, or bytes in hexadecimal", valueName: "separator"))
    var separator: String?

    @Option(help: ArgumentHelp("How many bytes a record has", valueName: "n"))
    var recordSize: String?

    @Option(help: ArgumentHelp("What stands around quoted fields of csv: \"", valueName: "character"))
    var quote: String?

    @Option(help: ArgumentHelp("What makes the next character of csv an ordinary one", valueName: "character"))
    var escape: String?

    @Flag(help: "Take it that no quoted field of csv holds the end of a line")
    var noQuotedNewlines = false

    @Option(help: ArgumentHelp("A record begins where a line matches", valueName: "regex"))
    var recordStart: String?

    @Flag(help: "Begin each chunk with the object's first record")
    var header = false

    /// The parameters that the options mean; wrong usage if they mean none.
    func parameters(_ command: String) throws(Failure) -> ChunkParameters {
        do throws(ChunkParametersError) {
            var words = ChunkWords()
            if let chunkSize { try words.take(size: chunkSize) }
            if let chunks { try words.take(count: chunks) }
            if let format { try words.take(format: format) }
            if let separator { try words.take(separator: separator) }
            if let recordSize { try words.take(recordSize: recordSize) }
            if let quote { try words.take(quote: quote) }
            if let escape { try words.take(escape: escape) }
            if noQuotedNewlines { try words.takePlainQuotes() }
            if let recordStart { try words.take(recordStart: recordStart) }
            if header { words.takeHeader() }
            return try ChunkParameters(words, defaults: ChunkParameters())
        } catch {
            throw Failure(usage: "\(command): \(error.description)", hint: "see objfs \(command) --help")
        }
    }
}
