import ArgumentParser
import Glibc
import Storage
import Threads

/// `objfs rm`: deletes objects.
struct RemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Delete objects", discussion: "The manual page is objfs-rm(1).")

    @Flag(name: [.customShort("r"), .long], help: "Delete all below a prefix or a folder too")
    var recursive = false

    @Flag(name: [.customShort("f"), .long], help: "Do not ask, and do not mind what is not there")
    var force = false

    @Flag(help: "Only tell what would be deleted")
    var dryRun = false

    @Flag(help: "With --dry-run, print one JSON object for each")
    var json = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("What to delete", valueName: "url"))
    var urls: [String]

    func validate() throws {
        if json, !dryRun { throw ValidationError("--json goes with --dry-run") }
    }

    func run() throws {
        let factory = stores.factory
        let output = LineWriter()
        var all = Outcome()
        let failed = Attempts.count(urls, "rm") { url throws(StorageError) in
            let location = try Location.find(url, factory)
            do throws(StorageError) {
                let outcome = try remove(location, url, output)
                all.deleted += outcome.deleted
                all.left += outcome.left
            } catch {
                guard force, error.code == .notFound else { throw error }
            }
        }
        output.flush()
        guard all.left == 0 else { throw ExitStatusError(status: all.deleted > 0 ? .failure : .impossible) }
        try Attempts.end(failed, of: urls.count)
    }

    /// How many objects were deleted, and how many are still there, each of which was told.
    private struct Outcome {
        var deleted = 0
        var left = 0
    }

    /// Deletes what a URL names.
    private func remove(_ location: Location, _ url: String, _ output: LineWriter) throws(StorageError) -> Outcome {
        let hasName = !location.key.isEmpty && !location.key.hasSuffix("/")
        let isOne = hasName ? try Selection.find(location) != nil : false
        let isPattern = KeyGlob.isPattern(location.key)
        guard isOne || isPattern || recursive else {
            throw StorageError(.notFound, "no object of this name", hint: "-r deletes all below a prefix")
        }
        var keys: [ObjectKey] = []
        try Selection.each(location) { info in
            keys.append(info.key)
            return true
        }
        guard isOne || confirms(keys.count, url) else { return Outcome() }
        guard !dryRun else {
            for name in keys.map(location.name) {
                output.line(json ? JSONText.object([("action", .string("delete")), ("name", .string(name))]) : name)
            }
            return Outcome()
        }
        guard keys.count > 1 else {
            for key in keys { try location.store.delete(key) }
            if recursive, !isOne, !isPattern { try Self.removeMarkers(location) }
            return Outcome(deleted: keys.count)
        }
        let undeleted = try Self.delete(keys, location.store)
        for one in undeleted { Messages.write(Failure("rm", location.name(one.key), one.error)) }
        if undeleted.isEmpty, recursive, !isPattern { try Self.removeMarkers(location) }
        return Outcome(deleted: keys.count - undeleted.count, left: undeleted.count)
    }

    /// How many keys are deleted by one call, and how many calls are made at a time.
    private static let (batch, calls) = (1000, 4)

    /// Deletes many objects, several batches of them at a time.
    ///
    /// - Returns: Those that are still there, and why.
    /// - Throws: Why none could be deleted.
    static func delete(_ keys: [ObjectKey], _ store: any ObjectStore) throws(StorageError) -> [Undeleted] {
        let batches = stride(from: 0, to: keys.count, by: batch).map { Array(keys[$0..<min($0 + batch, keys.count)]) }
        let pool = WorkerPool("objfs-delete", limit: calls)
        let undeleted = try pool.each(batches) { (batch) throws(StorageError) in try store.delete(batch) }
        return undeleted.joined().sorted { $0.key < $1.key }
    }

    /// Deletes what stands for the folders themselves, the innermost first.
    static func removeMarkers(_ location: Location) throws(StorageError) {
        let prefix = location.key.isEmpty || location.key.hasSuffix("/") ? location.key : location.key + "/"
        var markers: [ObjectKey] = []
        try location.store.eachPage(ListingRequest(prefix: prefix)) { page in
            markers += page.objects.map(\.key).filter { $0.endsInSlash }
            return true
        }
        // A folder that holds nothing but folders is listed by these alone.
        var folders = Set(markers)
        for marker in markers {
            var path = marker.string.utf8.dropLast()
            while let slash = path.lastIndex(of: UInt8(ascii: "/")), path[...slash].count >= prefix.utf8.count,
                slash > path.startIndex
            {
                folders.insert(ObjectKey(String(decoding: path[...slash], as: UTF8.self)))
                path = path[..<slash]
            }
        }
        for folder in folders.sorted(by: >) where !folder.string.isEmpty { try location.store.delete(folder) }
        // A folder that stands for a bucket is what was named, and goes too; one that was filled meanwhile stays.
        let scheme = "file://"
        if location.key.isEmpty, location.store.name.hasPrefix(scheme) {
            rmdir(String(location.store.name.dropFirst(scheme.count)))
        }
    }

    /// Whether many objects may go: a person at a terminal is asked.
    private func confirms(_ count: Int, _ url: String) -> Bool {
        guard !force, !dryRun, isatty(STDIN_FILENO) == 1 else { return true }
        Messages.write(
            Array("objfs: rm: delete \(count) objects of \(TerminalText.visible(url))? ".utf8), to: STDERR_FILENO)
        return readLine()?.lowercased().hasPrefix("y") ?? false
    }
}
