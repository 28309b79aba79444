import Bytes
import Storage
import SystemPackage
import Threads

/// Makes an object of a draft: by one request if it is small, in parts if it is large.
///
/// Parts that are those of the base are copied inside the store; parts that were sent already are not sent again.
struct Commit {
    let draft: Draft
    let key: ObjectKey
    let attributes: ObjectAttributes
    let condition: WriteCondition
    let budget: MemoryBudget
    let pool: WorkerPool

    private var store: any ObjectStore { draft.bucket.store }

    /// Writes the object, and makes it the draft's base.
    ///
    /// What is written to the draft meanwhile stays for the next time.
    func run() throws(StorageError) -> ObjectInfo {
        if let info = try put().stored.object { return info }
        return try learn()
    }

    /// What the store has after a commit.
    struct Result {
        /// The object, whose version is the draft's base now, or what the store called that.
        let stored: CompletedUpload
        /// What it carries: not what it should, if that was changed after the upload had begun, which fixes it.
        let carried: ObjectAttributes
    }

    /// Writes the object: when this returns, the store has it.
    ///
    /// - Returns: What the store has. If it did not tell the version, ``learn()`` must, and the draft is unlearned until
    ///   ``LiveFile/learned(_:settling:)``.
    func put() throws(StorageError) -> Result {
        let (size, generation) = draft.state.withLock { state in
            state.since = RangeSet()
            state.sinceSize = .max
            return (state.size, state.generation)
        }
        do throws(StorageError) {
            let result = try write(size)
            draft.state.update { state in
                state.stored = generation
                state.streamed = StreamedParts()
                switch result.stored {
                case .object(let info): build(&state, on: info)
                case .named(let version):
                    state.unlearned = Draft.Unlearned(size: size, name: version)
                    try? draft.file.noteStored()
                    noteSince(state, size)
                }
            }
            if result.stored.object != nil { try? draft.file.noteNoUpload() }
            return result
        } catch {
            draft.state.withLock { $0.since = nil }
            throw error
        }
    }

    /// Asks the store for the version that was written, which some services answer only when they have read all of it.
    ///
    /// - Throws: ``StorageError/Code/changed`` if another client has replaced it already.
    func learn() throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            let info = try store.info(key)
            guard let written = draft.state.withLock({ $0.unlearned }), info.size == written.size,
                draft.bucket.isVersion(info.etag, named: written.name)
            else { throw .changed() }
            draft.state.update { build(&$0, on: info) }
            return info
        } catch {
            // The log does not tell of that: with what is in the journal the object may yet be made again.
            let unknown = ObjectVersion(bucket: draft.bucket, info: unknownVersion)
            draft.state.update { $0.build(on: unknown) }
            throw error
        }
    }

    /// A version that no store has, in the place of one that can't be learned.
    var unknownVersion: ObjectInfo {
        ObjectInfo(
            key: key, size: draft.state.withLock { $0.unlearned?.size } ?? 0, etag: ETag("unknown"),
            modified: Timestamp(nanoseconds: Complaints.now))
    }

    private func write(_ size: Int64) throws(StorageError) -> Result {
        if let copy = try copyWhole(size) { return Result(stored: .object(copy), carried: attributes) }
        // What was sent and could not be kept is in its parts alone, however short the file is by now.
        guard size <= draft.grid.single, draft.giveUpPartsIfKept() else { return try writeParts(size) }
        return Result(stored: .object(try writeWhole(size)), carried: attributes)
    }

    /// Makes a version that was written the draft's base.
    private func build(_ state: inout Draft.State, on info: ObjectInfo) {
        state.build(on: ObjectVersion(bucket: draft.bucket, info: info))
        // What the log does not know to be there must not go.
        if draft.noteBase(state) { draft.freeStored(&state) }
    }

    /// Notes again what was written since the commit began: it is no part of the version that was noted last.
    private func noteSince(_ state: Draft.State, _ size: Int64) {
        for range in state.since?.ranges ?? RangeSet().ranges { try? draft.file.note(write: range) }
        if state.size != size { try? draft.file.note(size: state.size) }
    }

    /// Copies another object inside the store, if the file is that as a whole.
    private func copyWhole(_ size: Int64) throws(StorageError) -> ObjectInfo? {
        guard let source = draft.copied(size), source.key != key, size > 0 else { return nil }
        draft.giveUpParts()
        // No store checks a condition on the target of a copy: the look beforehand is all there is.
        try check()
        return try store.copy(source.key, ifVersion: source.info.etag, to: key, attributes: attributes)
    }

    /// Looks whether the condition holds.
    private func check() throws(StorageError) {
        var current: ObjectInfo?
        do throws(StorageError) {
            current = try store.info(key)
        } catch {
            guard error.code == .notFound else { throw error }
        }
        let holds =
            switch condition {
            case .always: true
            case .absent: current == nil
            case .unchanged(let version): current?.etag == version
            }
        guard holds else { throw StorageError(.preconditionFailed, "the object has changed") }
    }

    // MARK: One request

    private func writeWhole(_ size: Int64) throws(StorageError) -> ObjectInfo {
        let buffer = budget.buffer(Int(size))
        let memory = UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<Int(size)])
        try draft.fill(memory, from: 0)
        return try conditionally { (condition) throws(StorageError) in
            try store.write(key, ByteSlice(buffer, 0..<Int(size)), attributes: attributes, condition: condition)
        }
    }

    /// Writes under the condition; where the store can't check it, by a look beforehand.
    private func conditionally<Result>(
        _ write: (WriteCondition) throws(StorageError) -> Result
    ) throws(StorageError) -> Result {
        do throws(StorageError) {
            return try write(condition)
        } catch {
            guard error.code == .unsupported, condition != .always else { throw error }
        }
        try check()
        return try write(.always)
    }

    // MARK: Parts

    private func writeParts(_ size: Int64) throws(StorageError) -> Result {
        let sender = PartSender(draft: draft, key: key, attributes: attributes, budget: budget)
        draft.waitForParts()
        // Some services insist that every part they were sent is named at the end.
        let isOfUse = draft.state.withLock { state in
            guard case .begun(let upload, _) = state.streamed.begin else { return true }
            // What was begun before the file was renamed would become an object of the old name.
            return upload.key == key && state.streamed.fits(size, draft.grid)
        }
        if !isOfUse { draft.giveUpParts() }
        do throws(StorageError) {
            return try writeParts(size, sender)
        } catch {
            guard error.code == .unsupported || error.code == .notFound else { throw error }
            // The service copies no parts, or replaces none: all over, by plain parts alone. Or it has lost the upload.
            let mayGoOn = draft.state.withLock { !$0.gone.isEmpty && (error.code == .unsupported || $0.baseEnd > 0) }
            if !mayGoOn { draft.giveUpParts() }
            return try writeParts(size, sender)
        }
    }

    private func writeParts(_ size: Int64, _ sender: PartSender) throws(StorageError) -> Result {
        let (upload, begun) = try sender.upload()
        let parts = try send(size, sender, upload)
        try checkSource()
        let completed = try conditionally { (condition) throws(StorageError) in
            try store.complete(upload, parts, condition: condition)
        }
        return Result(stored: completed, carried: begun)
    }

    /// Looks whether parts that were copied from another object are of the version that was meant.
    ///
    /// Some services ignore that condition of a copy. For the object itself the look before the end does the same.
    private func checkSource() throws(StorageError) {
        let base = draft.state.withLock { $0.baseEnd > 0 ? $0.base : nil }
        guard let base, base.key != key, !draft.bucket.copiesNoParts else { return }
        guard try store.info(base.key).etag == base.info.etag else { throw .changed() }
    }

    /// A stretch of the object that becomes one part.
    private enum Step {
        case done(UploadedPart)
        case send(Int, Range<Int64>)
        case copy(Int, Range<Int64>)
    }

    private func send(
        _ size: Int64, _ sender: PartSender, _ upload: Upload
    ) throws(StorageError) -> [UploadedPart] {
        let parts = try pool.each(plan(size)) { (step) throws(StorageError) in try part(step, sender, upload) }
        return parts.sorted { $0.number < $1.number }
    }

    private func part(
        _ step: Step, _ sender: PartSender, _ upload: Upload
    ) throws(StorageError) -> UploadedPart {
        switch step {
        case .done(let part): return part
        case .send(let index, let range): return try sender.send(index, range)
        case .copy(let index, let range):
            guard let base = draft.state.withLock({ $0.base }) else {
                throw StorageError(.unsupported, "there is nothing to copy from")
            }
            do throws(StorageError) {
                return try store.copyPart(
                    index + 1, of: upload, from: base.key, range: range, ifVersion: base.info.etag)
            } catch {
                if error.code == .unsupported { draft.bucket.noteNoPartCopies() }
                throw error
            }
        }
    }

    /// How much one request copies: several at a time are faster than a large one, and each is one more.
    private func largestCopy(_ size: Int64) -> Int64 {
        // What the last of them has to take along is less than another part.
        let most = store.uploadLimits.largestPart - Int64(draft.grid.range(0).count)
        return min(max(size / 4, 512 << 20), 1 << 30, most)
    }

    private func plan(_ size: Int64) -> [Step] {
        let cells = draft.grid.ranges(of: size)
        let copies = !draft.bucket.copiesNoParts
        let largestCopy = largestCopy(size)
        return draft.state.withLock { state in
            var steps: [Step] = []
            for (index, range) in cells.enumerated() {
                if case .sent(let part) = state.streamed.parts[index], part.size == Int64(range.count) {
                    steps.append(.done(part))
                    continue
                }
                let kept = copies ? state.startOfBase(in: range) : range.lowerBound
                if kept == range.upperBound {
                    if !extend(&steps, by: range, upTo: largestCopy) { steps.append(.copy(index, range)) }
                } else if index == cells.count - 1 {
                    addEnd(to: &steps, index, range, kept)
                } else {
                    steps.append(.send(index, range))
                }
            }
            return steps
        }
    }

    /// Plans the last part, which may be as short as it likes: what was appended is all that need be sent.
    ///
    /// - Parameter kept: Where the bytes of the base end.
    private func addEnd(to steps: inout [Step], _ index: Int, _ range: Range<Int64>, _ kept: Int64) {
        let old = range.lowerBound..<kept
        let new = kept..<range.upperBound
        let limits = store.uploadLimits
        if extend(&steps, by: old, upTo: limits.largestPart) {
            steps.append(.send(index, new))
        } else if !old.isEmpty, old.count >= limits.smallestPart, index + 2 <= limits.parts {
            steps += [.copy(index, old), .send(index + 1, new)]
        } else {
            steps.append(.send(index, range))
        }
    }

    /// Lets the copy that was planned last go on; `false` if the last step is none, or would be too large.
    private func extend(_ steps: inout [Step], by range: Range<Int64>, upTo limit: Int64) -> Bool {
        guard !range.isEmpty, case .copy(let first, let run) = steps.last, run.upperBound == range.lowerBound,
            range.upperBound - run.lowerBound <= limit
        else { return false }
        steps[steps.count - 1] = .copy(first, run.lowerBound..<range.upperBound)
        return true
    }
}

/// Sends parts of a draft.
struct PartSender: Sendable {
    let draft: Draft
    let key: ObjectKey
    let attributes: ObjectAttributes
    let budget: MemoryBudget

    private var store: any ObjectStore { draft.bucket.store }

    /// Whether the upload of the draft was begun.
    var hasUpload: Bool {
        draft.state.withLock { if case .no = $0.streamed.begin { false } else { true } }
    }

    /// The upload of the draft, begun if need be, and the attributes it was begun with.
    func upload() throws(StorageError) -> (Upload, ObjectAttributes) {
        let known: (Upload, ObjectAttributes)? = draft.state.wait { state in
            switch state.streamed.begin {
            case .begun(let upload, let attributes): return .some((upload, attributes))
            case .beginning: return nil
            case .no:
                state.streamed.begin = .beginning
                return .some(nil)
            }
        }
        if let known { return known }
        do throws(StorageError) {
            try? draft.file.noteBeginning()
            let upload = try store.beginUpload(key, attributes: attributes)
            draft.state.update { $0.streamed.begin = .begun(upload, attributes) }
            // Without the line the upload is found by nobody after a crash, which is no reason not to go on.
            try? draft.file.note(upload: upload)
            return (upload, attributes)
        } catch {
            draft.state.update { $0.streamed.begin = .no }
            throw error
        }
    }

    /// Sends one part, as it is now.
    ///
    /// - Parameter range: The bytes of the file that it has. Unless they begin where the part does, it is of no use to
    ///   another commit.
    func send(_ index: Int, _ range: Range<Int64>) throws(StorageError) -> UploadedPart {
        let upload = try uploadOfPart(index)
        if range.lowerBound == draft.grid.range(index).lowerBound {
            draft.state.withLock { $0.streamed.parts[index] = .sending(isSpoilt: false) }
        }
        do throws(StorageError) {
            let buffer = budget.buffer(range.count)
            try draft.fill(
                UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<range.count]), from: range.lowerBound)
            let part = try store.writePart(index + 1, of: upload, ByteSlice(buffer, 0..<range.count))
            draft.state.update { $0.streamed.ended(index, with: part, of: upload) }
            return part
        } catch {
            draft.state.update { $0.streamed.ended(index, with: nil, of: upload) }
            throw error
        }
    }

    private func uploadOfPart(_ index: Int) throws(StorageError) -> Upload {
        do throws(StorageError) {
            return try upload().0
        } catch {
            draft.state.update { $0.streamed.ended(index, with: nil, of: nil) }
            throw error
        }
    }

    /// Sends a part while the file is still being written; a failure that will not pass is told to the writer.
    func sendAhead(_ index: Int) {
        do throws(StorageError) {
            _ = try send(index, draft.grid.range(index))
            freeDisk(draft.grid.range(index), index)
        } catch {
            // What the store lacks, the commit does without.
            guard !error.isTransient, error.code != .unsupported else { return }
            let reason = Errno(error)
            draft.state.update { state in
                // An upload that was ended meanwhile takes no more, which is no failure of the next.
                if case .begun = state.streamed.begin { state.streamed.failure = reason }
            }
        }
    }

    /// Gives the disk back what a sent part takes, where there is little room left.
    private func freeDisk(_ range: Range<Int64>, _ index: Int) {
        guard draft.isTight else { return }
        // A write that is on its way would be lost with the rest.
        draft.whileNobodyWrites { state in
            // Under another name, what was sent is of no use.
            guard case .sent = state.streamed.parts[index], !draft.bucket.isRenaming(key),
                state.streamed.fits(state.size, state.grid)
            else { return }
            do throws(Errno) {
                // Nobody may take a hole for zeros that were written.
                try draft.file.note(gone: range)
            } catch {
                return
            }
            state.staged.remove(contentsOf: range)
            state.gone.insert(contentsOf: range)
            draft.file.punch(range)
        }
    }
}

extension Draft {
    /// Waits until no part is on its way.
    func waitForParts() {
        state.wait { $0.streamed.sending == 0 ? () : nil }
    }

    /// Gives up what was sent, and ends the upload.
    func giveUpParts() { _ = giveUpParts(evenIfGone: true) }

    /// Gives up what was sent if it is here as well; says whether it did.
    func giveUpPartsIfKept() -> Bool { giveUpParts(evenIfGone: false) }

    private func giveUpParts(evenIfGone: Bool) -> Bool {
        let given = state.wait { state -> StreamedParts?? in
            // Who sends a part meanwhile would begin an upload that nobody knows of.
            guard state.streamed.sending == 0 else { return nil }
            if case .beginning = state.streamed.begin { return nil }
            guard evenIfGone || state.gone.isEmpty else { return .some(nil) }
            defer {
                let given = state.streamed.given
                state.streamed = StreamedParts()
                state.streamed.given = given
            }
            return state.streamed
        }
        guard let given else { return false }
        guard case .begun(let upload, _) = given.begin else { return true }
        do throws(StorageError) {
            try bucket.store.abort(upload)
            try? file.noteNoUpload()
        } catch {
            // The log still names it, and the next start tries again.
        }
        return true
    }
}
