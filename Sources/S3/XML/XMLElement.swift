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

    /// Reads a whole document; `nil` if it is not well-formed, or nested deeper than any that a service sends.
    ///
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
        let bytes = bytes.contains(where: isForbidden) ? bytes.map { isForbidden($0) ? 0x3F : $0 } : bytes
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
