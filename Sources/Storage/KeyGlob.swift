/// A pattern of keys: `*` stands for anything without a `/`, `**` for anything, `?` for one character that is no `/`,
/// `[a-z]` for one of some characters, `[!a-z]` for one of the others.
package struct KeyGlob: Hashable, Sendable {
    private let pattern: [Unicode.Scalar]

    package init(_ pattern: String) { self.pattern = Array(pattern.unicodeScalars) }

    /// Whether a text has a character that a pattern gives a meaning.
    package static func isPattern(_ text: String) -> Bool {
        text.unicodeScalars.contains { "*?[".unicodeScalars.contains($0) }
    }

    /// What every key that matches begins with.
    package var literalPrefix: String {
        var prefix = String.UnicodeScalarView()
        prefix.append(contentsOf: pattern.prefix { !"*?[".unicodeScalars.contains($0) })
        return String(prefix)
    }

    /// Whether a key matches, whole.
    package func matches(_ key: String) -> Bool {
        matches(Array(key.unicodeScalars))
    }

    /// Walks key and pattern, and goes back to the latest star that can take one character more.
    private func matches(_ key: [Unicode.Scalar]) -> Bool {
        var place = (key: 0, pattern: 0)
        // For each kind of star the latest one: a `*` can't help past a `/`, a `**` before it still can.
        var single: (key: Int, pattern: Int)?
        var double: (key: Int, pattern: Int)?
        while place.key < key.count || place.pattern < pattern.count {
            if place.pattern < pattern.count, pattern[place.pattern] == "*" {
                let isDouble = place.pattern + 1 < pattern.count && pattern[place.pattern + 1] == "*"
                place.pattern += isDouble ? 2 : 1
                // `**/` stands for no folder at all too.
                if isDouble {
                    double = place
                    single = nil
                    if place.pattern < pattern.count, pattern[place.pattern] == "/",
                        place.key == 0 || key[place.key - 1] == "/",
                        KeyGlob(rest(place.pattern + 1)).matches(Array(key[place.key...]))
                    {
                        return true
                    }
                } else {
                    single = place
                }
                continue
            }
            if place.key < key.count, let next = step(key[place.key], at: place.pattern) {
                place = (place.key + 1, next)
            } else if let star = single, star.key < key.count, key[star.key] != "/" {
                single = (star.key + 1, star.pattern)
                place = (star.key + 1, star.pattern)
            } else if let star = double, star.key < key.count {
                double = (star.key + 1, star.pattern)
                single = nil
                place = (star.key + 1, star.pattern)
            } else {
                return false
            }
        }
        return true
    }

    private func rest(_ index: Int) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: pattern[index...])
        return String(text)
    }

    /// Where the pattern goes on after one character; `nil` if the character does not match.
    private func step(_ character: Unicode.Scalar, at index: Int) -> Int? {
        guard index < pattern.count else { return nil }
        switch pattern[index] {
        case "?": return character == "/" ? nil : index + 1
        case "[":
            guard let end = pattern[min(index + 2, pattern.count)...].firstIndex(of: "]") else { fallthrough }
            return character != "/" && isOne(character, of: pattern[(index + 1)..<end]) ? end + 1 : nil
        default: return pattern[index] == character ? index + 1 : nil
        }
    }

    private func isOne(_ character: Unicode.Scalar, of set: ArraySlice<Unicode.Scalar>) -> Bool {
        let isNegated = set.first == "!" || set.first == "^"
        var rest = isNegated ? set.dropFirst() : set
        while let first = rest.popFirst() {
            if rest.first == "-", let last = rest.dropFirst().first {
                if first <= last, first...last ~= character { return !isNegated }
                rest = rest.dropFirst(2)
            } else if first == character {
                return !isNegated
            }
        }
        return isNegated
    }
}
