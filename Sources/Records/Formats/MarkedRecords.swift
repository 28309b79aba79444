/// Records that each begin with a mark at the start of a line, as `>` begins a sequence of FASTA.
///
/// What stands before the first mark belongs to the first record.
package enum MarkedRecords: RecordFormat, Hashable {
    /// A line that begins with `>`.
    case fasta
    /// A line that begins with `From `, behind an empty line: messages of a mailbox.
    case mailbox

    package func search(from cut: Int64, size: Int64) -> any RecordSearch {
        switch self {
        case .fasta: LineSearch(FastaRule(), from: cut, size: size)
        case .mailbox: LineSearch(MailboxRule(), from: cut, size: size)
        }
    }
}

private struct FastaRule: LineRule {
    func judge(_ line: Line) -> LineVerdict {
        line.bytes.first == UInt8(ascii: ">") ? .begins(line.position) : .continues
    }
}

private struct MailboxRule: LineRule {
    static let lookBehind = Line.blankCount
    private static let mark = Array("From ".utf8)

    func judge(_ line: Line) -> LineVerdict {
        guard line.followsBlank else { return .continues }
        guard let isMarked = line.begins(with: Self.mark) else { return .needsMore }
        return isMarked ? .begins(line.position) : .continues
    }
}
