import FUSE
import Glibc
import ObjfsMount
import Threads

/// What the daemon of `objfs exec` does beside answering the kernel: it ends when nobody has used it for a while.
struct ShimService: Sendable {
    let root: ShimRoot
    /// How long it stays when nobody uses it, in seconds.
    let patience: Int

    /// Watches a session on a thread of its own.
    func watch(_ session: Session) {
        Thread.start("objfs-idle") { endWhenUnused(session) }?.detach()
    }

    private func endWhenUnused(_ session: Session) {
        var requests = session.requests
        while true {
            sleep(UInt32(clamping: max(patience, 1)))
            let now = session.requests
            defer { requests = session.requests }
            if now == requests, end() { return }
        }
    }

    /// Unmounts, unless a call of `objfs exec` runs or begins, or a program that one left behind has files open.
    private func end() -> Bool {
        guard let starting = try? root.take(.starting, LOCK_EX | LOCK_NB) else { return false }
        defer { close(starting) }
        guard let using = try? root.take(.using, LOCK_EX | LOCK_NB) else { return false }
        defer { close(using) }
        do throws(MountError) {
            try Unmount.unmount(root.point)
            return true
        } catch {
            return false
        }
    }
}
