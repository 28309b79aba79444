import ArgumentParser
import ObjfsMount

/// `objfs umount`: unmounts a bucket.
struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "umount", abstract: "Unmount a bucket", discussion: "The manual page is objfs-umount(1).")

    @Argument(help: ArgumentHelp("Where it is mounted", valueName: "directory"))
    var directory: String

    func run() throws {
        do {
            try Unmount.unmount(directory)
        } catch {
            throw Failure(.impossible, "umount: \(directory): \(error.message)", hint: error.hint)
        }
    }
}
