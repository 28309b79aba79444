import ArgumentParser
import Glibc
import ObjfsConfiguration
import Storage

/// `objfs cp`: copies objects and files, up, down, and between stores.
struct CopyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cp", abstract: "Copy objects and files", discussion: "The manual page is objfs-cp(1).")

    @Flag(name: [.customShort("r"), .long], help: "Copy all below a prefix or a folder")
    var recursive = false

    @OptionGroup var transfer: TransferArguments

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("What to copy, and where to; - is standard input or output", valueName: "url"))
    var urls: [String]

    func run() throws {
        guard urls.count > 1, let target = urls.last else {
            throw Failure(usage: "cp: a source and a target are needed")
        }
        let factory = stores.factory
        let sources = Array(urls.dropLast())
        guard target != "-" else { return try write(sources, factory) }
        if sources.contains("-") {
            guard sources.count == 1 else { throw Failure(usage: "cp: standard input is one object, and needs a name") }
            let failed = Attempts.count([target], "cp") { target throws(StorageError) in
                let place = try Location.find(target, factory)
                try StandardInputUpload(to: place.store, ObjectKey(place.key)).run()
            }
            return try Attempts.end(failed, of: 1)
        }
        try TransferSession("cp", transfer).copy(
            sources, to: target, isRecursive: recursive, factory, isMove: false)
    }

    private func write(_ sources: [String], _ factory: StoreFactory) throws {
        let failed = Attempts.count(sources, "cp") { source throws(StorageError) in
            try ByteSource(Location.find(source, factory)).read(nil) { part in
                Output.write(part)
                return true
            }
        }
        try Attempts.end(failed, of: sources.count)
    }
}

extension TransferSession {
    /// Copies what the sources name to a target, and deletes it there if it is to be moved.
    func copy(
        _ sources: [String], to target: String, isRecursive: Bool, _ factory: StoreFactory, isMove: Bool
    ) throws {
        let isFolder = target.hasSuffix("/") || sources.count > 1 || isRecursive
        var isMany = sources.count > 1
        for source in sources {
            do throws(StorageError) {
                let place = try Location.find(target, factory)
                let from = try Location.find(source, factory)
                let transfer = try transfer(from, place, factory, isMove: isMove)
                let plan = CopyPlan(source: from, target: place, isFolder: isFolder, isRecursive: isRecursive)
                let several = try plan.each { item in
                    copy(item, transfer, name: from.name(item.object.key)) { () throws(StorageError) in
                        if isMove { try Self.delete(item.object, from.store) }
                    }
                }
                isMany = isMany || several
                guard isMove, several, isRecursive else { continue }
                finish()
                if report.failed == 0 { try RemoveCommand.removeMarkers(from) }
            } catch {
                report.fail(source, error)
            }
        }
        finish()
        report.end(isMany: isMany)
        try report.exit()
    }

    /// Deletes an object that was copied, unless it is another by now.
    private static func delete(_ object: ObjectInfo, _ store: any ObjectStore) throws(StorageError) {
        if !object.key.endsInSlash {
            let now = try store.info(object.key)
            guard now.etag == object.etag else {
                throw StorageError(.changed, "the object has changed since it was copied, and was not deleted")
            }
        }
        try store.delete(object.key)
    }
}
