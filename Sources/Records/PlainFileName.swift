/// The name of the file that shows what an object decompresses to: `F@plain` is that of the file `F`.
package struct PlainFileName {
    /// The name of the file that is decompressed.
    package let file: String

    private static let mark = "@plain"

    /// Takes a name apart; `nil` if it is not of this form.
    package init?(_ name: String) {
        let count = name.utf8.count - Self.mark.utf8.count
        guard count > 0, name.utf8.dropFirst(count).elementsEqual(Self.mark.utf8),
            name.utf8.dropFirst(count - 1).first != UInt8(ascii: "/")
        else { return nil }
        file = String(decoding: name.utf8.prefix(count), as: UTF8.self)
    }
}
