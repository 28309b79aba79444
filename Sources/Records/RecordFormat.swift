/// How the bytes of an object divide into records.
///
/// A format is pure: it is asked where a record begins, says which bytes it must see to know,
/// and is asked again with these.
package protocol RecordFormat: Sendable {
    /// Begins the search for the first record that begins at or after `cut`.
    ///
    /// - Parameters:
    ///   - cut: A position inside the object, 1 or more; at 0 a record begins in any format.
    ///   - size: The size of the object, in bytes.
    func search(from cut: Int64, size: Int64) -> SearchStep

    /// Goes on with a search, with the bytes that the step before asked for.
    func search(from cut: Int64, size: Int64, in window: RecordWindow) -> SearchStep
}

/// What a search for the beginning of a record comes to.
package enum SearchStep: Hashable, Sendable {
    /// A record begins here, or the object ends here.
    case found(Int64)
    /// These bytes of the object must be seen; the end is excluded, and the range is inside the object and not empty.
    case read(Range<Int64>)
}

/// Some bytes of an object, and where they stand in it.
package struct RecordWindow {
    /// The position of the first byte.
    package let offset: Int64
    package let bytes: UnsafeRawBufferPointer

    package init(offset: Int64, bytes: UnsafeRawBufferPointer) {
        self.offset = offset
        self.bytes = bytes
    }

    /// The position after the last byte.
    package var end: Int64 { offset + Int64(bytes.count) }
}

extension RecordFormat {
    /// Where the first record begins that begins at or after a cut, in an object that is in memory.
    package func border(at cut: Int64, in object: UnsafeRawBufferPointer) -> Int64 {
        let size = Int64(object.count)
        guard cut > 0 else { return 0 }
        guard cut < size else { return size }
        var step = search(from: cut, size: size)
        while case .read(let range) = step {
            let part = UnsafeRawBufferPointer(rebasing: object[Int(range.lowerBound)..<Int(range.upperBound)])
            step = search(from: cut, size: size, in: RecordWindow(offset: range.lowerBound, bytes: part))
        }
        guard case .found(let border) = step else { return size }
        return border
    }
}
