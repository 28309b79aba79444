/// The name of an object in its bucket: any bytes of UTF-8, where `/` means nothing to the store.
package struct ObjectKey: Hashable, Sendable, CustomStringConvertible {
    package let string: String

    package init(_ string: String) { self.string = string }

    package var description: String { string }

    /// Whether two keys are the same bytes; Swift's own comparison would take `é` for `e` with an accent after it.
    package static func == (left: ObjectKey, right: ObjectKey) -> Bool {
        left.string.utf8.elementsEqual(right.string.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in string.utf8 { hasher.combine(byte) }
    }
}

extension ObjectKey {
    /// Whether this is the key of a folder's marker, whose last byte is `/`.
    package var endsInSlash: Bool { string.utf8.last == UInt8(ascii: "/") }
}

extension StringProtocol {
    /// What stands between the bytes `/`, empty parts too.
    ///
    /// Swift's own `split` looks for a character, and a `/` with an accent after it is another one.
    package var pathParts: [String] {
        utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}

extension ObjectKey: Comparable {
    /// The order of the UTF-8 bytes, in which stores list their keys.
    package static func < (left: ObjectKey, right: ObjectKey) -> Bool {
        left.string.utf8.lexicographicallyPrecedes(right.string.utf8)
    }
}

extension ObjectKey: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) { self.init(value) }
}
