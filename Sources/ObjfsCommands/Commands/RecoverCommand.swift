import ArgumentParser
import Bytes
import ObjfsConfiguration
import ObjfsEngine
import ObjfsMount
import Storage

/// `objfs recover`: lists, uploads or discards what was written to a mount and is not in the store.
struct RecoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover", abstract: "Bring what a mount could not store to the store",
        discussion: "The manual page is objfs-recover(1).")

    @Flag(help: "Make the objects, and forget what was left behind")
    var upload = false

    @Flag(help: "Remove what was left behind, for good")
    var discard = false

    @Flag(help: "Replace objects that were changed since")
    var force = false

    @Flag(help: "Print an object of JSON for each file")
    var json = false

    @Option(help: ArgumentHelp("The journal to look into", valueName: "folder"))
    var journal: String?

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("What to upload or discard, as listed; all of it without", valueName: "id"))
    var ids: [String] = []

    func run() throws {
        guard !upload || !discard else { throw Failure(usage: "recover: --upload and --discard exclude each other") }
        guard let root = journal.map({ AbsolutePath.of($0) }) ?? CacheFolder.journal else {
            throw Failure(.impossible, "recover: there is no journal", hint: "name its folder by --journal")
        }
        let found = LeftBehind.all(in: root)
        let all = found.filter { !$0.isDiscarded }
        let unknown = ids.filter { id in !all.contains { $0.id == id } }
        guard unknown.isEmpty else {
            throw Failure(.impossible, "recover: \(unknown[0]): there is no such file in the journal")
        }
        let files = ids.isEmpty ? all : all.filter { ids.contains($0.id) }
        guard upload || discard else { return list(files) }
        for file in found where file.isDiscarded { try? file.abort(in: stores.store(of: file)) }
        var failures = 0
        for file in files {
            if discard { giveUp(file) } else { failures += store(file) ? 0 : 1 }
        }
        guard failures == 0 else { throw ExitStatusError(status: .failure) }
    }

    private func list(_ files: [LeftBehind]) {
        let output = LineWriter()
        for file in files { output.line(json ? file.json : file.line) }
        output.flush()
    }

    /// Makes the object; `false` if that failed, which is told.
    private func store(_ file: LeftBehind) -> Bool {
        do throws(StorageError) {
            let store = try stores.store(of: file)
            try? file.abort(in: store)
            try file.upload(to: store, replacing: force)
            Messages.warn("recover: \(file.url): stored")
            return true
        } catch {
            Messages.write(Failure(.failure, "recover: \(file.url): \(error.message)", hint: hint(error, file)))
            return false
        }
    }

    private func hint(_ error: StorageError, _ file: LeftBehind) -> String? {
        switch error.code {
        case .preconditionFailed, .changed, .corrupted:
            force || !file.isReadable
                ? "\(file.data) has what was written, each byte at its own offset; the rest is not to be had"
                : "--force replaces what is there by what was left behind"
        default: error.hint
        }
    }

    private func giveUp(_ file: LeftBehind) {
        // The service keeps, and charges for, the parts of an upload that nobody ends.
        if file.mayHaveUpload, let store = try? stores.store(of: file) { try? file.abort(in: store) }
        file.discard()
        Messages.warn("recover: \(file.url): discarded")
    }
}

extension StoreArguments {
    /// The store that a file was to be written to.
    func store(of file: LeftBehind) throws(StorageError) -> any ObjectStore {
        let url = try ObjectURL(file.store)
        let bucket = try (file.service.map(factory(at:)) ?? factory).store(url)
        return url.key.isEmpty ? bucket : PrefixedStore(bucket, prefix: url.key)
    }
}

extension LeftBehind {
    /// The URL of the object that it was to be; where its bytes are if that can't be read.
    var url: String { isReadable ? "\(store)/\(key)" : data }

    /// Where its service is; `nil` if that is AWS, or not known.
    fileprivate var endpoint: String? { service.flatMap { $0.isEmpty ? nil : $0 } }

    fileprivate var line: String {
        let reason = isReadable ? failure.map { ": \($0)" } ?? "" : ": its log can't be read"
        return "\(id)\t\(written) of \(size) bytes\t\(url)\(reason)"
    }

    fileprivate var json: String {
        JSONText.object([
            ("id", .string(id)), ("url", isReadable ? .string(url) : .null), ("data", .string(data)),
            ("service", endpoint.map { .string($0) } ?? .null),
            ("size", .number(size)), ("written", .number(written)),
            ("reason", failure.map { .string($0) } ?? .null),
        ])
    }
}
