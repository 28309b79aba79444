import ArgumentParser
import ObjfsEngine
import ObjfsMount

/// `objfs umount`: unmounts a bucket.
struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "umount", abstract: "Unmount a bucket", discussion: "The manual page is objfs-umount(1).")

    @Argument(help: ArgumentHelp("Where it is mounted", valueName: "directory"))
    var directory: String

    func run() throws {
        let journal: String?
        do throws(MountError) {
            journal = try Unmount.unmountAndWait(directory)
        } catch {
            throw Failure(.impossible, "umount: \(directory): \(error.message)", hint: error.hint)
        }
        let left = journal.map { LeftBehind.count(in: $0) } ?? 0
        guard left > 0 else { return }
        throw Failure(
            .notUploaded, "umount: \(directory): it is unmounted, and \(left) of its files were not stored",
            hint: "objfs recover lists what was kept of them")
    }
}
