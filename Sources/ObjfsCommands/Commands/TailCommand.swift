import ArgumentParser
import Bytes
import Storage

/// `objfs tail`: writes the end of objects.
struct TailCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Write the end of objects", discussion: "The manual page is objfs-tail(1).")

    @OptionGroup var amount: AmountArguments

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The objects", valueName: "url"))
    var urls: [String]

    func run() throws {
        try amount.each(urls, "tail", stores.factory) { (source) throws(StorageError) in
            let end = source.count
            switch amount.value {
            case .bytes(let count):
                try source.read(ByteRange(end - min(count, end)..<end)) { part in
                    Output.write(part)
                    return true
                }
            case .lines(let count): try Self.write(source, lines: count)
            }
        }
    }

    /// Writes lines; looks for their beginning from the end backwards, in steps that grow.
    private static func write(_ source: ByteSource, lines: Int64) throws(StorageError) {
        guard lines > 0 else { return }
        var parts: [[UInt8]] = []
        var start = source.count
        var step: Int64 = 16 << 10
        // The newline at the very end ends the last line, and begins none.
        var left = lines
        var isLastByte = true
        while start > 0 {
            let bytes = try source.bytes(max(start - step, 0)..<start)
            start -= Int64(bytes.count)
            step = min(step * 4, 8 << 20)
            guard let first = beginning(of: &left, in: bytes, &isLastByte) else {
                parts.append(bytes)
                continue
            }
            parts.append(Array(bytes[first...]))
            break
        }
        for part in parts.reversed() { Output.write(part) }
    }

    /// Where the lines that are left begin, if that is in these bytes.
    private static func beginning(of left: inout Int64, in bytes: [UInt8], _ isLastByte: inout Bool) -> Int? {
        var end = bytes.endIndex
        if isLastByte, bytes.last == 0x0A { end -= 1 }
        isLastByte = false
        while let newline = bytes[..<end].lastIndex(of: 0x0A) {
            left -= 1
            if left == 0 { return newline + 1 }
            end = newline
        }
        return nil
    }
}
