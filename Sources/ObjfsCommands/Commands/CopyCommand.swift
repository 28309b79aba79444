import ArgumentParser
import Bytes
import Glibc
import Storage
import Threads

/// `objfs cp`: copies objects and files, up, down, and between stores.
struct CopyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cp", abstract: "Copy objects and files", discussion: "The manual page is objfs-cp(1).")

    @Flag(name: [.customShort("r"), .long], help: "Copy all below a prefix or a folder")
    var recursive = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("What to copy, and where to; - is standard input or output", valueName: "url"))
    var urls: [String]

    func run() throws {
        guard urls.count > 1, let target = urls.last else {
            throw Failure(usage: "cp: a source and a target are needed")
        }
        let factory = stores.factory
        let sources = urls.dropLast()
        let isFolder = target.hasSuffix("/") || sources.count > 1 || recursive
        let failed = Attempts.count(Array(sources), "cp") { source throws(StorageError) in
            if target == "-" { return try write(Location.find(source, factory)) }
            let place = try Location.find(target, factory)
            if source == "-" { return try Transfer.standardInput(to: place.store, ObjectKey(place.key)) }
            try copy(Location.find(source, factory), to: place, isFolder: isFolder || Self.isFolder(target))
        }
        try Attempts.end(failed, of: sources.count)
    }

    /// Whether a target is a folder that is there.
    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private func write(_ source: Location) throws(StorageError) {
        try ByteSource(source).read(nil) { part in
            Output.write(part)
            return true
        }
    }

    private func copy(_ source: Location, to target: Location, isFolder: Bool) throws(StorageError) {
        let folder = target.key.isEmpty || target.key.hasSuffix("/") ? target.key : target.key + "/"
        let one = source.key.isEmpty || source.key.hasSuffix("/") ? nil : try Selection.find(source)
        if let one {
            let name = one.key.string.split(separator: "/").last.map(String.init) ?? one.key.string
            let key = isFolder || target.key.isEmpty ? folder + name : target.key
            return try Transfer.copy(one, from: source.store, to: target.store, ObjectKey(key))
        }
        guard recursive || KeyGlob.isPattern(source.key) else {
            throw StorageError(.notFound, "no object of this name", hint: "-r copies all below a prefix")
        }
        // What comes after the folder that was named is kept as it is below the target.
        let base = KeyGlob.isPattern(source.key) ? KeyGlob(source.key).literalPrefix : source.key
        let start =
            base.hasSuffix("/") || base.isEmpty ? base : KeyGlob.isPattern(source.key) ? Self.parent(base) : base + "/"
        var objects: [ObjectInfo] = []
        try Selection.each(source) { info in
            objects.append(info)
            return true
        }
        try Transfer.each(objects) { (info) throws(StorageError) in
            let name = String(decoding: info.key.string.utf8.dropFirst(start.utf8.count), as: UTF8.self)
            try Transfer.copy(info, from: source.store, to: target.store, ObjectKey(folder + name))
        }
    }

    private static func parent(_ key: String) -> String {
        key.lastIndex(of: "/").map { String(key[...$0]) } ?? ""
    }
}
