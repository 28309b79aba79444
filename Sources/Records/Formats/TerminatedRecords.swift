import Glibc

/// Records that each end with a separator, but for the last, which may lack it: lines, most of all.
///
/// Separators are found as one finds them by reading the object from its start: the leftmost first,
/// and none that overlaps the one before. So of `aaa`, with `aa` for a separator, the last `a` belongs to a new record.
package struct TerminatedRecords: RecordFormat, Hashable {
    /// What ends a record: 1 to 16 bytes.
    package let separator: [UInt8]

    /// Whether a separator can begin inside another, as in `aa` or `abab`.
    private let overlapsItself: Bool

    /// Makes the format; `nil` if the separator has not 1 to 16 bytes.
    package init?(separator: [UInt8]) {
        guard 1...16 ~= separator.count else { return nil }
        self.separator = separator
        overlapsItself = (1..<separator.count).contains {
            separator.dropFirst($0).elementsEqual(separator.dropLast($0))
        }
    }

    private init(_ separator: [UInt8]) {
        self.separator = separator
        overlapsItself = false
    }

    package static let lines = TerminatedRecords([0x0A])
    package static let crlf = TerminatedRecords([0x0D, 0x0A])
    package static let nul = TerminatedRecords([0x00])

    private var length: Int64 { Int64(separator.count) }

    package func search(from cut: Int64, size: Int64) -> any RecordSearch {
        guard cut < size else { return FoundRecord(at: size) }
        // A separator that ends exactly at the cut lies before it.
        let start = max(cut - (overlapsItself ? 4 * length : length), 0)
        return Search(format: self, cut: cut, size: size, step: .read(RecordWindow.first(from: start, size: size)))
    }

    private struct Search: RecordSearch {
        let format: TerminatedRecords
        let cut: Int64
        let size: Int64
        var step: SearchStep

        mutating func take(_ window: RecordWindow) { step = format.step(from: cut, size: size, in: window) }
    }

    private func step(from cut: Int64, size: Int64, in window: RecordWindow) -> SearchStep {
        guard let start = certainStart(before: cut, in: window) else {
            return .read(max(window.offset - 4 * Int64(window.bytes.count), 0)..<window.end)
        }
        if let border = border(from: start, cut: cut, in: window) { return .found(border) }
        guard window.end < size else { return .found(size) }
        return further(from: start, in: window, size: size)
    }

    /// The first position at or after `cut` at which a separator ends, reading from a position inside none.
    private func border(from start: Int64, cut: Int64, in window: RecordWindow) -> Int64? {
        var position = Int(start - window.offset)
        while let found = find(from: position, in: window.bytes) {
            position = found + separator.count
            if window.offset + Int64(position) >= cut { return window.offset + Int64(position) }
        }
        return nil
    }

    /// The next bytes to read where a window had no border in it.
    private func further(from start: Int64, in window: RecordWindow, size: Int64) -> SearchStep {
        // What a separator may have begun in is read again; one that overlaps itself needs all that is not certain.
        let overlap = overlapsItself ? window.end - start : length - 1
        let begin = window.end - min(overlap, Int64(window.bytes.count))
        // Counted from the window's end, so that it grows even where all of it is read again.
        return .read(begin..<window.next(from: window.end, size: size).upperBound)
    }

    /// A position no later than where a separator that matters begins, and which is surely inside none.
    ///
    /// With an ordinary separator that is where the window begins. One that overlaps itself is sure only
    /// at the object's start, and after a stretch in which no separator begins; `nil` if the window has none.
    private func certainStart(before cut: Int64, in window: RecordWindow) -> Int64? {
        guard overlapsItself, window.offset > 0 else { return window.offset }
        let last = Int(max(cut - length - window.offset, 0))
        var quiet = 0
        var position = 0
        while position <= last {
            if isSeparator(at: position, in: window.bytes) { quiet = 0 } else { quiet += 1 }
            position += 1
            if quiet >= separator.count - 1, position <= max(last, 0) { return window.offset + Int64(position) }
        }
        return nil
    }

    private func isSeparator(at position: Int, in bytes: UnsafeRawBufferPointer) -> Bool {
        guard position + separator.count <= bytes.count else { return false }
        return separator.indices.allSatisfy { bytes[position + $0] == separator[$0] }
    }

    /// Where the next separator begins.
    ///
    /// The corresponding C function is `memchr`, asked for the separator's first byte.
    private func find(from position: Int, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        var position = position
        while position + separator.count <= bytes.count {
            let count = bytes.count - separator.count + 1 - position
            guard let found = memchr(base + position, Int32(separator[0]), count) else { return nil }
            position = UnsafeRawPointer(found) - base
            if isSeparator(at: position, in: bytes) { return position }
            position += 1
        }
        return nil
    }
}
