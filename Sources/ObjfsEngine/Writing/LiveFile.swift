import Bytes
import Storage
import Synchronization
import SystemPackage
import Threads
import VFS

/// A file that was changed through this mount: it keeps its inode number while its object has one version after another.
final class LiveFile: Sendable {
    struct State {
        var key: ObjectKey
        /// The version in the store; `nil` before there is one.
        var info: ObjectInfo?
        /// What the object carries that is no file's metadata, such as its media type.
        var attributes: ObjectAttributes
        var metadata: FileMetadata
        /// What must hold for the next version to be written.
        var condition: WriteCondition
        var draft: Draft?
        /// How many open files may write.
        var writers = 0
        var isUnlinked = false
        /// Whether the metadata differs from what the store has.
        var isMetadataDirty = false
        /// The time of the last write; `nil` if nothing was written since the last commit.
        var written: FileTime?
        /// Whether the store may have taken a first version all the same, when it did not answer.
        var mayHaveVersion = false
        /// Whether the first version must not replace another.
        var isExclusive = false
        /// Whether the kernel may have pages that were written and given up.
        var hasLostPages = false
        /// When the version was written, as the store lists it; `nil` until it was listed.
        ///
        /// The answer to a write tells it in whole seconds.
        var listed: Timestamp?
    }

    let bucket: Bucket
    let inode: Inode
    let type: FileType
    let state: Monitor<State>
    /// Whether somebody changes what the store has of the file.
    private let turn = Monitor(false)

    init(bucket: Bucket, inode: Inode, type: FileType, state: sending State) {
        self.bucket = bucket
        self.inode = inode
        self.type = type
        self.state = Monitor(state)
    }

    /// A file whose object is in the store.
    convenience init(_ object: ObjectVersion, attributes: ObjectAttributes, inode: Inode) {
        let metadata = FileMetadata(attributes)
        self.init(
            bucket: object.bucket, inode: inode, type: metadata.fileType,
            state: State(
                key: object.key, info: object.info, attributes: attributes, metadata: metadata,
                condition: .unchanged(object.info.etag)))
    }

    var key: ObjectKey { state.withLock { $0.key } }
    var url: String { "\(bucket.store.name)/\(key)" }

    /// Does something to what the store has of the file, while nobody else does.
    func inTurn<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        takeTurn()
        defer { endTurn() }
        return try body()
    }

    /// Waits until nobody else changes what the store has of the file; any thread may ``endTurn()`` then.
    func takeTurn() {
        turn.wait { isTaken -> Void? in
            guard !isTaken else { return nil }
            isTaken = true
            return ()
        }
    }

    func endTurn() { turn.update { $0 = false } }

    /// Whether what the store is seen to have may be what this file has, or will have once it is written.
    func stands(for found: ObjectInfo?) -> Bool {
        state.withLock { state in
            if state.isUnlinked { return false }
            guard state.draft == nil, let info = state.info else { return true }
            // Nothing was written yet to a version that is no longer there: who asks for the name means another.
            if state.writers > 0, !bucket.isRetired(info) { return true }
            return found.map { $0.etag == state.info?.etag && $0.size == state.info?.size } ?? false
        }
    }

    /// Whether another client may have changed what the object carries, and left its content as it is.
    ///
    /// The first listing of a version that was written here tells another time than the answer to the write: it is
    /// taken for the same if they are two seconds apart at most.
    func mayCarryOther(than found: ObjectInfo) -> Bool {
        state.withLock { state in
            guard state.draft == nil, !state.isMetadataDirty, let info = state.info, found.etag == info.etag else {
                return false
            }
            if let listed = state.listed { return listed != found.modified }
            guard found.modified.isAlmost(info.modified) else { return true }
            state.listed = found.modified
            return false
        }
    }

    /// Takes over what the object carries by now; `false` if that makes another kind of file of it.
    func take(_ attributes: ObjectAttributes, listed: ObjectInfo) -> Bool {
        let metadata = FileMetadata(attributes)
        guard metadata.fileType == type else { return false }
        state.update { state in
            guard state.draft == nil, !state.isMetadataDirty, let info = state.info, info.etag == listed.etag else {
                return
            }
            state.attributes = attributes
            state.metadata = metadata
            state.info = ObjectInfo(
                key: info.key, size: info.size, etag: info.etag, modified: listed.modified, attributes: attributes)
            state.listed = listed.modified
        }
        return true
    }

    /// Whether the file has no name any more.
    var isUnlinked: Bool { state.withLock { $0.isUnlinked } }

    /// Whether the kernel may have pages that were written and given up.
    var hasLostPages: Bool { state.withLock { $0.hasLostPages } }

    /// Whether the store may have a version of the file.
    var mayBeStored: Bool { state.withLock { $0.info != nil || $0.mayHaveVersion } }

    /// Whether the content is that of another object so far, which must not go before this is stored.
    func isCopy(of names: NameGate.Names) -> Bool {
        let (draft, key) = state.withLock { ($0.isUnlinked ? nil : $0.draft, $0.key) }
        guard let base = draft?.state.withLock({ $0.baseEnd > 0 ? $0.base : nil }), base.key != key else {
            return false
        }
        return names.contains(base.key)
    }

    /// Whether the store has no version of the file yet.
    var isUnstored: Bool { state.withLock { $0.info == nil && !$0.isUnlinked } }

    /// The version in the store, if the file is the same.
    var storedVersion: ObjectVersion? {
        state.withLock { state in
            guard state.draft == nil, !state.isUnlinked, let info = state.info else { return nil }
            return ObjectVersion(bucket: bucket, info: info)
        }
    }

    /// Whether anything is not in the store.
    var isDirty: Bool { state.withLock { $0.isDirty } }

    /// Whether the file's bytes can be read: they are in the store, which has no other version, or here.
    var canBeOpened: Bool {
        // Both at once: a draft is dropped as soon as the store has all of it.
        let (isHere, info) = state.withLock { ($0.draft != nil, $0.isUnlinked ? nil : $0.info) }
        return isHere || info.map { !bucket.isRetired($0) } ?? false
    }

    /// Whether somebody writes to the file, or something was written that is not in the store.
    var isBeingChanged: Bool { state.withLock { !$0.isUnlinked && ($0.draft != nil || $0.writers > 0) } }

    /// Whether somebody goes on to write what is not in the store.
    var isBeingWritten: Bool { state.withLock { $0.writers > 0 && $0.isDirty } }

    /// Whether the store has a version of the file that is not known yet.
    var isUnlearned: Bool { state.withLock { $0.draft?.isUnlearned ?? false } }

    /// Waits until the version of the file in the store is known, or can't be.
    func waitForVersion() { state.withLock { $0.draft }?.waitForVersion() }

    /// Where the bytes of a file are that were not written here.
    struct Source: Equatable {
        fileprivate let draft: ObjectIdentifier?
        fileprivate let key: ObjectKey?
        fileprivate let version: ETag?
    }

    var source: Source {
        state.withLock { state in
            let info = state.draft.map { $0.state.withLock { $0.base?.info } } ?? state.info
            return Source(draft: state.draft.map(ObjectIdentifier.init), key: info?.key, version: info?.etag)
        }
    }

    /// Counts one writer less, unless something is not in the store that no other writer sees to; says whether it did.
    func losesWriterIfSeenTo() -> Bool {
        state.update { state in
            guard state.writers > 1 && state.draft != nil || !state.isDirty else { return false }
            state.writers -= 1
            return true
        }
    }

    // MARK: The draft

    /// The draft, made if need be: of the version that the store has, or of nothing, which is a change.
    func draft(_ journal: Journal) throws(Errno) -> Draft {
        try state.withLock { state throws(Errno) in
            if let draft = state.draft { return draft }
            let staged = try journal.stage(state.key, of: bucket.store.name)
            _ = try? staged.note(metadata: attributesToStore(state))
            let base = state.info.map { ObjectVersion(bucket: bucket, info: $0) }
            do throws(Errno) {
                let draft = try Draft(staged, journal: journal, bucket: bucket, base: base)
                state.draft = draft
                return draft
            } catch {
                staged.discard()
                throw error
            }
        }
    }

    /// Changes the draft, made if need be.
    func changing<Result>(_ journal: Journal, _ body: (Draft) throws(Errno) -> Result) throws(Errno) -> Result {
        let draft = try heldDraft(journal)
        defer { draft.release() }
        return try body(draft)
    }

    /// The draft, made if need be, which is not let go until it is released.
    func heldDraft(_ journal: Journal) throws(Errno) -> Draft {
        while true {
            let draft = try draft(journal)
            if draft.hold() { return draft }
        }
    }

    /// Drops the draft if nobody writes and nothing is missing in the store.
    func settle() {
        // Whoever learns the version does this in their stead.
        dropDraft { !$0.isUnlearned }?.file.discard()
    }

    /// Notes that the version of a draft in the store is known, or can't be.
    ///
    /// - Parameter settling: Whether the draft is dropped, as ``settle()`` does, before anybody who waits goes on.
    func learned(_ draft: Draft, settling: Bool) {
        let dropped = settling ? dropDraft { $0 === draft } : nil
        draft.state.update { $0.unlearned = nil }
        dropped?.file.discard()
        // The last writer may have left it to whoever learns the version.
        settle()
    }

    private func dropDraft(if isRight: (Draft) -> Bool) -> Draft? {
        state.withLock { state in
            guard state.writers == 0, !state.isUnlinked, let draft = state.draft, isRight(draft), draft.letGoIfStored()
            else { return nil }
            state.draft = nil
            return draft
        }
    }

    /// Takes the draft away for good.
    func takeDraft() -> Draft? { state.withLock { $0.takeDraft() } }

    /// Takes all away that is not in the store, unless somebody may write to the file by now.
    ///
    /// - Returns: The draft, if there was one.
    func takeChanges() -> Draft? {
        state.update { state in
            guard state.writers == 0, !state.isUnlinked else { return nil }
            state.forgetMetadata()
            state.written = nil
            if state.draft != nil { state.hasLostPages = true }
            return state.takeDraft()
        }
    }

    // MARK: Attributes

    /// Changes the metadata, which are to be stored then.
    ///
    /// - Returns: What they were and what they are now.
    func changeMetadata(
        _ change: (inout FileMetadata) throws(Errno) -> Void
    ) throws(Errno) -> MetadataChange {
        try state.update { state throws(Errno) in
            // What was given up before the store had any of it is nowhere.
            guard state.isUnlinked || state.info != nil || state.draft != nil else { throw .staleNFSFileHandle }
            let old = state.metadata
            var metadata = old
            // The time of a write that is not stored yet must not come after one that is set now.
            if let written = state.written, metadata.modified == nil { metadata.modified = written }
            try change(&metadata)
            if metadata.modified != state.written { state.written = nil }
            state.metadata = metadata
            noteAttributes(state)
            defer { state.isMetadataDirty = true }
            return MetadataChange(old: old, wasDirty: state.isMetadataDirty, new: metadata)
        }
    }

    /// A change of the metadata that may have to be taken back.
    struct MetadataChange {
        fileprivate let old: FileMetadata
        /// Whether those were still to be stored.
        fileprivate let wasDirty: Bool
        fileprivate let new: FileMetadata
    }

    /// Takes back a change of the metadata, unless somebody has changed them since.
    func withdraw(_ change: MetadataChange) {
        state.update { state in
            guard state.metadata == change.new else { return }
            state.metadata = change.old
            // Who set what they were may be about to store that; if nobody is, they are what the store has.
            state.isMetadataDirty = change.wasDirty && state.writers > 0
            if state.draft == nil, state.writers == 0 { state.forgetMetadata() }
            noteAttributes(state)
        }
    }

    /// Notes that a file was written to just now.
    func noteWritten() {
        let now = FileTime.now
        state.update { state in
            // What was set before no longer counts, for a recovery either.
            let hadTimes = state.metadata.modified != nil
            state.written = now
            state.metadata.modified = nil
            state.metadata.changed = nil
            state.metadata.accessed = nil
            if hadTimes { noteAttributes(state) }
        }
    }

    /// Lets what is written into an empty file not be taken for packed as the old content was.
    func forgetEncoding() {
        state.update { state in
            guard state.attributes.headers.removeValue(forKey: "content-encoding") != nil else { return }
            noteAttributes(state)
        }
    }

    /// Notes for a recovery what the object is to carry; a log that can't tell costs that, and no byte.
    private func noteAttributes(_ state: State) {
        try? state.draft?.file.note(metadata: attributesToStore(state, isStreamed: true))
    }

    /// What the object is to carry.
    ///
    /// - Parameter isStreamed: Whether it is sent while it is written.
    func attributesToStore(_ state: State, isStreamed: Bool = false) -> ObjectAttributes {
        var metadata = state.metadata
        // A large file that is sent while it is written carries no time: the store's own will do.
        if let written = state.written, !isStreamed, state.draft.map({ $0.size <= $0.grid.single }) ?? true {
            metadata.modified = written
        }
        return metadata.written(into: state.attributes)
    }
}

extension LiveFile.State {
    fileprivate var isDirty: Bool {
        guard !isUnlinked else { return false }
        return draft?.isDirty ?? false || isMetadataDirty && (info != nil || draft != nil)
    }

    fileprivate mutating func takeDraft() -> Draft? {
        draft?.letGo()
        defer { draft = nil }
        return draft
    }

    /// Takes the metadata that the store has for those that the file has.
    fileprivate mutating func forgetMetadata() {
        if let info {
            attributes = info.attributes ?? attributes
            metadata = FileMetadata(attributes)
        }
        isMetadataDirty = false
    }
}
