import Glibc
import Processes
package import Storage

/// Credentials that a program prints, which a profile names as its `credential_process`.
package struct ProcessCredentials: CredentialSource {
    private let profile: String
    private let files: SharedFiles
    private let patience: Duration

    /// How much a program may print, in bytes: credentials are much shorter.
    private static let longest = 1 << 20

    /// Makes the source.
    ///
    /// - Parameter patience: How long the program may take, which may ask a person for something.
    package init(profile: String, files: SharedFiles, patience: Duration = .seconds(60)) {
        self.profile = profile
        self.files = files
        self.patience = patience
    }

    package var name: String { "the credential_process of the profile '\(profile)'" }

    package func credentials() throws(StorageError) -> Credentials? {
        guard let command = files.profile(profile)?["credential_process"] else { return nil }
        return try Credentials(document: run(ShellWords.split(command)), from: name)
    }

    /// What the program prints; one that prints too much or takes too long is ended.
    private func run(_ words: [String]) throws(StorageError) -> String {
        guard !words.isEmpty, let pipe = Pipe() else { throw StorageError(.credentials, "\(name) can't be run") }
        let deadline = ContinuousClock.now + patience
        let process = try start(words, pipe)
        var ending: Ending?
        let output: String
        do throws(StorageError) {
            output = try read(pipe.reading, of: process, &ending, until: deadline)
            if ending == nil { ending = try wait(for: process, until: deadline) }
        } catch {
            if ending == nil {
                process.signal(SIGKILL)
                _ = process.wait()
            }
            throw error
        }
        guard ending?.isSuccess ?? false else { throw StorageError(.credentials, "\(name) failed") }
        return output
    }

    /// Starts the program; what it says on standard error goes to that of this process.
    ///
    /// It leads no group of its own, so that it may ask a person at the terminal, and Ctrl-C ends it too.
    private func start(_ words: [String], _ pipe: Pipe) throws(StorageError) -> ChildProcess {
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        defer { for end in [null, pipe.writing] { close(end) } }
        let start = ChildProcess.Start(
            words, environment: Environment.all, descriptors: [null, pipe.writing, STDERR_FILENO])
        do throws(ChildProcess.StartError) {
            return try ChildProcess(start)
        } catch {
            close(pipe.reading)
            throw StorageError(.credentials, "\(name): \(words[0]): \(error.reason)")
        }
    }

    /// Reads a pipe to its end and closes it, so that nobody is left writing into it.
    ///
    /// - Parameter ending: How the program ended, if it did so first: others may hold the pipe for long.
    private func read(
        _ descriptor: Int32, of process: ChildProcess, _ ending: inout Ending?, until deadline: ContinuousClock.Instant
    ) throws(StorageError) -> String {
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4096)
        while true {
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard ContinuousClock.now < deadline else { throw late }
            let isReady = Glibc.poll(&poll, 1, ending == nil ? 50 : 0) > 0
            if !isReady {
                if ending != nil { return String(decoding: bytes, as: UTF8.self) }
                ending = process.poll()
                continue
            }
            let count = Glibc.read(descriptor, &block, block.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += block[..<count]
            guard bytes.count <= Self.longest else {
                throw StorageError(.credentials, "\(name) prints more than 1 MiB")
            }
        }
    }

    /// Waits for a program that has closed its output, which ends at once as a rule.
    private func wait(
        for process: ChildProcess, until deadline: ContinuousClock.Instant
    ) throws(StorageError) -> Ending {
        while true {
            if let ending = process.poll() { return ending }
            guard ContinuousClock.now < deadline else { throw late }
            usleep(1000)
        }
    }

    private var late: StorageError { StorageError(.credentials, "\(name) takes too long") }
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
