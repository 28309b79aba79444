/// The four-line records of FASTQ: `@name`, the sequence, `+`, and the qualities, which may begin with `@` or `+` too.
///
/// A record begins with each line that begins with `@` and has a line that begins with `+` two lines behind it.
/// In a valid object no other line is like that: two lines behind the qualities there is a sequence, and it has no `+`.
/// Where the content is not of this form, no line begins a record, and the lines stay with the record before them.
package struct FourLineRecords: RecordFormat, Hashable {
    package init() {}

    package func search(from cut: Int64, size: Int64) -> any RecordSearch {
        LineSearch(FourLineRule(), from: cut, size: size)
    }
}

private struct FourLineRule: LineRule {
    /// The two lines before: where they begin, if that is with `@`.
    private var names: (older: Int64?, newer: Int64?) = (nil, nil)

    var openLine: Int64? { names.older ?? names.newer }

    mutating func judge(_ line: Line) -> LineVerdict {
        let first = line.bytes.first
        if first == UInt8(ascii: "+"), let name = names.older { return .begins(name) }
        names = (names.newer, first == UInt8(ascii: "@") ? line.position : nil)
        return .continues
    }
}
