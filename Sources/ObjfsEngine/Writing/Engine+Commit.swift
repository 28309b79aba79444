import Bytes
import Storage
import SystemPackage
import Threads
import VFS

extension Engine {
    /// Brings all that is not in the store there, and returns when it is and its version is known.
    ///
    /// - Throws: Why it is not there; what was written stays in the journal, and may be tried again.
    func commit(_ file: LiveFile, _ operation: String) throws(Errno) {
        guard file.isDirty || file.isUnlearned else { return }
        try reporting(file) { () throws(Errno) in
            try storeCopies(of: .one(file.key), in: file.bucket, operation)
            file.bucket.takeTurn(of: file)
            defer { file.endTurn() }
            try commitInTurn(file, operation)
        }
    }

    /// Brings all that is not in the store there, and returns when it is; whoever needs its version waits for that.
    ///
    /// - Throws: As ``commit(_:_:)`` does.
    func store(_ file: LiveFile, _ operation: String, by caller: Caller? = nil) throws(Errno) {
        guard file.isDirty else { return }
        try reporting(file, by: caller) { () throws(Errno) in
            try storeCopies(of: .one(file.key), in: file.bucket, operation)
            file.bucket.takeTurn(of: file)
            do throws(Errno) {
                guard let unlearned = try storeInTurn(file, operation) else { return file.endTurn() }
                self.unlearned.update { $0 += 1 }
                learners.submit { [self] in
                    // Why it can't be learned is in the log by then.
                    try? learn(unlearned, of: file, operation, settling: true)
                    file.endTurn()
                    self.unlearned.update { $0 -= 1 }
                }
            } catch {
                file.endTurn()
                throw error
            }
        }
    }

    /// Stores the files whose content is that of some objects so far, before those are replaced or go.
    ///
    /// What can't be stored is brought here: it is no fault of those objects.
    func storeCopies(of names: NameGate.Names, in bucket: Bucket, _ operation: String) throws(Errno) {
        for file in bucket.copies(of: names) {
            try file.inTurn { () throws(Errno) in
                guard (try? commitInTurn(file, operation)) == nil, file.isCopy(of: names) else { return }
                let draft = try file.heldDraft(journal())
                defer { draft.release() }
                try answering(operation, file.url) { () throws(StorageError) in try draft.detach() }
                // Recovery needs no version that is about to go.
                try? draft.file.note(base: nil, end: 0)
            }
        }
    }

    /// Tells `objfs exec` what was stored, and what was not.
    private func reporting(
        _ file: LiveFile, by caller: Caller? = nil, _ body: () throws(Errno) -> Void
    ) throws(Errno) {
        do throws(Errno) {
            try body()
        } catch {
            unstored?.failed(file.url, error, process: caller.map(\.process))
            throw error
        }
        unstored?.stored(file.url)
    }

    func commitInTurn(_ file: LiveFile, _ operation: String) throws(Errno) {
        guard let unlearned = try storeInTurn(file, operation) else { return }
        try learn(unlearned, of: file, operation, settling: false)
    }

    /// What the store has of a file.
    private struct Stored: Sendable {
        let commit: Commit
        /// What it carries.
        let carried: ObjectAttributes
        /// The time of the last write that it has.
        let written: FileTime?
        /// Whether the version is yet to be learned.
        let isUnlearned: Bool
    }

    /// Brings all that is not in the store there.
    ///
    /// - Returns: What is there, if its version is yet to be learned.
    private func storeInTurn(_ file: LiveFile, _ operation: String) throws(Errno) -> Stored? {
        guard file.isDirty else { return nil }
        if let draft = file.state.withLock({ $0.draft }), draft.isDirty {
            let stored = try explaining(file, operation) { () throws(StorageError) in try store(draft, of: file) }
            guard stored.carried != stored.commit.attributes else { return stored.isUnlearned ? stored : nil }
            // What the object carries was changed after its upload had begun.
            if stored.isUnlearned { try learn(stored, of: file, operation, settling: false) }
            let isRight = file.state.withLock { state in
                state.isMetadataDirty = file.attributesToStore(state) != stored.carried
                return !state.isMetadataDirty
            }
            if isRight { return nil }
        }
        try explaining(file, operation) { () throws(StorageError) in try storeMetadata(of: file) }
        return nil
    }

    /// Notes and tells why something can't be stored.
    private func explaining<Result>(
        _ file: LiveFile, _ operation: String, _ body: () throws(StorageError) -> Result
    ) throws(Errno) -> Result {
        let isExclusive = file.state.withLock { $0.isExclusive && $0.info == nil }
        do throws(StorageError) {
            return try body()
        } catch {
            file.state.withLock { state in
                _ = try? state.draft?.file.note(failure: error.message)
                if error.isTransient { state.mayHaveVersion = true }
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

    private func store(_ draft: Draft, of file: LiveFile) throws(StorageError) -> Stored {
        let (key, attributes, condition, written) = file.state.withLock { state in
            (state.key, file.attributesToStore(state), state.condition, state.written)
        }
        _ = try? draft.file.note(metadata: attributes)
        let commit = Commit(
            draft: draft, key: key, attributes: attributes, condition: condition, budget: budget, pool: writers)
        let result = try commit.put()
        let stored = Stored(
            commit: commit, carried: result.carried, written: written, isUnlearned: result.stored.object == nil)
        if let info = result.stored.object { note(info, of: stored, in: file) }
        return stored
    }

    /// Learns the version of what was stored; if it can't be, the name is looked up anew, and who has it open is told
    /// that it is stale.
    private func learn(
        _ stored: Stored, of file: LiveFile, _ operation: String, settling: Bool
    ) throws(Errno) {
        defer { file.learned(stored.commit.draft, settling: settling) }
        do throws(StorageError) {
            note(try stored.commit.learn(), of: stored, in: file)
        } catch {
            complaints.tell(operation, file.url, error)
            forgetVersion(of: file, stored)
            throw error.code == .changed || error.code == .notFound ? .staleNFSFileHandle : Errno(error)
        }
    }

    private func note(_ info: ObjectInfo, of stored: Stored, in file: LiveFile) {
        note(info, stored.carried, of: file) { state in
            if state.written == stored.written { state.written = nil }
        }
    }

    /// Gives a file a version that no store has, so that who reads or stores it is told that it is stale.
    private func forgetVersion(of file: LiveFile, _ stored: Stored) {
        let unknown = stored.commit.unknownVersion
        file.state.update { state in
            if state.written == stored.written { state.written = nil }
            if state.metadata.isCarried(by: stored.carried) { state.isMetadataDirty = false }
            state.info = unknown
            state.condition = .unchanged(unknown.etag)
        }
        file.bucket.retire(unknown)
        file.bucket.drop(file)
    }

    private func storeMetadata(of file: LiveFile) throws(StorageError) {
        let (key, info, attributes) = file.state.withLock { ($0.key, $0.info, file.attributesToStore($0)) }
        guard let info else { return }
        let copy = try file.bucket.store.copy(key, ifVersion: info.etag, to: key, attributes: attributes)
        note(copy, attributes, of: file) { state in
            guard let old = state.info else { return }
            state.draft?.rebase(from: old, to: ObjectVersion(bucket: file.bucket, info: copy))
        }
    }

    /// Takes note of the version that the store has now.
    private func note(
        _ info: ObjectInfo, _ attributes: ObjectAttributes, of file: LiveFile, _ more: (inout LiveFile.State) -> Void
    ) {
        let info = info.carrying(attributes)
        // Who looks it up meanwhile is not told what it was, neither before nor after it is known here what it is.
        file.bucket.listings.forget(info.key)
        file.state.update { state in
            more(&state)
            // Who changed them meanwhile changed them after these were sent.
            if state.metadata.isCarried(by: attributes) {
                state.metadata = FileMetadata(attributes)
                state.isMetadataDirty = false
            }
            state.info = info
            state.listed = nil
            state.condition = .unchanged(info.etag)
        }
        file.bucket.noteGranted(info.key)
        file.bucket.confirm(info)
        file.bucket.attributes.remember(info, isListed: false)
        file.bucket.listings.forget(info.key)
    }

    /// Does something as one of those who write a file, and stores that, unless others go on to.
    ///
    /// - Throws: What the body throws, or why it is not in the store.
    func writing(_ file: LiveFile, _ operation: String, _ body: () throws(Errno) -> Void) throws(Errno) {
        file.state.update { $0.writers += 1 }
        defer { file.settle() }
        do throws(Errno) {
            try body()
        } catch {
            try? endWriting(file, operation)
            throw error
        }
        try endWriting(file, operation)
    }

    /// Stores what others have left of a file to somebody who failed to open it.
    func storeLeft(of file: LiveFile) { try? writing(file, "open") {} }

    /// Lets somebody write to a file no more who was counted among its writers.
    ///
    /// The last of them stores what is not in the store yet: who changed it meanwhile may have left that to them.
    ///
    /// - Parameter isClosed: Whether it was open, and all is stored although others go on writing.
    /// - Throws: Why it is not in the store; if nobody else writes the file, it is given up, and kept in the journal.
    func endWriting(_ file: LiveFile, _ operation: String, isClosed: Bool = false) throws(Errno) {
        do throws(Errno) {
            if isClosed { try store(file, operation) }
            // Others may change it each time before that is stored, but not for ever.
            for _ in 0..<100 {
                if file.losesWriterIfSeenTo() { return }
                try store(file, operation)
            }
            throw Errno.ioError
        } catch {
            let isLast = file.state.update { state in
                state.writers -= 1
                return state.writers == 0
            }
            if isLast { giveUp(file, because: error, keepingCut: isClosed) }
            throw error
        }
    }

    /// Ends what cannot be stored: the file is again as the store has it, and the journal keeps what was written.
    ///
    /// Parts that were sent are of no use any more; where the store may be out of reach, the next mount ends the upload.
    ///
    /// - Parameter keepingCut: Whether it is kept although it was only cut, and nothing was written.
    private func giveUp(_ file: LiveFile, because reason: Errno, keepingCut: Bool) {
        let isUnstored = file.isUnstored
        guard let draft = file.inTurn({ file.takeChanges() }) else { return }
        // Who has it open to read goes on to, whatever it is called next.
        if isUnstored { file.bucket.drop(file) }
        // All that was written is in the store, and only what it should carry beside that is not.
        guard draft.isDirty else { return draft.file.discard() }
        if reason != .ioError, reason != .timedOut { draft.giveUpParts() }
        let (isCut, isWhole) = draft.state.withLock { ($0.dirty.isEmpty && !isUnstored, $0.gone.isEmpty) }
        guard keepingCut || !isCut else { return draft.file.discard() }
        try? draft.file.noteKept()
        complaints.tell(
            isWhole
                ? "\(file.url): what was written is kept: objfs recover lists it (\(draft.file.path))"
                : "\(file.url): the disk had no room to keep what was sent, and that is lost (\(draft.file.path))")
    }
}
