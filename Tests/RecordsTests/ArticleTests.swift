import Glibc
import ObjfsTesting
import Testing

/// The articles of the documentation show code that is there.
@Suite struct ArticleTests {
    private static let root = String(#filePath.dropLast("Tests/RecordsTests/ArticleTests.swift".utf8.count))

    private func text(_ path: String) -> String { String(decoding: TemporaryFolder.bytes(of: path), as: UTF8.self) }

    @Test(arguments: ["Sources/Records/Records.docc/WritingAFormat.md"])
    func `each piece of code of an article stands in the file that is named above it`(article: String) throws {
        var file: String?
        var code: [Substring]?
        var compared = 0
        for line in text(Self.root + article).split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```swift" {
                code = []
            } else if line == "```", let lines = code {
                let name = try #require(file, "a piece of code has no file")
                let piece = lines.joined(separator: "\n") + "\n"
                #expect(text(Self.root + name).contains(piece), "\(name) has no \(piece)")
                (code, file) = (nil, nil)
                compared += 1
            } else if code != nil {
                code?.append(line)
            } else if line.hasPrefix("`"), line.hasSuffix("`:") {
                file = String(line.dropFirst().dropLast(2))
            }
        }
        #expect(code == nil)
        #expect(compared > 3)
    }
}
