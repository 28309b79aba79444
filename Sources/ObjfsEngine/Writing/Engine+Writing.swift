package import Bytes
import Glibc
import Storage
package import SystemPackage
import Threads
package import VFS

extension Engine {
    /// The journal, which a mount that can be written has.
    func journal() throws(Errno) -> Journal {
        guard let journal = options.journal else { throw .readOnlyFileSystem }
        return journal
    }

    /// The file that an inode stands for, as one that can be changed.
    func liveFile(_ inode: Inode) throws(Errno) -> LiveFile {
        try using(inode) { () throws(Errno) in try makeLive(inode) }
    }

    /// Does something with a file while nobody renames or removes it.
    func using<Result>(_ inode: Inode, _ body: () throws(Errno) -> Result) throws(Errno) -> Result {
        while let (bucket, key) = try node(inode).place {
            let result = try bucket.names.whileUsing(key) { () throws(Errno) -> Result? in
                guard try node(inode).place?.key == key else { return nil }
                return try body()
            }
            if let result { return result }
        }
        return try body()
    }

    /// Does the same for who sees to it that nobody renames or removes the file.
    func makeLive(_ inode: Inode) throws(Errno) -> LiveFile {
        switch try node(inode) {
        case .file(let file): return file
        case .object(let object):
            do throws(Errno) {
                return try makeLive(object, inode)
            } catch {
                // Who else opened it meanwhile may have stored the next version already.
                guard error == .staleNFSFileHandle, case .file(let file) = try node(inode) else { throw error }
                return file
            }
        case .account, .folder, .chunkFolder: throw .isDirectory
        case .chunk: throw .readOnlyFileSystem
        }
    }

    /// - Throws: `ESTALE` also for an old version of a file that is being changed.
    private func makeLive(_ object: ObjectVersion, _ inode: Inode) throws(Errno) -> LiveFile {
        guard !object.isRetired else { throw .staleNFSFileHandle }
        let known = object.withKnownAttributes
        let info =
            known.info.attributes != nil
            ? known.info
            : try asking(object, "open", object.url) { () throws(StorageError) in
                let info = try object.bucket.store.info(object.key)
                guard info.etag == object.info.etag else { throw .changed() }
                return info
            }
        let version = ObjectVersion(bucket: object.bucket, info: info)
        let file = object.bucket.file(
            object.key, if: { $0.stands(for: info) || $0.inode != inode && $0.isBeingChanged },
            orMake: { LiveFile(version, attributes: info.attributes ?? ObjectAttributes(), inode: inode) })
        guard file.inode == inode else { throw .staleNFSFileHandle }
        inodes.replace(inode, by: .file(file))
        return file
    }

    func openForWriting(_ inode: Inode, _ flags: OpenFlags) throws(Errno) -> OpenedFile {
        let journal = try journal()
        let file = try makeLive(inode)
        try checkOpening(file)
        return try openForWriting(file, flags, journal)
    }

    /// - Throws: `ESTALE` if the bytes of a file are nowhere, `EFBIG` if they are more than could be stored again.
    func checkOpening(_ file: LiveFile) throws(Errno) {
        guard file.canBeOpened else { throw .staleNFSFileHandle }
        let size = file.storedVersion?.info.size ?? 0
        guard size <= file.bucket.store.uploadLimits.largestObject else { throw .fileTooLarge }
    }

    /// Finds out whether the store takes what is about to be written, by an upload that is begun and given up.
    ///
    /// That is asked once for a mount, and again where the store has refused an object.
    private func checkPermission(_ file: LiveFile, _ journal: Journal) throws(Errno) {
        let key = file.key
        guard file.bucket.mayRefuse(key) else { return }
        let draft = try file.heldDraft(journal)
        defer {
            draft.release()
            file.settle()
        }
        let sender = PartSender(draft: draft, key: key, attributes: ObjectAttributes(), budget: budget)
        do throws(StorageError) {
            guard !sender.hasUpload else { return }
            _ = try sender.upload()
            // Who writes meanwhile may have sent some already.
            _ = draft.giveUpPartsIfKept()
            file.bucket.noteGranted(key)
        } catch {
            // Whatever else is wrong, the writing itself will tell.
            guard error.code == .accessDenied || error.code == .credentials else { return }
            complaints.tell("open", file.url, error)
            file.bucket.noteRefused(key)
            throw Errno(error)
        }
    }

    /// Cuts a file, or makes it longer.
    func cut(_ file: LiveFile, _ journal: Journal, to size: Int64) throws(Errno) {
        try file.changing(journal) { (draft) throws(Errno) in
            try draft.truncate(to: size)
            if size == 0 { file.forgetEncoding() }
            file.noteWritten()
        }
    }

    private func openForWriting(
        _ file: LiveFile, _ flags: OpenFlags, _ journal: Journal
    ) throws(Errno) -> OpenedFile {
        try checkPermission(file, journal)
        // What is cut here must not be taken for another writer's, and given up with that.
        file.state.update { $0.writers += 1 }
        do throws(Errno) {
            if flags.contains(.truncating) { try cut(file, journal, to: 0) }
        } catch {
            file.state.update { $0.writers -= 1 }
            throw error
        }
        return openedForWriting(file, flags)
    }

    /// - Parameter file: A file whose writers this one is counted among.
    private func openedForWriting(_ file: LiveFile, _ flags: OpenFlags) -> OpenedFile {
        budget.countWriter(1)
        // A file that is only written needs no pages in the kernel's cache; those that others have are dropped. But the
        // kernel takes the set-user-ID bit away only from what goes through these.
        let isPrivileged = file.state.withLock { ($0.metadata.mode ?? 0) & 0o6000 != 0 }
        let isDirect = !flags.contains(.reading) && !flags.contains(.synchronous) && !isPrivileged
        return opened(OpenFile(file.inode, flags.union(.writing)), isDirect: isDirect)
    }

    package func create(
        _ name: String, in parent: Inode, mode: UInt32, _ flags: OpenFlags, by caller: Caller
    ) throws(Errno) -> (entry: Entry, file: OpenedFile) {
        let journal = try journal()
        return try changing(name, in: parent) { (folder, key) throws(Errno) in
            if let existing = folder.bucket.file(key), existing.stands(for: nil) {
                guard !flags.contains(.exclusive) else { throw .fileExists }
                let opened: OpenedFile
                do throws(Errno) {
                    opened = try openForWriting(existing, flags, journal)
                } catch {
                    storeLeft(of: existing)
                    throw error
                }
                do throws(Errno) {
                    return (try entry(.file(existing), expires: .now + options.metadataTTL), opened)
                } catch {
                    release(opened.handle)
                    throw error
                }
            }
            let file = makeFile(
                key, in: folder, .regular, mode & 0o7777, caller, isExclusive: flags.contains(.exclusive))
            do throws(Errno) {
                _ = try file.draft(journal)
                try checkPermission(file, journal)
            } catch {
                file.takeDraft()?.file.discard()
                folder.bucket.drop(file)
                throw error
            }
            folder.bucket.listings.forget(key)
            let entry = try entry(.file(file), expires: .now + options.metadataTTL)
            file.state.update { $0.writers += 1 }
            return (entry, openedForWriting(file, flags))
        }
    }

    /// Makes a file that the store does not have yet.
    func makeFile(
        _ key: ObjectKey, in folder: Folder, _ type: FileType, _ permissions: UInt32, _ caller: Caller,
        isExclusive: Bool
    ) -> LiveFile {
        let metadata =
            options.permissions == .persist ? metadata(permissions, type, in: folder, by: caller) : FileMetadata()
        let file = LiveFile(
            bucket: folder.bucket, inode: inodes.unused(), type: type,
            state: LiveFile.State(
                key: key, info: nil, attributes: ObjectAttributes(contentType: MediaType.of(key.string)),
                metadata: metadata, condition: .absent, written: .now, isExclusive: isExclusive))
        return folder.bucket.file(key, if: { $0.stands(for: nil) }, orMake: { file })
    }

    /// Does something to a name that nobody else looks up or changes meanwhile, wherever its folder is by then.
    func changing<Result>(
        _ name: String, in parent: Inode, _ body: (Folder, ObjectKey) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        while true {
            let (folder, key) = try place(name, in: parent)
            let result = try folder.bucket.folders.whileUsing(key) { () throws(Errno) -> Result? in
                guard try place(name, in: parent).1 == key else { return nil }
                return try folder.bucket.names.whileChanging([.one(key)]) { () throws(Errno) in try body(folder, key) }
            }
            if let result { return result }
        }
    }

    /// The folder of a new name, and the key that the name has there.
    func place(_ name: String, in parent: Inode) throws(Errno) -> (Folder, ObjectKey) {
        guard name.utf8.count <= FileName.longest else { throw .fileNameTooLong }
        guard FileName.isPossible(name) else { throw .invalidArgument }
        switch try node(parent) {
        case .folder(let folder):
            let key = folder.prefix + name
            guard key.utf8.count <= folder.bucket.longestKey else { throw .fileNameTooLong }
            return (folder, ObjectKey(key))
        case .account: throw .notPermitted
        case .chunkFolder: throw .readOnlyFileSystem
        case .object, .file, .chunk: throw .notDirectory
        }
    }

    package func write(_ handle: FileHandle, at offset: Int64, _ bytes: ByteSlice) throws(Errno) {
        guard let open = files[handle], open.mayWrite else { throw .badFileDescriptor }
        let file = try liveFile(open.inode)
        try file.changing(journal()) { (draft) throws(Errno) in
            let part = try draft.write(bytes, at: offset)
            file.noteWritten()
            if let part { sendAhead(part, draft, of: file) }
        }
        if open.flags.contains(.synchronous) { try commit(file, "write") }
    }

    /// Sends a part of a file that is written in order, while its writer goes on.
    private func sendAhead(_ part: Int, _ draft: Draft, of file: LiveFile) {
        let (key, attributes, isUnlinked) = file.state.withLock {
            ($0.key, file.attributesToStore($0, isStreamed: true), $0.isUnlinked)
        }
        let sender = PartSender(draft: draft, key: key, attributes: attributes, budget: budget)
        guard !isUnlinked else {
            draft.state.update { $0.streamed.ended(part, with: nil, of: nil) }
            return
        }
        writers.submit { sender.sendAhead(part) }
        // With a full disk, no more is taken than is sent.
        if draft.isTight { draft.waitForParts() }
    }

    package func flush(_ handle: FileHandle, by caller: Caller) throws(Errno) {
        guard let open = files[handle], open.mayWrite, case .file(let file) = inodes[open.inode] else { return }
        try store(file, "close", by: caller)
    }

    package func synchronize(_ handle: FileHandle, dataOnly: Bool) throws(Errno) {
        guard let open = files[handle], case .file(let file) = inodes[open.inode] else { return }
        try commit(file, "fsync")
    }

    package func allocate(_ handle: FileHandle, mode: Int32, offset: Int64, length: Int64) throws(Errno) {
        guard let open = files[handle], open.mayWrite else { throw .badFileDescriptor }
        guard offset >= 0, length > 0 else { throw .invalidArgument }
        let (end, overflow) = offset.addingReportingOverflow(length)
        guard !overflow else { throw .fileTooLarge }
        // A store has no blocks to set aside: only making the file longer can be done honestly.
        guard mode == 0 else { throw .notSupportedOnSocket }
        try liveFile(open.inode).changing(journal()) { (draft) throws(Errno) in
            if end > draft.size { try draft.truncate(to: end) }
        }
    }

    /// Lets a new file be another as a whole, so that the store copies it and no byte of it comes here.
    ///
    /// What is not so simple is refused, and the kernel then reads and writes.
    package func copyRange(
        _ source: FileHandle, at offset: Int64, to target: FileHandle, at targetOffset: Int64, count: Int
    ) throws(Errno) -> Int {
        guard let from = files[source], let open = files[target], open.mayWrite else { throw .badFileDescriptor }
        let file = try liveFile(open.inode)
        guard offset == 0, targetOffset == 0, let (bucket, key) = try node(from.inode).place else {
            throw .notSupportedOnSocket
        }
        // What is taken from it is stored before it goes, by who waits for this.
        return try bucket.folders.whileUsing(key) { () throws(Errno) in
            try bucket.names.whileUsing(key) { () throws(Errno) in
                guard bucket === file.bucket, let version = unchangedVersion(from.inode), version.key == key,
                    version.info.size > 0, version.info.size <= Int64(count), file.state.withLock({ $0.info == nil }),
                    try becomes(file, version, of: from.inode)
                else { throw .notSupportedOnSocket }
                file.noteWritten()
                return Int(version.info.size)
            }
        }
    }

    /// Lets a new file be a version of another as a whole, unless that is being changed; says whether it does.
    private func becomes(_ file: LiveFile, _ version: ObjectVersion, of source: Inode) throws(Errno) -> Bool {
        try file.changing(journal()) { (draft) throws(Errno) in
            guard try draft.become(version) else { return false }
            file.bucket.noteCopy(file)
            // Who changes the source from now on stores this before.
            if unchangedVersion(source)?.isSame(as: version) ?? false { return true }
            try draft.truncate(to: 0)
            return false
        }
    }

    /// The version that an inode stands for, unless that is being changed.
    private func unchangedVersion(_ inode: Inode) -> ObjectVersion? {
        let version: ObjectVersion? =
            switch inodes[inode] {
            case .object(let object): object
            case .file(let file): file.isDirty ? nil : file.storedVersion
            case .account, .folder, .chunkFolder, .chunk, nil: nil
            }
        return version.flatMap { $0.isRetired ? nil : $0 }
    }

    package func seek(_ handle: FileHandle, offset: Int64, whence: Int32) throws(Errno) -> Int64 {
        guard let open = files[handle] else { throw .badFileDescriptor }
        let size = try attributes(of: open.inode).size
        guard offset >= 0, offset < size else { throw Errno(rawValue: ENXIO) }
        // Objects have no holes: all of a file is data, and its end is the only hole.
        return whence == SEEK_DATA_VALUE ? offset : size
    }
}

/// `SEEK_DATA`, which Swift does not see.
private let SEEK_DATA_VALUE: Int32 = 3
