import ArgumentParser
import ObjfsConfiguration
import Storage

/// `objfs mv`: moves objects and files.
struct MoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mv", abstract: "Move objects and files", discussion: "The manual page is objfs-mv(1).")

    @Flag(name: [.customShort("r"), .long], help: "Move all below a prefix or a folder")
    var recursive = false

    @OptionGroup var transfer: TransferArguments

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("What to move, and where to", valueName: "url"))
    var urls: [String]

    func run() throws {
        guard urls.count > 1, let target = urls.last else {
            throw Failure(usage: "mv: a source and a target are needed")
        }
        guard !urls.contains("-") else { throw Failure(usage: "mv: standard streams can't be moved") }
        try TransferSession("mv", transfer).copy(
            Array(urls.dropLast()), to: target, isRecursive: recursive, stores.factory, isMove: true)
    }
}
