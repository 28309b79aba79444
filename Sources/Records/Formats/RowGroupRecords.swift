/// The row groups of a Parquet file: each is a record, which begins with its first page.
///
/// Where they are the footer says, which is at the object's end. An object that has no footer that can be read
/// is one record; who wants to make files of its chunks is told why that can't be.
package struct RowGroupRecords: RecordFormat, Hashable {
    package init() {}

    package var needsText: Bool { false }
    /// The footer says where all of them are.
    package var isSearched: Bool { false }

    package func search(from cut: Int64, size: Int64) -> any RecordSearch { RowGroupSearch(from: cut, size: size) }
}

private struct RowGroupSearch: RecordSearch {
    private let cut: Int64
    private let size: Int64
    /// Whether the last bytes were seen, and the footer is what comes next.
    private var knowsFooter = false
    private(set) var step: SearchStep

    init(from cut: Int64, size: Int64) {
        self.cut = cut
        self.size = size
        step = cut < size ? .read(max(size - ParquetTail.count, 0)..<size) : .found(size)
    }

    var frontier: Int64 {
        // What is read lies at the end, whatever the cut.
        if case .found(let border) = step { border } else { cut }
    }

    mutating func take(_ window: RecordWindow) {
        do throws(ParquetError) {
            guard knowsFooter else {
                step = .read(try ParquetTail.footer(Array(window.bytes), size: size))
                return knowsFooter = true
            }
            step = .found(try ParquetFooter(Array(window.bytes), at: window.offset).border(at: cut) ?? size)
        } catch {
            step = .found(size)
        }
    }
}
