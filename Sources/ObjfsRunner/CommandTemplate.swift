import Storage

/// A command in which `{}` and its like stand for what differs from task to task.
package struct CommandTemplate: Sendable {
    private let words: [String]

    package init(_ words: [String]) { self.words = words }

    /// The program, for messages.
    package var program: String { words.first ?? "" }

    /// Whether a task needs a file that `{}` stands for; otherwise it gets its bytes on standard input.
    package var needsFile: Bool { words.contains { $0.contains("{}") } }

    /// The command of a task.
    ///
    /// - Parameter paths: What `{}` stands for: as a word of its own for all of them, a word each.
    package func arguments(for task: RunTask, of count: Int, paths: [String]) -> [String] {
        let key = task.pieces.first?.object.key.string ?? ""
        let base = key.pathParts.last { !$0.isEmpty } ?? key
        let values = [
            "{}": paths.joined(separator: " "), "{#}": String(task.number + 1), "{/}": base,
            "{.}": Self.withoutExtension(base), "{key}": key,
            "{n}": String(task.chunk),
        ]
        return words.flatMap { $0 == "{}" ? paths : [Self.filled($0, values)] }
    }

    /// A word with each placeholder replaced, once: what replaces one is not looked at again.
    private static func filled(_ word: String, _ values: [String: String]) -> String {
        guard word.contains("{") else { return word }
        var filled = ""
        var rest = word[...]
        while let open = rest.firstIndex(of: "{") {
            filled += rest[..<open]
            rest = rest[open...]
            let end = rest.firstIndex(of: "}").map { rest.index(after: $0) } ?? rest.endIndex
            if let value = values[String(rest[..<end])] {
                filled += value
                rest = rest[end...]
            } else {
                filled += "{"
                rest = rest.dropFirst()
            }
        }
        return filled + rest
    }

    private static func withoutExtension(_ name: String) -> String {
        guard let point = name.lastIndex(of: "."), point != name.startIndex else { return name }
        return String(name[..<point])
    }
}
