package import Chunks
package import Records

/// What the engine of a mount is told by its user.
package struct EngineOptions: Sendable {
    /// For how long names and attributes are believed after the store gave them.
    package var metadataTTL: Duration = .seconds(1)
    /// For how long the store is believed that a name is not there.
    package var absenceTTL: Duration = .zero
    /// How `F@chunks` is cut where its name does not say.
    package var chunks = ChunkParameters(cut: .size(64 << 20))
    /// How much memory objects' bytes may take, in bytes.
    package var memoryLimit: Int = MemoryBudget.defaultLimit
    /// The user whom files belong to.
    package var owner: UInt32
    /// The group whom files belong to.
    package var group: UInt32
    /// The permission bits of files.
    package var filePermissions: UInt32 = 0o644
    /// The permission bits of folders.
    package var folderPermissions: UInt32 = 0o755
    /// Remembers the borders of chunks from one mount to the next.
    package var borders = BorderCache(folder: nil)
    /// Where files are kept that are being written; without one, nothing can be written.
    package var journal: Journal?
    /// What becomes of modes, owners, times and extended attributes.
    package var permissions = PermissionsPolicy.persist
    /// Is told of files that could not be stored, besides the program that closed them.
    package var reportsStoring: (@Sendable (StoringReport) -> Void)?

    package init(owner: UInt32, group: UInt32) {
        self.owner = owner
        self.group = group
    }
}

/// What becomes of modes, owners, times and extended attributes that programs set.
package enum PermissionsPolicy: String, Hashable, Sendable, CaseIterable {
    /// They are kept in the objects' metadata, and shown from there.
    case persist
    /// Setting them does nothing, and all files look the same.
    case ignore
    /// Setting them is refused, and all files look the same.
    case refuse
}
