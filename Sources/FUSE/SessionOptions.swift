/// How a file system is mounted.
package struct SessionOptions: Sendable {
    /// What `mount` and `df` show as the source.
    package var source: String
    /// What stands behind `fuse.` in the type that `mount` shows.
    package var subtype: String
    /// Whether the kernel lets other users in, with permissions checked by it.
    package var allowsOthers: Bool
    /// Whether the kernel refuses to write.
    package var isReadOnly: Bool
    /// What else the kernel is told, such as `noexec`.
    package var kernel: [String]

    package init(
        source: String, subtype: String, allowsOthers: Bool = false, isReadOnly: Bool = false, kernel: [String] = []
    ) {
        self.source = source
        self.subtype = subtype
        self.allowsOthers = allowsOthers
        self.isReadOnly = isReadOnly
        self.kernel = kernel
    }

    /// The options as libfuse reads them: separated by commas, those inside a value escaped.
    var text: String {
        var words = ["fsname=\(escaped(source))", "subtype=\(escaped(subtype))", "auto_unmount", "default_permissions"]
        if allowsOthers { words.append("allow_other") }
        if isReadOnly { words.append("ro") }
        return (words + kernel).joined(separator: ",")
    }

    private func escaped(_ value: String) -> String {
        var text = ""
        for character in value {
            if character == "," || character == "\\" { text.append("\\") }
            text.append(character)
        }
        return text
    }
}
