import ArgumentParser
import Glibc
import ObjfsMount

/// `objfs mount --helper`: what mount(8) calls, by `mount.objfs`.
enum MountHelper {
    /// The statuses that mount(8) wants of a helper.
    private enum Status: Int32 {
        case success = 0
        case wrongInvocation = 1
        case failure = 32
    }

    /// Mounts as a helper's command line says, and ends the process.
    static func run(_ words: [String]) -> Never {
        do {
            let helper = try MountHelperArguments(words)
            var command = try Objfs.parseAsRoot(["mount"] + helper.arguments)
            if !helper.isFake { try command.run() }
            end(.success)
        } catch let error as MountError {
            end(.wrongInvocation, Failure(usage: "mount.objfs: \(error.message)", hint: error.hint))
        } catch let failure as Failure {
            end(failure.status == .usage ? .wrongInvocation : .failure, failure)
        } catch {
            end(.wrongInvocation, Failure(usage: "mount.objfs: \(Objfs.message(for: error))"))
        }
    }

    private static func end(_ status: Status, _ failure: Failure? = nil) -> Never {
        if let failure { Messages.write(failure) }
        exit(status.rawValue)
    }
}
