import Bytes
import Storage
import SystemPackage
import Threads
import VFS

extension Engine {
    /// Brings all that is not in the store there, and returns when it is.
    ///
    /// - Throws: Why it is not there; what was written stays in the journal, and may be tried again.
    func commit(_ file: LiveFile, _ operation: String, by caller: Caller? = nil) throws(Errno) {
        guard file.isDirty else { return }
        do throws(Errno) {
            try file.inTurn { () throws(Errno) in try commitInTurn(file, operation) }
        } catch {
            unstored?.failed(file.url, error, process: caller.map(\.process))
            throw error
        }
        unstored?.stored(file.url)
    }

    func commitInTurn(_ file: LiveFile, _ operation: String) throws(Errno) {
        guard file.isDirty else { return }
        let isExclusive = file.state.withLock { $0.isExclusive && $0.info == nil }
        do throws(StorageError) {
            if let draft = file.state.withLock({ $0.draft }), draft.isDirty {
                try store(draft, of: file)
            } else {
                try storeMetadata(of: file)
            }
        } catch {
            file.state.withLock { state in
                _ = try? state.draft?.file.note(failure: error.message)
            }
            complaints.tell(operation, file.url, error)
            if error.code == .accessDenied { file.bucket.noteRefused(file.key) }
            // What a file was before is part of what it is to be: without that version it can't be stored.
            let isGone = error.code == .notFound && file.state.withLock { $0.info != nil }
            guard error.code == .preconditionFailed || error.code == .changed || isGone else { throw Errno(error) }
            file.bucket.listings.forget(file.key)
            throw isExclusive ? .fileExists : .staleNFSFileHandle
        }
    }

    private func store(_ draft: Draft, of file: LiveFile) throws(StorageError) {
        let (key, attributes, condition, written) = file.state.withLock { state in
            (state.key, file.attributesToStore(state), state.condition, state.written)
        }
        _ = try? draft.file.note(metadata: attributes)
        let info = try Commit(
            draft: draft, key: key, attributes: attributes, condition: condition, budget: budget, pool: writers
        ).run()
        note(info, attributes, of: file) { state in
            if state.written == written { state.written = nil }
        }
    }

    private func storeMetadata(of file: LiveFile) throws(StorageError) {
        let (key, info, attributes) = file.state.withLock { ($0.key, $0.info, file.attributesToStore($0)) }
        guard let info else { return }
        let copy = try file.bucket.store.copy(key, ifVersion: info.etag, to: key, attributes: attributes)
        note(copy, attributes, of: file) { _ in }
    }

    /// Takes note of the version that the store has now.
    private func note(
        _ info: ObjectInfo, _ attributes: ObjectAttributes, of file: LiveFile, _ more: (inout LiveFile.State) -> Void
    ) {
        let info = ObjectInfo(
            key: info.key, size: info.size, etag: info.etag, modified: info.modified, attributes: attributes)
        file.state.update { state in
            let metadata = FileMetadata(attributes)
            more(&state)
            // Who changed them meanwhile changed them after these were sent.
            if state.metadata.with(modified: nil) == metadata.with(modified: nil) {
                state.metadata = metadata
                state.isMetadataDirty = false
            }
            state.info = info
            state.listed = nil
            state.condition = .unchanged(info.etag)
            if let draft = state.draft, let base = draft.state.withLock({ $0.base }), base.info.etag != info.etag {
                draft.state.withLock { $0.base = ObjectVersion(bucket: file.bucket, info: info) }
            }
        }
        file.bucket.noteGranted(info.key)
        file.bucket.confirm(info)
        file.bucket.attributes.remember(info, isListed: false)
        file.bucket.listings.forget(info.key)
    }

    /// Ends what cannot be stored: the file is again as the store has it, and the journal keeps what was written.
    ///
    /// Parts that were sent are of no use any more; where the store may be out of reach, the next mount ends the upload.
    func giveUp(_ file: LiveFile, because reason: Errno) {
        guard let draft = file.takeDraft() else { return }
        if reason != .ioError, reason != .timedOut {
            PartSender(draft: draft, key: file.key, attributes: ObjectAttributes(), budget: budget).giveUp()
        }
        try? draft.file.noteKept()
        complaints.tell("\(file.url): what was written is kept: objfs recover lists it (\(draft.file.path))")
        file.state.update { state in
            state.isMetadataDirty = false
            state.written = nil
        }
        file.bucket.drop(file)
    }
}

extension Engine {
    /// Lets a file be again as the store has it.
    func forgetDraft(of file: LiveFile) {
        guard let draft = file.takeDraft() else { return }
        PartSender(draft: draft, key: file.key, attributes: ObjectAttributes(), budget: budget).giveUp()
        draft.file.discard()
        file.state.update { state in
            state.isMetadataDirty = false
            state.written = nil
        }
        file.bucket.drop(file)
    }
}

extension FileMetadata {
    fileprivate func with(modified: FileTime?) -> FileMetadata {
        var metadata = self
        metadata.modified = modified
        return metadata
    }
}
