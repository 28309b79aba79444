import Glibc

/// Tells which lines begin records.
protocol LineRule: Sendable {
    /// How many bytes before a line the rule looks at; at least one.
    static var lookBehind: Int64 { get }

    /// Judges a line; lines are shown in their order, from the first that begins at or after the cut.
    mutating func judge(_ line: Line) -> LineVerdict

    /// The first line that was shown and of which it is still open whether it begins a record.
    var openLine: Int64? { get }
}

extension LineRule {
    static var lookBehind: Int64 { 1 }
    var openLine: Int64? { nil }
}

/// What a rule says of a line.
enum LineVerdict {
    /// No line up to this one begins a record, but for what the rule calls open.
    case continues
    /// A record begins at this position: at the line, or at one that was open.
    case begins(Int64)
    /// More bytes of the line must be seen; no rule needs more than a few hundred KiB.
    case needsMore
}

/// A line, as far as it can be seen.
struct Line {
    /// Where it begins in the object.
    let position: Int64
    fileprivate let window: UnsafeRawBufferPointer
    fileprivate let start: Int
    /// Whether the object ends where the bytes end.
    let isLastWindow: Bool

    /// The bytes from the line's beginning on, also those behind its end; at least one.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: window[start...]) }

    /// Whether the line before it has nothing but its end, LF or CR LF; an object does not begin behind such a line.
    var followsBlank: Bool {
        guard start > 0 else { return false }
        var end = start - 1
        if end > 0, window[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return end == 0 ? position == Int64(start) : window[end - 1] == UInt8(ascii: "\n")
    }

    /// How many bytes ``followsBlank`` looks back.
    static let blankCount: Int64 = 3

    /// Whether it begins with some bytes; `nil` if that can't be seen.
    func begins(with prefix: [UInt8]) -> Bool? {
        let seen = bytes.prefix(prefix.count)
        guard seen.elementsEqual(prefix.prefix(seen.count)) else { return false }
        return seen.count == prefix.count ? true : isLastWindow ? false : nil
    }
}

/// The search for a record that begins with a line, by a rule for the lines.
struct LineSearch<Rule: LineRule>: RecordSearch {
    private var rule: Rule
    private let size: Int64
    /// The first position that may be the beginning of a line, and was not looked at.
    private var next: Int64
    private(set) var step: SearchStep

    /// Begins a search; from 0 it shows the rule the object's first line too.
    init(_ rule: Rule, from cut: Int64, size: Int64) {
        self.rule = rule
        self.size = size
        next = cut
        let start = max(cut - Rule.lookBehind, 0)
        step = cut < size ? .read(RecordWindow.first(from: start, size: size)) : .found(size)
    }

    var frontier: Int64 {
        if case .found(let border) = step { return border }
        return rule.openLine ?? next
    }

    mutating func take(_ window: RecordWindow) {
        while let start = nextLine(in: window) {
            let line = Line(
                position: window.offset + Int64(start), window: window.bytes, start: start,
                isLastWindow: window.end >= size)
            next = line.position
            switch rule.judge(line) {
            case .continues: next += 1
            case .begins(let border):
                step = .found(border)
                return
            case .needsMore: return goOn(after: window)
            }
        }
        next = window.end
        goOn(after: window)
    }

    private mutating func goOn(after window: RecordWindow) {
        guard window.end < size else { return step = .found(size) }
        let start = min(max(next - Rule.lookBehind, window.offset), window.end)
        step = .read(window.next(from: start, size: size))
    }

    /// The index of the first byte of the next line; `nil` if no byte of it is in the window.
    ///
    /// The corresponding C function is `memchr`.
    private func nextLine(in window: RecordWindow) -> Int? {
        let index = Int(next - window.offset)
        if index == 0, window.offset == 0 { return 0 }
        guard index > 0, index <= window.bytes.count, let base = window.bytes.baseAddress else { return nil }
        guard let end = memchr(base + (index - 1), 0x0A, window.bytes.count - (index - 1)) else { return nil }
        let start = UnsafeRawPointer(end) - base + 1
        return start < window.bytes.count ? start : nil
    }
}
