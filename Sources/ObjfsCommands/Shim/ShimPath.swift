/// URLs in the arguments of programs that the preloaded library can't reach, as paths.
enum ShimPath {
    /// An argument with its URL as a path; one like `if=s3://b/k` or `--input=s3://b/k` too.
    static func rewritten(_ argument: String, root: ShimRoot?) -> String {
        if let path = path(argument[...], root: root) { return path }
        guard let equals = argument.firstIndex(of: "=") else { return argument }
        let value = argument[argument.index(after: equals)...]
        return path(value, root: root).map { argument[...equals] + $0 } ?? argument
    }

    /// Whether an argument names an object of a service.
    static func mentionsObject(_ argument: String) -> Bool { argument.contains("s3:/") }

    private static func path(_ text: Substring, root: ShimRoot?) -> String? {
        if text.hasPrefix("file:///") { return String(text.dropFirst(7)) }
        guard text.hasPrefix("s3:/"), let root else { return nil }
        let key = text.dropFirst(3).drop { $0 == "/" }
        return key.isEmpty ? root.point : root.point + "/" + key
    }
}
