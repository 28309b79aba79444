import ArgumentParser
import ObjfsConfiguration
import Storage

/// `objfs ls`: lists objects.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List objects", discussion: "The manual page is objfs-ls(1).")

    @Flag(name: [.short, .long], help: "Print size, time and name of each object")
    var long = false

    @Flag(name: [.short, .long], help: "List all keys below, not folders")
    var recursive = false

    @Flag(help: "Print one JSON object for each entry")
    var json = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("What to list; s3: for the buckets", valueName: "url"))
    var urls: [String] = ["s3:"]

    func run() throws {
        let factory = stores.factory
        let output = LineWriter()
        let failed = Attempts.count(urls, "ls") { url throws(StorageError) in
            if url == "s3:" || url == "s3://" {
                try listBuckets(factory, output)
            } else {
                try list(Location.find(url, factory), output)
            }
        }
        output.flush()
        try Attempts.end(failed, of: urls.count)
    }

    private func listBuckets(_ factory: StoreFactory, _ output: LineWriter) throws(StorageError) {
        for bucket in try factory.account().buckets() {
            if json {
                let created = bucket.created.iso8601
                output.line(JSONText.object([("bucket", .string(bucket.name)), ("created", .string(created))]))
            } else {
                output.line(long ? "\(bucket.created.iso8601)  \(bucket.name)/" : "\(bucket.name)/")
            }
        }
    }

    private func list(_ location: Location, _ output: LineWriter) throws(StorageError) {
        let key = location.key
        if !key.isEmpty, !key.hasSuffix("/") {
            if let info = try Selection.find(location) { return show(info, "", output) }
            if KeyGlob.isPattern(key) {
                return try Selection.each(location) { info throws(StorageError) in
                    show(info, "", output)
                    return true
                }
            }
        }
        try listFolder(key.isEmpty || key.hasSuffix("/") ? key : key + "/", location, output)
    }

    private func listFolder(_ prefix: String, _ location: Location, _ output: LineWriter) throws(StorageError) {
        var isFound = prefix.isEmpty
        let request = ListingRequest(prefix: prefix, isDelimited: !recursive)
        try location.store.eachPage(request) { page in
            isFound = isFound || !page.isEmpty
            page.warnOfIllegible(in: location.store)
            show(page, prefix, output)
            return true
        }
        guard isFound else { throw .notFound() }
    }

    /// Shows folders and objects in one order, as a page has them in two.
    private func show(_ page: ListingPage, _ prefix: String, _ output: LineWriter) {
        var folders = page.prefixes[...]
        for info in page.objects where info.key.string != prefix {
            while let folder = folders.first, ObjectKey(folder) < info.key {
                show(folder: folder, prefix, output)
                folders = folders.dropFirst()
            }
            show(info, prefix, output)
        }
        for folder in folders { show(folder: folder, prefix, output) }
    }

    private func show(_ info: ObjectInfo, _ prefix: String, _ output: LineWriter) {
        guard !json else { return output.line(JSONText.object(info.members)) }
        let name = String(decoding: info.key.string.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        output.line(long ? "\(padded(String(info.size)))  \(info.modified.iso8601)  \(name)" : name)
    }

    private func show(folder: String, _ prefix: String, _ output: LineWriter) {
        guard !json else { return output.line(JSONText.object([("prefix", .string(folder))])) }
        let name = String(decoding: folder.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        output.line(long ? "\(padded("-"))  \(String(repeating: " ", count: 20))  \(name)" : name)
    }

    private func padded(_ text: String) -> String {
        String(repeating: " ", count: max(14 - text.utf8.count, 0)) + text
    }
}
