/// The name of a chunk folder, taken apart: `F@chunks@16@csv` is the file `F` and the words `16` and `csv`.
struct ChunkFolderName {
    /// The name of the file that is cut.
    let file: String
    /// What stands between the `@`s.
    let words: [String]

    private static let mark = Array("@chunks".utf8)

    /// Takes a name apart at the last `@chunks` that ends it or has an `@` behind it; `nil` if there is none.
    init?(_ name: String) {
        let bytes = Array(name.utf8)
        guard let start = Self.lastMark(in: bytes), start > 0 else { return nil }
        file = String(decoding: bytes[..<start], as: UTF8.self)
        let rest = bytes[(start + Self.mark.count)...].dropFirst()
        words =
            start + Self.mark.count == bytes.count
            ? []
            : rest.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
    }

    private static func lastMark(in bytes: [UInt8]) -> Int? {
        var start = bytes.count - mark.count
        while start >= 0 {
            let end = start + mark.count
            if bytes[start..<end].elementsEqual(mark), end == bytes.count || bytes[end] == UInt8(ascii: "@") {
                return start
            }
            start -= 1
        }
        return nil
    }
}
