/// Records that are separated by blank lines.
///
/// A line is blank if it has nothing but its end, LF or CR LF: one with spaces is not.
/// A record begins with each line that is not blank and follows one that is.
/// So blank lines belong to the record before them, and those at the object's start to the first.
package struct ParagraphRecords: RecordFormat, Hashable {
    package init() {}

    package func search(from cut: Int64, size: Int64) -> any RecordSearch {
        LineSearch(ParagraphRule(), from: cut, size: size)
    }
}

private struct ParagraphRule: LineRule {
    static let lookBehind = Line.blankCount

    func judge(_ line: Line) -> LineVerdict {
        guard line.followsBlank else { return .continues }
        if line.bytes.first == UInt8(ascii: "\n") { return .continues }
        guard let isBlank = line.begins(with: [0x0D, 0x0A]) else { return .needsMore }
        return isBlank ? .continues : .begins(line.position)
    }
}
