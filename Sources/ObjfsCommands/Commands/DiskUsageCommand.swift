import ArgumentParser
import Bytes
import ObjfsConfiguration
import Storage

/// `objfs du`: tells how much folders hold.
struct DiskUsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "du", abstract: "Tell how much folders hold", discussion: "The manual page is objfs-du(1).")

    @Flag(name: [.customShort("s"), .long], help: "Tell only the sum of each folder that is named")
    var summarize = false

    @Flag(name: [.customShort("h"), .long], help: "Print sizes with units")
    var humanReadable = false

    @Flag(help: "Print one JSON object for each folder")
    var json = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The folders, prefixes and objects", valueName: "url"))
    var urls: [String]

    func run() throws {
        let factory = stores.factory
        let output = LineWriter()
        let failed = Attempts.count(urls, "du") { url throws(StorageError) in
            let location = try Location.find(url, factory)
            if let info = try object(location) {
                return show(FolderSum(name: "", bytes: info.size, objects: 1), location.name(info.key), output)
            }
            try add(location, output)
        }
        output.flush()
        try Attempts.end(failed, of: urls.count)
    }

    /// The one object that is named, if it is one.
    private func object(_ location: Location) throws(StorageError) -> ObjectInfo? {
        location.key.isEmpty || location.key.hasSuffix("/") ? nil : try Selection.find(location)
    }

    private func add(_ location: Location, _ output: LineWriter) throws(StorageError) {
        var sums = FolderSums(location.folder)
        try Selection.each(location, withFolders: true) { (info) throws(StorageError) in
            for sum in sums.add(info) where !summarize { show(sum, location.name(ObjectKey(sum.name)), output) }
            return true
        }
        let rest = sums.end()
        for sum in summarize ? rest.suffix(1) : rest[...] {
            show(sum, location.name(ObjectKey(sum.name)), output)
        }
    }

    private func show(_ sum: FolderSum, _ name: String, _ output: LineWriter) {
        guard !json else {
            return output.line(
                JSONText.object([
                    ("name", .string(name)), ("size", .number(sum.bytes)), ("objects", .number(sum.objects)),
                ]))
        }
        output.line("\(humanReadable ? ByteCount(sum.bytes).description : String(sum.bytes))\t\(name)")
    }
}

/// What a folder holds, with all below it.
struct FolderSum {
    /// The beginning of its keys.
    let name: String
    var bytes: Int64 = 0
    var objects: Int64 = 0

    mutating func add(_ other: FolderSum) {
        bytes = bytes.addingReportingOverflow(other.bytes).partialValue
        objects += other.objects
    }
}

/// Sums up folders whose objects come in the order of their keys, and keeps only those that are open.
struct FolderSums {
    private var open: [FolderSum]

    init(_ prefix: String) { open = [FolderSum(name: prefix)] }

    /// Adds an object; the folders that ended before it are returned, the innermost first.
    mutating func add(_ info: ObjectInfo) -> [FolderSum] {
        let key = info.key.string
        var ended: [FolderSum] = []
        while open.count > 1, let last = open.last, !key.utf8.starts(with: last.name.utf8) { ended.append(close()) }
        let start = open.last?.name.utf8.count ?? 0
        var end = key.utf8.index(key.utf8.startIndex, offsetBy: min(start, key.utf8.count))
        while let slash = key.utf8[end...].firstIndex(of: UInt8(ascii: "/")) {
            end = key.utf8.index(after: slash)
            open.append(FolderSum(name: String(key[..<end])))
        }
        // What stands for a folder is none of its objects.
        if !key.hasSuffix("/") { open[open.count - 1].add(FolderSum(name: "", bytes: info.size, objects: 1)) }
        return ended
    }

    /// The folders that are still open, the innermost first.
    mutating func end() -> [FolderSum] {
        var ended: [FolderSum] = []
        while open.count > 1 { ended.append(close()) }
        return ended + open
    }

    private mutating func close() -> FolderSum {
        let sum = open.removeLast()
        open[open.count - 1].add(sum)
        return sum
    }
}
