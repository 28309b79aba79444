/// Lines behind a header, as in VCF and SAM: the lines at the object's start that begin with one character.
///
/// The header is one record and is repeated at the start of each chunk; every other record is a line.
/// A line behind the header that begins with the character is a line like others.
package struct HeadedLines: RecordFormat, Hashable {
    /// What each line of the header begins with.
    package let mark: UInt8

    private init(mark: UInt8) { self.mark = mark }

    package static let vcf = HeadedLines(mark: UInt8(ascii: "#"))
    package static let sam = HeadedLines(mark: UInt8(ascii: "@"))

    package var hasWholeHeader: Bool { true }
    package var repeatsHeader: Bool { true }

    package func search(from cut: Int64, size: Int64) -> any RecordSearch {
        TerminatedRecords.lines.search(from: cut, size: size)
    }

    package func headerSearch(size: Int64) -> any RecordSearch {
        LineSearch(HeaderRule(mark: mark), from: 0, size: size)
    }
}

/// Finds the first line that is not of the header.
private struct HeaderRule: LineRule {
    let mark: UInt8

    func judge(_ line: Line) -> LineVerdict {
        line.bytes.first == mark ? .continues : .begins(line.position)
    }
}
