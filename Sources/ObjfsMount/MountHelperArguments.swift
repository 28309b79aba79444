/// The command line of a mount helper, as mount(8) writes it, in the words of `objfs mount`.
///
/// `SPEC DIR [-sfnv] [-N namespace] [-o options] [-t type]`, in any order.
package struct MountHelperArguments: Hashable, Sendable {
    /// The arguments of `objfs mount`: options, source, folder.
    package private(set) var arguments: [String] = []
    /// Whether mount(8) asked to do everything but mount.
    package private(set) var isFake = false

    /// Options that are meant for mount(8), systemd or the kernel, and not for objfs.
    private static let foreign: Set<String> = [
        // how a mount is anyway
        "rw",
        // when and by whom it may be mounted
        "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev", "defaults",
        // what the kernel does with files
        "atime", "relatime", "norelatime", "strictatime", "diratime", "nodiratime", "dev", "nodev", "suid", "nosuid",
        "exec", "async",
    ]

    /// Options that the kernel must be told, for it is to refuse or do something.
    private static let kernel: Set<String> = ["noexec", "sync", "dirsync", "noatime"]

    /// Options of objfs that take no value.
    private static let flags: Set<String> = [
        "allow-other", "read-only", "no-sign-request", "allow-http", "verbose", "foreground",
    ]

    /// Options of objfs that take one.
    private static let valued: Set<String> = [
        "chunk-size", "format", "metadata-ttl", "absence-ttl", "memory-limit", "log-file", "permissions", "journal",
        "endpoint-url", "region", "profile", "addressing-style",
    ]

    /// Reads the command line.
    package init(_ words: [String]) throws(MountError) {
        var rest = words[...]
        var places: [String] = []
        var options: [String] = []
        while let word = rest.popFirst() {
            switch word {
            case "-o", "-t", "-N":
                guard let value = rest.popFirst() else { throw MountError("'\(word)' needs a value") }
                if word == "-o" { options += try Self.options(value) }
            case _ where word.hasPrefix("-") && word.utf8.count > 1:
                try readLetters(word)
            default: places.append(word)
            }
        }
        guard places.count == 2 else {
            throw MountError("a source and a folder are needed", hint: "mount.objfs SOURCE FOLDER [-o OPTIONS]")
        }
        arguments = options + ["--"] + places
    }

    private mutating func readLetters(_ word: String) throws(MountError) {
        for letter in word.dropFirst() {
            switch letter {
            // Sloppy options, no mtab, and talkative: all the same to objfs.
            case "s", "n", "v": continue
            case "f": isFake = true
            default: throw MountError("unknown option '-\(letter)'")
            }
        }
    }

    /// The options behind `-o`, as those of `objfs mount`.
    package static func options(_ list: String) throws(MountError) -> [String] {
        var arguments: [String] = []
        for option in split(list) where !option.isEmpty {
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            var name = parts[0].split(separator: "_", omittingEmptySubsequences: false).joined(separator: "-")
            if name == "ro" { name = "read-only" }
            if foreign.contains(parts[0]) || parts[0].hasPrefix("x-") || parts[0].hasPrefix("comment") { continue }
            if kernel.contains(parts[0]) {
                arguments.append("--kernel-option=\(parts[0])")
                continue
            }
            switch (flags.contains(name), valued.contains(name), parts.count > 1) {
            case (true, _, false): arguments.append("--\(name)")
            case (_, true, true): arguments.append("--\(name)=\(parts[1])")
            case (true, _, true): throw MountError("the option '\(parts[0])' takes no value")
            case (_, true, false): throw MountError("the option '\(parts[0])' needs a value")
            default: throw MountError("unknown option '\(parts[0])'")
            }
        }
        return arguments
    }

    /// The options between commas; one behind a backslash belongs to its option.
    private static func split(_ list: String) -> [String] {
        var options = [""]
        var isEscaped = false
        for character in list {
            switch (character, isEscaped) {
            case ("\\", false): isEscaped = true
            case (",", false): options.append("")
            default:
                options[options.count - 1].append(character)
                isEscaped = false
            }
        }
        return options
    }
}
