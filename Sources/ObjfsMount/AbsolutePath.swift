import Glibc

/// Paths from the root, with links followed where that is possible.
package enum AbsolutePath {
    /// The absolute form of a path: its longest part that exists with links followed, and the rest as it stands.
    ///
    /// The corresponding C function is `realpath`.
    package static func of(_ path: String) -> String {
        var head = path.hasPrefix("/") ? path : currentFolder() + "/" + path
        var tail: [Substring] = []
        while true {
            if let real = realpath(head, nil) {
                defer { free(real) }
                let base = String(cString: real)
                return tail.reduce(base == "/" ? "" : base) { $0 + "/" + $1 }.nonEmpty
            }
            while head.utf8.count > 1, head.hasSuffix("/") { head.removeLast() }
            guard let slash = head.lastIndex(of: "/"), head != "/" else { return path }
            let name = head[head.index(after: slash)...]
            if !name.isEmpty, name != "." { tail.insert(name, at: 0) }
            head = slash == head.startIndex ? "/" : String(head[..<slash])
        }
    }

    private static func currentFolder() -> String {
        guard let folder = getcwd(nil, 0) else { return "" }
        defer { free(folder) }
        return String(cString: folder)
    }
}

extension String {
    fileprivate var nonEmpty: String { isEmpty ? "/" : self }
}
