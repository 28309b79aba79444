/// Records that all have the same number of bytes, but for the last, which may be shorter.
package struct FixedRecords: RecordFormat, Hashable {
    /// The number of bytes of a record; at least one.
    package let size: Int64

    package init(size: Int64) { self.size = max(size, 1) }

    package var needsText: Bool { false }
    package var isSearched: Bool { false }

    package func search(from cut: Int64, size: Int64) -> any RecordSearch {
        let rest = cut % self.size
        guard rest > 0 else { return FoundRecord(at: min(cut, size)) }
        let (border, overflow) = cut.addingReportingOverflow(self.size - rest)
        return FoundRecord(at: overflow ? size : min(border, size))
    }
}
