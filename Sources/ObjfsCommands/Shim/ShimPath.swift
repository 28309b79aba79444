/// URLs in the arguments of programs, as paths.
enum ShimPath {
    /// How a URL of a service is written as a path.
    enum Spelling {
        /// As `/s3:/b/k`, which the preloaded library knows; it means the same tomorrow.
        case named
        /// As a path of the mount, which everybody knows.
        case mounted(ShimRoot)
    }

    /// An argument with its URL as a path; one like `if=s3://b/k` or `--input=s3://b/k` too.
    static func rewritten(_ argument: String, _ spelling: Spelling?) -> String {
        if let path = path(argument[...], spelling) { return path }
        guard let equals = argument.firstIndex(of: "=") else { return argument }
        let value = argument[argument.index(after: equals)...]
        return path(value, spelling).map { argument[...equals] + $0 } ?? argument
    }

    private static func path(_ text: Substring, _ spelling: Spelling?) -> String? {
        if text.hasPrefix("file:///") { return String(text.dropFirst(7)) }
        guard text.hasPrefix("s3:/"), let spelling else { return nil }
        let key = text.dropFirst(3).drop { $0 == "/" }
        let root =
            switch spelling {
            case .named: "/s3:"
            case .mounted(let root): root.point
            }
        return key.isEmpty ? root : root + "/" + key
    }
}
