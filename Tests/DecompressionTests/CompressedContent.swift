import ObjfsTesting

/// A way in which real programs compress, and what they make of some content.
struct CompressedContent: Sendable, CustomStringConvertible {
    let description: String
    /// Compresses standard input to standard output.
    private let command: String
    /// How the content is cut before each part is compressed by itself; 1 for not at all.
    let parts: Int

    init(_ command: String, parts: Int = 1) {
        self.command = command
        self.parts = parts
        description = parts > 1 ? "\(command), \(parts) parts" : command
    }

    /// Programs of all the formats, in ways that differ in where one can begin to decompress.
    static let all = [
        CompressedContent("gzip -c"), CompressedContent("gzip -1c"), CompressedContent("gzip -c", parts: 7),
        CompressedContent("pigz -c -p 2"), CompressedContent("bgzip -c"), CompressedContent("bgzip -c", parts: 3),
        CompressedContent("zstd -qc"), CompressedContent("zstd -qc", parts: 9),
        CompressedContent("zstd -qc --no-check --no-content-size", parts: 4),
        CompressedContent("pzstd -qc -p 2"), CompressedContent("bzip2 -c"), CompressedContent("bzip2 -1c", parts: 3),
        CompressedContent("xz -0c"), CompressedContent("xz -0c --block-size=300000 -T2"),
        CompressedContent("xz -0c --check=none", parts: 4), CompressedContent("lz4 -qc"),
        CompressedContent("lz4 -qc -BD -B4"), CompressedContent("lz4 -qc -BX -B5 --no-frame-crc"),
        CompressedContent("lz4 -qc --content-size -B4", parts: 5),
    ]

    /// The content compressed.
    func made(of content: [UInt8]) throws -> [UInt8] {
        var output: [UInt8] = []
        for part in 0..<parts {
            let range = content.count * part / parts..<content.count * (part + 1) / parts
            let program = try Program.run(["sh", "-c", command], input: Array(content[range]))
            guard program.isSuccess else { throw ServerError("\(command): \(program.standardError)") }
            output += program.output
        }
        return output
    }

    /// Content of which some can be compressed well, some badly, and some not at all.
    static func random(_ count: Int, using random: inout SeededGenerator) -> [UInt8] {
        var content: [UInt8] = []
        while content.count < count {
            let length = Int.random(in: 1...40_000, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: content += (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            case 1: content += [UInt8](repeating: UInt8.random(in: .min ... .max, using: &random), count: length)
            case 2: content += (0..<length / 12).flatMap { Array("line \($0)\n".utf8) }
            default:
                guard content.count > 1 else { continue }
                let start = Int.random(in: 0..<content.count, using: &random)
                content += content[start..<min(start + length, content.count)]
            }
        }
        return Array(content.prefix(count))
    }
}
