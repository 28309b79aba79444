/// The names of chunk files: `chunk-07`, or `chunk-07.csv` with an extension.
///
/// Numbers are padded with zeros to the width of the last one, so that names in order are chunks in order.
package struct ChunkName: Hashable, Sendable {
    /// The number of chunks.
    package let count: Int64
    /// What a name ends with, without the point; `nil` for nothing.
    package let fileExtension: String?

    private static let prefix = "chunk-"

    package init(count: Int64, fileExtension: String? = nil) {
        self.count = max(count, 1)
        self.fileExtension = fileExtension
    }

    /// The name of a chunk.
    package func string(_ index: Int64) -> String {
        let number = String(index)
        let zeros = String(repeating: "0", count: max(String(count - 1).utf8.count - number.utf8.count, 0))
        return Self.prefix + zeros + number + (fileExtension.map { "." + $0 } ?? "")
    }

    /// The chunk that a name means, with any number of zeros before it and any extension; `nil` if there is none.
    package func index(_ name: String) -> Int64? {
        guard name.hasPrefix(Self.prefix) else { return nil }
        let rest = name.dropFirst(Self.prefix.count)
        let number = rest.prefix { $0 != "." }
        guard number.utf8.count == rest.utf8.count || rest.utf8.count > number.utf8.count + 1 else { return nil }
        guard !number.isEmpty, number.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        guard let index = Int64(number), index < count else { return nil }
        return index
    }

    /// The extension of an object's name, without the point: `csv` of `a/b.tar.csv`; `nil` if it has none.
    package static func fileExtension(of key: String) -> String? {
        let name = key.split(separator: "/").last ?? ""
        guard let point = name.lastIndex(of: "."), point != name.startIndex else { return nil }
        let part = name[name.index(after: point)...]
        return part.isEmpty ? nil : String(part)
    }
}
