import Bytes

/// Bytes of a draft that come in order, a few at a time, and are written more at a time.
///
/// A file system that gives larger writes larger pages takes them at half the cost, and those who write to one file at
/// once wait for one another less often.
package final class DraftStretch {
    private let draft: DirectoryDraft
    private let buffer: Buffer
    private var filled = 0
    /// Where the bytes in the buffer belong.
    private var start: Int64

    /// How many bytes are written at a time.
    ///
    /// Pages of up to 32 KiB come from a list that each processor keeps of those freed last. Larger ones are often such
    /// as a virtual machine has given back to its host, which takes several times as long.
    private static let size: Int64 = 32 << 10

    /// Begins at a place of the file.
    ///
    /// - Parameter count: How many bytes will come at most.
    package init(of draft: DirectoryDraft, from start: Int64, count: Int64) {
        self.draft = draft
        self.start = start
        buffer = Buffer(count: Int(min(max(count, 1), Self.size)))
    }

    /// Where the next bytes belong.
    package var end: Int64 { start + Int64(filled) }

    /// Takes the next bytes.
    package func add(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let next = UnsafeRawBufferPointer(rebasing: rest.prefix(buffer.count - filled))
            UnsafeMutableRawBufferPointer(rebasing: buffer.memory[filled...]).copyMemory(from: next)
            filled += next.count
            rest = rest.dropFirst(next.count)
            if filled == buffer.count { try write() }
        }
    }

    /// Writes what was taken and not yet written.
    package func write() throws(StorageError) {
        try draft.write(UnsafeRawBufferPointer(rebasing: buffer.memory[..<filled]), at: start)
        start += Int64(filled)
        filled = 0
    }
}
