import Glibc

/// The files in which AWS's programs keep profiles.
///
/// See: "Configuration and credential file settings" in AWS's manual.
package struct SharedFiles: Sendable {
    /// Values by section, and by name in it; a name in a nested block follows its block's name and a point.
    private var sections: [String: [String: String]] = [:]

    package init() {}

    /// Reads the files that the environment names, or the usual ones.
    package init(environment: [String: String]) {
        let home = environment["HOME"] ?? ""
        add(configuration: environment["AWS_CONFIG_FILE"] ?? home + "/.aws/config")
        add(credentials: environment["AWS_SHARED_CREDENTIALS_FILE"] ?? home + "/.aws/credentials")
    }

    private mutating func add(configuration path: String) {
        merge(Self.parse(Self.read(path) ?? ""))
    }

    /// The credentials file names a profile without the word `profile`, and wins over the other one.
    private mutating func add(credentials path: String) {
        let named = Self.parse(Self.read(path) ?? "").map { name, values in
            (name == "default" || name.hasPrefix("profile ") ? name : "profile \(name)", values)
        }
        merge(Dictionary(named) { first, _ in first })
    }

    private mutating func merge(_ more: [String: [String: String]]) {
        for (section, values) in more { sections[section, default: [:]].merge(values) { _, new in new } }
    }

    /// The values of a profile; `nil` if no file has it.
    package func profile(_ name: String) -> [String: String]? {
        sections["profile \(name)"] ?? (name == "default" ? sections["default"] : nil)
    }

    /// The values of another section, as `services NAME` or `sso-session NAME`.
    package func section(_ name: String) -> [String: String]? { sections[name] }

    /// Reads sections of names and values, with one level of nested blocks.
    static func parse(_ text: String) -> [String: [String: String]] {
        var sections: [String: [String: String]] = [:]
        var section: String?
        var block: String?
        for raw in text.split(whereSeparator: \.isNewline) {
            let line = trimmed(raw)
            guard let first = line.first, first != "#", first != ";" else { continue }
            if first == "[" {
                let name = line.dropFirst().prefix { $0 != "]" }
                section = sectionName(trimmed(name))
                block = nil
                if let section { sections[section, default: [:]].merge([:]) { old, _ in old } }
                continue
            }
            guard let section, let equals = line.firstIndex(of: "=") else { continue }
            let name = trimmed(line[..<equals]).lowercased()
            let value = withoutComment(trimmed(line[line.index(after: equals)...]))
            let isNested = raw.first == " " || raw.first == "\t"
            if !isNested { block = value.isEmpty ? name : nil }
            if let block, isNested {
                sections[section]?["\(block).\(name)"] = value
            } else {
                sections[section]?[name] = value
            }
        }
        return sections
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let rest = text.drop { $0 == " " || $0 == "\t" }
        let end = rest.lastIndex { $0 != " " && $0 != "\t" }.map { rest.index(after: $0) } ?? rest.startIndex
        return rest[..<end]
    }

    /// The name of a section: one word, or a word and a name, which may stand in quotation marks.
    private static func sectionName(_ text: Substring) -> String {
        let parts = text.split(maxSplits: 1, whereSeparator: { $0 == " " || $0 == "\t" })
        return parts.map { unquoted(trimmed($0)) }.joined(separator: " ")
    }

    private static func unquoted(_ word: Substring) -> String {
        word.count >= 2 && word.hasPrefix("\"") && word.hasSuffix("\"")
            ? String(word.dropFirst().dropLast()) : String(word)
    }

    /// A value ends where a blank and a `#` or `;` begin a comment.
    private static func withoutComment(_ value: Substring) -> String {
        var end = value.startIndex
        var last: Character = "x"
        while end < value.endIndex {
            let character = value[end]
            if character == "#" || character == ";", last == " " || last == "\t" { break }
            last = character
            end = value.index(after: end)
        }
        return String(trimmed(value[..<end]))
    }

    /// The text of a file; `nil` if it can't be read.
    package static func read(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = fread(&block, 1, block.count, file)
            bytes += block[..<count]
            guard count > 0, bytes.count < 16 << 20 else { return String(decoding: bytes, as: UTF8.self) }
        }
    }
}
