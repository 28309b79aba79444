import Glibc

/// Records that each begin with a line that matches a regular expression, as log entries do whose traces span lines.
///
/// What stands before the first such line belongs to the first record.
package struct MatchingRecords: RecordFormat, Hashable {
    private let expression: RegularExpression

    /// How many bytes of a line are looked at: a longer line is as if it ended there.
    package static let longestLine = 64 << 10

    /// Makes the format.
    ///
    /// - Parameter pattern: A POSIX extended regular expression.
    /// - Throws: A ``ChunkParametersError`` for one that is none.
    package init(pattern: String) throws(ChunkParametersError) {
        expression = try RegularExpression(pattern)
    }

    /// The expression as it was given.
    package var pattern: String { expression.pattern }

    package func search(from cut: Int64, size: Int64) -> any RecordSearch {
        LineSearch(MatchingRule(expression: expression), from: cut, size: size)
    }
}

private struct MatchingRule: LineRule {
    let expression: RegularExpression

    func judge(_ line: Line) -> LineVerdict {
        let seen = line.bytes.prefix(MatchingRecords.longestLine)
        let end = seen.firstIndex(of: 0x0A)
        guard end != nil || seen.count == MatchingRecords.longestLine || line.isLastWindow else { return .needsMore }
        var text = seen[..<(end ?? seen.endIndex)]
        if end != nil, text.last == 0x0D { text.removeLast() }
        return expression.matches(UnsafeRawBufferPointer(rebasing: text)) ? .begins(line.position) : .continues
    }
}

/// A POSIX extended regular expression over bytes.
private final class RegularExpression: Hashable, @unchecked Sendable {
    // The compiled expression is written once, and regexec takes a lock of its own where it must.
    private let compiled: UnsafeMutablePointer<regex_t>
    let pattern: String

    /// Compiles an expression.
    ///
    /// The corresponding C function is `regcomp`.
    init(_ pattern: String) throws(ChunkParametersError) {
        guard !pattern.utf8.contains(0) else { throw ChunkParametersError("a regular expression can't have a NUL") }
        let compiled = UnsafeMutablePointer<regex_t>.allocate(capacity: 1)
        let status = regcomp(compiled, pattern, REG_EXTENDED)
        guard status == 0 else {
            var text = [CChar](repeating: 0, count: 256)
            regerror(status, compiled, &text, text.count)
            compiled.deallocate()
            let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw ChunkParametersError("'\(pattern)' is no regular expression: \(reason.lowercased())")
        }
        self.compiled = compiled
        self.pattern = pattern
    }

    deinit {
        regfree(compiled)
        compiled.deallocate()
    }

    /// Whether the expression matches somewhere in a line.
    ///
    /// The corresponding C function is `regexec`, told by `REG_STARTEND` where the line ends.
    func matches(_ line: UnsafeRawBufferPointer) -> Bool {
        var place = regmatch_t(rm_so: 0, rm_eo: regoff_t(line.count))
        // An empty line has no address of its own.
        guard let base = line.baseAddress, !line.isEmpty else { return regexec(compiled, "", 0, nil, 0) == 0 }
        return regexec(compiled, base.assumingMemoryBound(to: CChar.self), 1, &place, REG_STARTEND) == 0
    }

    static func == (left: RegularExpression, right: RegularExpression) -> Bool { left.pattern == right.pattern }
    func hash(into hasher: inout Hasher) { hasher.combine(pattern) }
}
