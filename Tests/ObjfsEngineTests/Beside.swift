import ObjfsEngine
import SystemPackage
import Threads
import VFS

/// Something that is done by another thread.
final class Beside<Value: Sendable>: Sendable {
    private let result = Monitor<Value?>(nil)

    init(_ body: @escaping @Sendable () -> Value) {
        let result = result
        Thread.start("beside") {
            let value = body()
            result.update { $0 = value }
        }?.detach()
    }

    /// What came of it; `nil` if nothing has after ten seconds.
    var value: Value? { result.wait(atMost: .seconds(10)) { $0 } }

    func isOver(within duration: Duration) -> Bool { result.wait(atMost: duration) { $0 } != nil }
}

extension WritableStore {
    /// Lets another thread store what was written.
    func flushBeside(_ handle: FileHandle) -> Beside<Errno?> {
        Beside { [engine] in
            Errno.thrown { () throws(Errno) in try engine.flush(handle, by: Self.caller) }
        }
    }

    /// Lets another thread rename something in the root folder.
    func renameBeside(_ old: String, _ new: String) -> Beside<Errno?> {
        Beside { [engine] in
            Errno.thrown { () throws(Errno) in
                try engine.rename(old, in: Inode.root, to: new, in: Inode.root, flags: 0)
            }
        }
    }

    /// Lets another thread set the size or the permissions of a file by its path.
    func setBeside(
        _ path: String, size: Int64? = nil, permissions: UInt32? = nil
    ) throws(Errno) -> Beside<Errno?> {
        var change = AttributeChange()
        change.size = size
        change.permissions = permissions
        let inode = try mount.lookup(path).inode
        return Beside { [engine, change] in
            Errno.thrown { () throws(Errno) in _ = try engine.setAttributes(of: inode, change, handle: nil) }
        }
    }
}
