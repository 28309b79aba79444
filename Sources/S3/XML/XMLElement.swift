import CExpat

/// An element of a small XML document, with its text and the elements in it.
package struct XMLElement: Sendable {
    package let name: String
    package fileprivate(set) var text = ""
    package fileprivate(set) var children: [XMLElement] = []

    /// The first element of a name in this one.
    package subscript(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// All elements of a name in this one.
    package func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

    /// Whether a byte stands for a character that no document of XML 1.0 has.
    static func isForbidden(_ byte: UInt8) -> Bool { byte < 0x20 && byte != 0x09 && byte != 0x0A && byte != 0x0D }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    /// A text as the content of an element.
    ///
    /// Line breaks are written by their numbers: a parser makes a CR into an LF.
    static func escaped(_ text: String) -> String {
        guard text.utf8.contains(where: { "<>&\"\r\n\t".utf8.contains($0) }) else { return text }
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            case "\"": result += "&quot;"
            case "\r", "\n", "\t": result += "&#\(character.value);"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }

    /// A document in which such characters, be they written out or by their number, are question marks.
    private static func withoutForbidden(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.contains(where: isForbidden) || hasReference(bytes) else { return bytes }
        var result: [UInt8] = []
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "&"), let length = forbiddenReference(rest.prefix(6)) {
                rest = rest.dropFirst(length)
                result.append(0x3F)
            } else {
                result.append(isForbidden(byte) ? 0x3F : byte)
            }
        }
        return result
    }

    private static func hasReference(_ bytes: [UInt8]) -> Bool {
        bytes.indices.dropLast().contains { bytes[$0] == UInt8(ascii: "&") && bytes[$0 + 1] == UInt8(ascii: "#") }
    }

    /// How long a reference to such a character is, without its `&`: `#x1;` and `#1;`; `nil` for any other.
    private static func forbiddenReference(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.first == UInt8(ascii: "#"), let end = bytes.firstIndex(of: UInt8(ascii: ";")) else { return nil }
        let text = String(decoding: bytes[bytes.startIndex + 1..<end], as: UTF8.self)
        let number = text.hasPrefix("x") ? UInt8(text.dropFirst(), radix: 16) : UInt8(text)
        guard let number, isForbidden(number) else { return nil }
        return end - bytes.startIndex + 1
    }

    /// Reads a whole document; `nil` if it is not well-formed, or nested deeper than any that a service sends.
    ///
    /// Blanks before it, by which a service keeps a connection alive while it works, are left out.
    /// Control characters, which XML can't hold and Ceph sends all the same where it repeats a name, become `?`.
    /// Names lose their namespace. The corresponding C function is `XML_Parse`.
    package static func parse(_ bytes: [UInt8]) -> XMLElement? {
        guard let parser = XML_ParserCreate("UTF-8") else { return nil }
        defer { XML_ParserFree(parser) }
        let builder = TreeBuilder()
        // The builder lives until after the parser is done with it.
        XML_SetUserData(parser, Unmanaged.passUnretained(builder).toOpaque())
        XML_SetElementHandler(
            parser,
            { context, name, _ in
                guard let context, let name else { return }
                Unmanaged<TreeBuilder>.fromOpaque(context).takeUnretainedValue().open(String(cString: name))
            },
            { context, _ in
                guard let context else { return }
                Unmanaged<TreeBuilder>.fromOpaque(context).takeUnretainedValue().close()
            })
        XML_SetCharacterDataHandler(parser) { context, text, count in
            guard let context, let text else { return }
            let bytes = UnsafeRawBufferPointer(start: text, count: Int(count))
            Unmanaged<TreeBuilder>.fromOpaque(context).takeUnretainedValue().add(bytes)
        }
        let bytes = withoutForbidden(bytes).drop(while: isBlank)
        let status = bytes.withUnsafeBytes { bytes in
            XML_Parse(
                parser, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(clamping: bytes.count), 1)
        }
        return status == XML_STATUS_OK ? builder.root : nil
    }
}

/// Builds elements as the parser comes upon them.
private final class TreeBuilder {
    private(set) var root: XMLElement?
    private var open: [XMLElement] = []
    private var isTooDeep = false

    private static let deepest = 32

    func open(_ name: String) {
        isTooDeep = isTooDeep || open.count >= Self.deepest
        guard !isTooDeep else { return }
        open.append(XMLElement(name: String(name.split(separator: ":").last ?? "")))
    }

    func add(_ bytes: UnsafeRawBufferPointer) {
        guard !open.isEmpty else { return }
        open[open.count - 1].text += String(decoding: bytes, as: UTF8.self)
    }

    func close() {
        guard !isTooDeep, let element = open.popLast() else { return }
        if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
    }
}
