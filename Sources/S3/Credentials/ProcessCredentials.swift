import Glibc
import Processes
package import Storage

/// Credentials that a program prints, which a profile names as its `credential_process`.
package struct ProcessCredentials: CredentialSource {
    private let profile: String
    private let files: SharedFiles

    package init(profile: String, files: SharedFiles) {
        self.profile = profile
        self.files = files
    }

    package var name: String { "the credential_process of the profile '\(profile)'" }

    package func credentials() throws(StorageError) -> Credentials? {
        guard let command = files.profile(profile)?["credential_process"] else { return nil }
        return try Credentials(document: run(ShellWords.split(command)), from: name)
    }

    /// What the program prints; what it says on standard error goes to that of this process.
    private func run(_ words: [String]) throws(StorageError) -> String {
        guard !words.isEmpty, let pipe = Pipe() else { throw StorageError(.credentials, "\(name) can't be run") }
        defer { close(pipe.reading) }
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { close(null) }
        let start = ChildProcess.Start(
            words, environment: Environment.all, descriptors: [null, pipe.writing, STDERR_FILENO])
        let process: ChildProcess
        do {
            defer { close(pipe.writing) }
            process = try ChildProcess(start)
        } catch {
            throw StorageError(.credentials, "\(name): \(words[0]): \(error.reason)")
        }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(pipe.reading, &block, block.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0, bytes.count < 1 << 20 else { break }
            bytes += block[..<count]
        }
        guard process.wait().isSuccess else { throw StorageError(.credentials, "\(name) failed") }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A command line in words, as AWS's programs divide one.
enum ShellWords {
    /// Words are divided by blanks; in quotation marks of either kind blanks are kept.
    static func split(_ line: String) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        for character in line {
            switch (character, quote) {
            case (_, character?): quote = nil
            case ("\"", nil), ("'", nil):
                quote = character
                word = word ?? ""
            case (" ", nil), ("\t", nil):
                if let done = word { words.append(done) }
                word = nil
            default: word = (word ?? "") + String(character)
            }
        }
        if let word { words.append(word) }
        return words
    }
}
