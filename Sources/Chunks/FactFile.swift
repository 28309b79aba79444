import Bytes
import Glibc
import Threads

/// A file of numbered facts about one thing, to which lines are added.
///
/// It begins with a line that says which thing, and has a line for each fact, with a checksum:
/// what is damaged, foreign or half-written is not believed. A file that can't be written remembers nothing.
final class FactFile: Sendable {
    private let path: String
    private let identity: String
    private let whenNew: @Sendable () -> Void
    /// The file, once something is to be written; -1 if it can't be.
    private let descriptor = Monitor<Int32?>(nil)

    /// Names a file; this neither reads nor makes it.
    ///
    /// - Parameters:
    ///   - path: Where it is.
    ///   - identity: What the facts are about, in one line.
    ///   - whenNew: Is called when the file was made.
    init(path: String, identity: String, whenNew: @escaping @Sendable () -> Void) {
        self.path = path
        self.identity = identity
        self.whenNew = whenNew
    }

    deinit {
        let descriptor = descriptor.withLock { $0 }
        if let descriptor, descriptor >= 0 { close(descriptor) }
    }

    /// The facts that are known; none if the file is missing or about something else.
    func load() -> [(number: Int64, fact: Substring)] {
        guard let text = SmallFile.text(path) else { return [] }
        var lines = text.split(separator: "\n")[...]
        guard let first = lines.popFirst(), first == identity else { return [] }
        return lines.compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 3, let number = Int64(words[0]) else { return nil }
            guard words[2] == Self.checksum(identity, "\(number) \(words[1])") else { return nil }
            return (number, words[1])
        }
    }

    /// Adds a fact, which is one word.
    ///
    /// The corresponding C function is `write`, to a file opened with `O_APPEND`: lines of several programs don't mix.
    func add(_ number: Int64, _ fact: String) {
        descriptor.withLock { known in
            let descriptor = known ?? open()
            known = descriptor
            guard descriptor >= 0 else { return }
            let words = "\(number) \(fact)"
            write(descriptor, "\(words) \(Self.checksum(identity, words))\n")
        }
    }

    private static func checksum(_ identity: String, _ words: String) -> String {
        Hex.string(Checksum.of(identity + words))
    }

    private func open() -> Int32 {
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return -1 }
        var status = stat()
        if fstat(descriptor, &status) == 0, status.st_size == 0 {
            whenNew()
            write(descriptor, identity + "\n")
        }
        return descriptor
    }

    private func write(_ descriptor: Int32, _ line: String) {
        var line = line
        // A line that is not written whole has no right checksum, and is then not believed.
        _ = line.withUTF8 { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
