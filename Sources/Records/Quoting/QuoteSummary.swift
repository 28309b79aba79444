/// Where a position is with regard to quotes: what has been read from the object's start up to it decides that.
package struct QuoteState: Hashable, Sendable {
    /// Whether an odd number of quotes stands before the position, so that it is inside a quoted field.
    package var isQuoted: Bool
    /// Whether an escape character that is not itself escaped stands right before the position.
    package var isEscaped: Bool

    /// The state at the object's start.
    package static let start = QuoteState(isQuoted: false, isEscaped: false)

    /// The state behind a stretch of bytes.
    package func after(_ stretch: QuoteSummary) -> QuoteState {
        let effect = stretch.effect(isEscaped: isEscaped)
        return QuoteState(isQuoted: isQuoted != effect.turns, isEscaped: effect.endsEscaped)
    }
}

/// What a stretch of bytes does to the state of quoting, whatever the state before it is.
///
/// A stretch turns quoting over or it does not, and ends behind an escape or does not:
/// both may depend on whether its first byte is escaped, and on nothing else.
package struct QuoteSummary: Hashable, Sendable {
    /// Bits 0 and 1: turns, and ends escaped, for a first byte that is not escaped; bits 2 and 3 for one that is.
    package let rawValue: UInt8

    /// Takes a summary from what was written down; `nil` for what is none.
    package init?(rawValue: UInt8) {
        guard rawValue < 16 else { return nil }
        self.rawValue = rawValue
    }

    struct Effect: Hashable {
        var turns: Bool
        var endsEscaped: Bool
    }

    init(plain: Effect, escaped: Effect) {
        rawValue =
            (plain.turns ? 1 : 0) | (plain.endsEscaped ? 2 : 0) | (escaped.turns ? 4 : 0)
            | (escaped.endsEscaped ? 8 : 0)
    }

    /// What no bytes do.
    package static let empty = QuoteSummary(
        plain: Effect(turns: false, endsEscaped: false), escaped: Effect(turns: false, endsEscaped: true))

    func effect(isEscaped: Bool) -> Effect {
        let bits = isEscaped ? rawValue >> 2 : rawValue
        return Effect(turns: bits & 1 != 0, endsEscaped: bits & 2 != 0)
    }

    /// What this stretch and the next one do together.
    package func followed(by next: QuoteSummary) -> QuoteSummary {
        func effect(_ isEscaped: Bool) -> Effect {
            let first = self.effect(isEscaped: isEscaped)
            let second = next.effect(isEscaped: first.endsEscaped)
            return Effect(turns: first.turns != second.turns, endsEscaped: second.endsEscaped)
        }
        return QuoteSummary(plain: effect(false), escaped: effect(true))
    }
}
