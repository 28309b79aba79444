import ArgumentParser
import Bytes
import Storage

/// `objfs head`: writes the beginning of objects.
struct HeadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "head", abstract: "Write the beginning of objects", discussion: "The manual page is objfs-head(1)."
    )

    @OptionGroup var amount: AmountArguments

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The objects", valueName: "url"))
    var urls: [String]

    func run() throws {
        try amount.each(urls, "head", stores.factory) { (source) throws(StorageError) in
            switch amount.value {
            case .bytes(let count): try Self.write(source, 0..<min(count, source.count))
            case .lines(let count): try Self.write(source, lines: count)
            }
        }
    }

    private static func write(_ source: ByteSource, _ range: Range<Int64>) throws(StorageError) {
        try source.read(ByteRange(range)) { part in
            Output.write(part)
            return true
        }
    }

    /// Writes lines; what is asked for at a time grows, for most of an object should stay where it is.
    private static func write(_ source: ByteSource, lines: Int64) throws(StorageError) {
        var left = lines
        var start: Int64 = 0
        var step: Int64 = 16 << 10
        while left > 0, start < source.count {
            let bytes = try source.bytes(start..<min(start + step, source.count))
            var end = bytes.startIndex
            while left > 0, let newline = bytes[end...].firstIndex(of: 0x0A) {
                end = newline + 1
                left -= 1
            }
            Output.write(left == 0 ? Array(bytes[..<end]) : bytes)
            start += Int64(bytes.count)
            step = min(step * 4, 8 << 20)
        }
    }
}
