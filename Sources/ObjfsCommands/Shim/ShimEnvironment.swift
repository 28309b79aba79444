import Processes

/// What the programs below `objfs exec` find in their environment.
struct ShimEnvironment {
    /// `NAME=VALUE` each.
    private(set) var words: [String]

    /// - Parameters:
    ///   - root: The folder whose `s3` has the buckets; `nil` if they could not be mounted.
    ///   - library: What is preloaded.
    init(_ words: [String], root: ShimRoot?, library: String) {
        self.words = words
        set("OBJFS_ROOT", root?.path ?? "")
        preload(library)
        guard root != nil else { return }
        // To these two, a name with a colon is a file of another host, or a protocol.
        add("--force-local", to: "TAR_OPTIONS")
        addGitConfiguration("url./s3:/.insteadOf", "s3://")
    }

    private func value(_ name: String) -> String? {
        words.first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.utf8.count + 1)) }
    }

    private mutating func set(_ name: String, _ value: String) {
        words.removeAll { $0.hasPrefix(name + "=") }
        words.append("\(name)=\(value)")
    }

    /// Adds a word to a list of words that blanks divide, once.
    private mutating func add(_ word: String, to name: String) {
        let words = (value(name) ?? "").split(separator: " ").map(String.init)
        if !words.contains(word) { set(name, (words + [word]).joined(separator: " ")) }
    }

    /// Ours comes last: what others preload to count or to change calls sees what the program said.
    private mutating func preload(_ library: String) {
        let others = (value("LD_PRELOAD") ?? "").split { $0 == " " || $0 == ":" }.map(String.init)
        if !others.contains(library) { set("LD_PRELOAD", (others + [library]).joined(separator: ":")) }
    }

    private mutating func addGitConfiguration(_ key: String, _ setting: String) {
        let count = value("GIT_CONFIG_COUNT").flatMap { UInt16($0) } ?? 0
        guard !(0..<count).contains(where: { value("GIT_CONFIG_KEY_\($0)") == key }), count < .max else { return }
        set("GIT_CONFIG_KEY_\(count)", key)
        set("GIT_CONFIG_VALUE_\(count)", setting)
        set("GIT_CONFIG_COUNT", "\(count + 1)")
    }
}
