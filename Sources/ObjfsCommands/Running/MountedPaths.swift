import ObjfsMount
import ObjfsRunner
import Records
import Storage

/// Where mounts of this machine show the pieces of a job.
struct MountedPaths: Sendable {
    private let mounts: [Mount]
    private let parameters: ChunkParameters
    /// Whether tasks get whole objects.
    private let isWhole: Bool

    init(_ parameters: ChunkParameters, isWhole: Bool) {
        mounts = MountTable.mounts()
        self.parameters = parameters
        self.isWhole = isWhole
    }

    /// The path of the object, or of the chunk, that a piece of a task is; `nil` if no mount shows it.
    ///
    /// Whether the file there is the version of the plan, only a look at the file can tell.
    func path(_ task: RunTask, _ piece: Piece) -> String? {
        let store = piece.store.name
        let address = (store.hasSuffix("/") ? String(store.dropLast()) : store) + "/" + piece.object.key.string
        for mount in mounts.reversed() {
            guard let rest = Self.rest(of: address, in: mount.source), !rest.isEmpty else { continue }
            let object = mount.point + "/" + rest
            return isWhole || task.chunks == 1 ? object : chunk(task, of: object)
        }
        return nil
    }

    /// What of an address a mount has as a path in it.
    private static func rest(of address: String, in source: String) -> Substring? {
        let start = source == "s3:" ? "s3://" : source.hasSuffix("/") ? source : source + "/"
        return address.hasPrefix(start) ? address.dropFirst(start.count) : nil
    }

    private func chunk(_ task: RunTask, of object: String) -> String {
        let header = parameters.repeatsHeader ? "@header" : ""
        return "\(object)@chunks@\(parameters.borderWords)\(header)/"
            + ChunkName(count: task.chunks).string(task.chunk)
    }
}
