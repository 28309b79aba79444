/// How the bytes of an object divide into records.
///
/// A format is pure: it is asked where a record begins, says which bytes it must see to know, and is given these.
/// Whatever the bytes are, its answer depends on the object alone and not on the cut:
/// it is the first of the places, fixed for the whole object, that lies at or after the cut.
package protocol RecordFormat: Sendable {
    /// Begins the search for the first record that begins at or after a cut.
    ///
    /// - Parameters:
    ///   - cut: A position inside the object, 1 or more; at 0 a record begins in any format.
    ///   - size: The size of the object, in bytes.
    func search(from cut: Int64, size: Int64) -> any RecordSearch

    /// Begins the search for the end of what may be repeated at the start of each chunk: the first record, usually.
    func headerSearch(size: Int64) -> any RecordSearch

    /// Whether the records are of text, so that cutting compressed bytes into them makes no sense.
    var needsText: Bool { get }

    /// Whether borders are found by looking at bytes, so that it pays to remember them.
    var isSearched: Bool { get }

    /// Whether no record begins inside the header, even where a search would find one: the header is one record then.
    var hasWholeHeader: Bool { get }

    /// Whether a chunk without the header is not what the format says, so that it is repeated without being asked for.
    var repeatsHeader: Bool { get }
}

extension RecordFormat {
    package func headerSearch(size: Int64) -> any RecordSearch { search(from: 1, size: size) }
    package var needsText: Bool { true }
    package var isSearched: Bool { true }
    package var hasWholeHeader: Bool { false }
    package var repeatsHeader: Bool { false }
}

/// A search for the beginning of a record, which is given the bytes that it asks for until it has found it.
package protocol RecordSearch {
    /// What the search has come to.
    var step: SearchStep { get }

    /// No record begins from the cut up to this position, which is excluded.
    var frontier: Int64 { get }

    /// Takes exactly the bytes that ``step`` asks for, and goes on.
    mutating func take(_ window: RecordWindow)
}

extension RecordSearch {
    package var frontier: Int64 {
        switch step {
        case .found(let border): border
        case .read(let range): range.lowerBound
        }
    }
}

/// What a search for the beginning of a record comes to.
package enum SearchStep: Hashable, Sendable {
    /// A record begins here, or the object ends here.
    case found(Int64)
    /// These bytes of the object must be seen; the end is excluded, and the range is inside the object and not empty.
    case read(Range<Int64>)
}

/// A search that needs to see nothing.
struct FoundRecord: RecordSearch {
    let step: SearchStep

    init(at position: Int64) { step = .found(position) }

    mutating func take(_ window: RecordWindow) {}
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

    /// How many bytes a search looks at first.
    static let firstCount: Int64 = 8 << 10
    /// How many bytes a search looks at a time, at most.
    static let largestCount: Int64 = 8 << 20

    /// The range of a window of the first size.
    static func first(from start: Int64, size: Int64) -> Range<Int64> {
        start..<start + min(firstCount, size - start)
    }

    /// The range of a window that follows this one and is larger; it begins at a position inside this one or at its end.
    func next(from start: Int64, size: Int64) -> Range<Int64> {
        let count = min(max(Int64(bytes.count) * 4, Self.firstCount), Self.largestCount)
        return start..<start + min(count, size - start)
    }
}

extension RecordFormat {
    /// Where the first record begins that begins at or after a cut, in an object that is in memory.
    package func border(at cut: Int64, in object: UnsafeRawBufferPointer) -> Int64 {
        let size = Int64(object.count)
        guard cut > 0 else { return 0 }
        guard cut < size else { return size }
        let border = Self.finish(search(from: cut, size: size), in: object)
        return hasWholeHeader ? max(border, headerEnd(in: object)) : border
    }

    /// Where the header ends in an object that is in memory.
    package func headerEnd(in object: UnsafeRawBufferPointer) -> Int64 {
        Self.finish(headerSearch(size: Int64(object.count)), in: object)
    }

    private static func finish(_ search: any RecordSearch, in object: UnsafeRawBufferPointer) -> Int64 {
        var search = search
        while true {
            switch search.step {
            case .found(let border): return border
            case .read(let range):
                let part = UnsafeRawBufferPointer(rebasing: object[Int(range.lowerBound)..<Int(range.upperBound)])
                search.take(RecordWindow(offset: range.lowerBound, bytes: part))
            }
        }
    }
}
