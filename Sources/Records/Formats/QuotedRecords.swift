import Glibc

/// The records of CSV: each ends with the end of a line that is not inside a quoted field.
///
/// Parity decides: a position is inside a quoted field if an odd number of quotes stands before it in the object.
/// So a doubled quote changes nothing, and what stands behind a quote that is never closed is one record.
/// With an escape character, the byte behind it is neither a quote, nor an escape, nor the end of a record.
package struct QuotedRecords: RecordFormat, Hashable {
    /// Finds out what is inside of quotes; it needs to see all of the object that lies before.
    package let scan: QuoteScan
    /// Whether a record ends with CR LF only; otherwise LF ends it, with or without a CR before it.
    package let needsReturn: Bool

    package init(quote: UInt8 = UInt8(ascii: "\""), escape: UInt8? = nil, needsReturn: Bool = false) {
        scan = QuoteScan(quote: quote, escape: escape)
        self.needsReturn = needsReturn
    }

    /// Searches from the object's start; who knows the state nearer to the cut says it.
    package func search(from cut: Int64, size: Int64) -> any RecordSearch {
        search(from: cut, size: size, since: .start)
    }

    /// Begins a search, where the state of quoting is known at some position.
    ///
    /// - Parameter point: The state at the object's start, or at a position of ``lastPoint(before:)`` or before it.
    package func search(from cut: Int64, size: Int64, since point: ScanPoint) -> any RecordSearch {
        Search(format: self, cut: cut, size: size, point: point)
    }

    /// The last position whose state is of use to a search: two bytes before the cut, for the CR and the LF.
    package func lastPoint(before cut: Int64) -> Int64 { max(cut - 2, 0) }
}

extension QuotedRecords {
    private struct Search: RecordSearch {
        private let format: QuotedRecords
        private let cut: Int64
        private let size: Int64
        /// The first position that was not looked at, and the state there.
        private var position: Int64
        private var state: QuoteState
        /// Whether the byte before the position is a CR.
        private var followsReturn = false
        private(set) var step: SearchStep

        init(format: QuotedRecords, cut: Int64, size: Int64, point: ScanPoint) {
            self.format = format
            self.cut = cut
            self.size = size
            position = point.position
            state = point.state
            step = .found(size)
            guard cut < size else { return }
            // What lies before the cut is only counted, and read at once as far as a window goes.
            let count = min(cut - position + RecordWindow.firstCount, RecordWindow.largestCount, size - position)
            step = .read(position..<position + count)
        }

        mutating func take(_ window: RecordWindow) {
            let index = skip(in: window)
            if let border = border(from: index, in: window) { return step = .found(border) }
            position = window.end
            step = position < size ? .read(window.next(from: position, size: size)) : .found(size)
        }

        /// Goes to the last byte before the cut; gives the index of the first byte that was not looked at.
        private mutating func skip(in window: RecordWindow) -> Int {
            let count = Int(min(max(cut - 1 - position, 0), Int64(window.bytes.count)))
            guard count > 0 else { return 0 }
            let skipped = UnsafeRawBufferPointer(rebasing: window.bytes.prefix(count))
            state = state.after(format.scan.summary(of: skipped))
            followsReturn = skipped.last == 0x0D
            return count
        }

        /// The border behind the first end of a record; without one, the state at the window's end is remembered.
        private mutating func border(from index: Int, in window: RecordWindow) -> Int64? {
            let quote = format.scan.quote
            for index in index..<window.bytes.count {
                let byte = window.bytes[index]
                if state.isEscaped {
                    state.isEscaped = false
                } else if byte == quote {
                    state.isQuoted.toggle()
                } else if byte == format.scan.escape {
                    state.isEscaped = true
                } else if byte == 0x0A, !state.isQuoted, followsReturn || !format.needsReturn {
                    return window.offset + Int64(index) + 1
                }
                followsReturn = byte == 0x0D
            }
            return nil
        }
    }
}
