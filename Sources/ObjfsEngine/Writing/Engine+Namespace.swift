import Bytes
import Glibc
import Storage
import Synchronization
package import SystemPackage
import Threads
package import VFS

extension Engine {
    package func makeDirectory(
        _ name: String, in parent: Inode, mode: UInt32, by caller: Caller
    ) throws(Errno) -> Entry {
        _ = try journal()
        return try changing(name, in: parent) { (above, key) throws(Errno) in
            // A folder's marker has one byte more.
            guard key.string.utf8.count < above.bucket.longestKey else { throw .fileNameTooLong }
            guard try find(name, in: above, "mkdir", absence: Listings.lookedUp) == nil else { throw .fileExists }
            let folder = Folder(bucket: above.bucket, prefix: key.string + "/")
            var metadata = metadata(mode & 0o7777, .directory, in: above, by: caller)
            metadata.modified = .now
            folder.bucket.listings.noteMade(folder.prefix)
            guard try writeMarker(of: folder, metadata, over: FolderMarker(nil), "mkdir") else { throw .fileExists }
            folder.bucket.keepFolder(folder.prefix)
            return try entry(.folder(folder), expires: .now + options.metadataTTL)
        }
    }

    /// What is kept of something that is made in a folder.
    ///
    /// In a folder with the set-group-ID bit it belongs to the folder's group, and if it is a folder gets that bit too.
    func metadata(
        _ permissions: UInt32, _ type: FileType, in folder: Folder, by caller: Caller
    ) -> FileMetadata {
        let above = folder.bucket.marker(ofFolder: folder.prefix)?.metadata
        let isShared = options.permissions == .persist && (above?.mode ?? 0) & UInt32(S_ISGID) != 0
        var metadata = FileMetadata()
        metadata.setPermissions(permissions | (isShared && type == .directory ? UInt32(S_ISGID) : 0), type: type)
        metadata.owner = caller.user
        metadata.group = isShared ? above?.group ?? options.group : caller.group
        return metadata
    }

    package func makeSymbolicLink(
        _ name: String, in parent: Inode, to target: String, by caller: Caller
    ) throws(Errno) -> Entry {
        try make(name, in: parent, .symbolicLink, 0o777, ByteSlice(target.utf8), by: caller)
    }

    package func makeNode(
        _ name: String, in parent: Inode, type: FileType, permissions: UInt32, by caller: Caller
    ) throws(Errno) -> Entry {
        try make(name, in: parent, type, permissions, .empty, by: caller)
    }

    /// Makes a small object whose mode says what it is, at once.
    private func make(
        _ name: String, in parent: Inode, _ type: FileType, _ permissions: UInt32, _ body: ByteSlice,
        by caller: Caller
    ) throws(Errno) -> Entry {
        _ = try journal()
        guard options.permissions == .persist || type == .regular else { throw .notPermitted }
        return try changing(name, in: parent) { (folder, key) throws(Errno) in
            guard try find(name, in: folder, "mknod", absence: Listings.lookedUp) == nil else { throw .fileExists }
            var metadata = metadata(permissions, type, in: folder, by: caller)
            metadata.modified = .now
            let plain = ObjectAttributes(contentType: MediaType.of(key.string))
            let attributes = options.permissions == .persist ? metadata.written(into: plain) : plain
            let info = try writeNew(key, body, attributes, in: folder.bucket)
            let object = ObjectVersion(bucket: folder.bucket, info: info).carrying(attributes)
            folder.bucket.attributes.remember(object.info, isListed: false)
            folder.bucket.confirm(info)
            let inode = inodes.unused()
            let file = folder.bucket.file(
                key, if: { $0.stands(for: info) },
                orMake: { LiveFile(object, attributes: attributes, inode: inode) })
            return try entry(.file(file), expires: .now + options.metadataTTL)
        }
    }

    /// Writes an object that must not be there yet; where the store can't check that, it was looked up just before.
    private func writeNew(
        _ key: ObjectKey, _ body: ByteSlice, _ attributes: ObjectAttributes, in bucket: Bucket
    ) throws(Errno) -> ObjectInfo {
        // A request that failed may have been carried out.
        defer { bucket.listings.forget(key) }
        let url = "\(bucket.store.name)/\(key)"
        return try answering("mknod", url) { () throws(StorageError) -> Result<ObjectInfo, Errno> in
            do throws(StorageError) {
                return .success(try bucket.store.write(key, body, attributes: attributes, lookedAt: .absent))
            } catch {
                guard error.code == .preconditionFailed else { throw error }
                return .failure(.fileExists)
            }
        }.get()
    }

    package func readLink(_ inode: Inode) throws(Errno) -> String {
        let object: ObjectVersion
        switch try node(inode) {
        case .object(let version): object = version
        case .file(let file):
            guard let version = file.storedVersion else { throw .staleNFSFileHandle }
            object = version
        case .account, .folder, .chunkFolder, .chunk: throw .invalidArgument
        }
        guard object.info.size <= 4096 else { throw .invalidArgument }
        let bytes = try asking(object, "readlink", object.url) { () throws(StorageError) in
            try object.bucket.store.read(object.key, ifVersion: object.info.etag)
        }
        // Old versions of s3fs end a target with a line feed.
        let text = String(validating: bytes.last == 0x0A ? bytes.dropLast() : bytes[...], as: UTF8.self)
        guard let text, !text.isEmpty, !text.utf8.contains(0) else { throw .illegalByteSequence }
        return text
    }

    package func unlink(_ name: String, in parent: Inode) throws(Errno) {
        _ = try journal()
        try changing(name, in: parent) { (folder, key) throws(Errno) in
            switch try find(name, in: folder, "unlink") {
            case nil:
                if ChunkFolderName(name) != nil { throw .readOnlyFileSystem }
                throw .noSuchFileOrDirectory
            case .folder: throw .isDirectory
            case .object(let info):
                try remove(key, in: folder, "unlink")
                // Who has looked it up and not opened it yet looks it up anew.
                folder.bucket.retire(info)
            case .file: try remove(key, in: folder, "unlink")
            }
        }
    }

    /// Deletes a file; who has it open keeps its bytes.
    private func remove(_ key: ObjectKey, in folder: Folder, _ operation: String) throws(Errno) {
        let bucket = folder.bucket
        // A request that failed may have been carried out.
        defer { bucket.listings.forget(key) }
        // It stays when there is nothing in it any more.
        bucket.keepFolder(folder.prefix)
        try storeCopies(of: .one(key), in: bucket, operation)
        try inTurn(of: [bucket.file(key)]) { () throws(Errno) in
            try detaching(key, in: bucket, operation) { () throws(Errno) in
                // Who had it open to read has it as a file that was changed here, by now.
                let file = bucket.file(key)
                if file?.mayBeStored ?? true {
                    try answering(operation, "\(bucket.store.name)/\(key)") { () throws(StorageError) in
                        try bucket.store.delete(key)
                    }
                }
                guard let file else { return }
                bucket.drop(file)
                losesName(file)
            }
        }
    }

    /// Does something while nobody else changes what the store has of some files.
    func inTurn(of files: [LiveFile?], _ body: () throws(Errno) -> Void) throws(Errno) {
        // Who takes more than one takes them in this order, so that no two wait for one another.
        var inOrder: [LiveFile] = []
        for file in files.compactMap(\.self).sorted(by: { $0.inode.rawValue < $1.inode.rawValue })
        where inOrder.last !== file { inOrder.append(file) }
        for file in inOrder { file.takeTurn() }
        defer { for file in inOrder { file.endTurn() } }
        try body()
    }

    /// Notes that a file has no name any more: what was sent of it is of no use, and the rest only to who has it open.
    func losesName(_ file: LiveFile) {
        file.state.update { $0.isUnlinked = true }
        if let draft = file.state.withLock({ $0.draft }) {
            // Who has it open still may be the last to want it: after a crash, nobody does.
            try? draft.file.noteUnlinked()
            draft.giveUpParts()
        }
        if opens.withLock({ $0[file.inode] == nil }) { discardDraft(of: file) }
    }

    /// Lets go what was written to a file that nobody can read any more.
    func discardDraft(of file: LiveFile) {
        guard let draft = file.takeDraft() else { return }
        // The last who closes it may come before who has removed it has ended the upload.
        draft.giveUpParts()
        draft.file.discard()
    }

    /// Replaces or deletes a file, after all its bytes were brought here if somebody has it open.
    func detaching(
        _ key: ObjectKey, in bucket: Bucket, _ operation: String, _ body: () throws(Errno) -> Void
    ) throws(Errno) {
        var held: [(file: LiveFile, draft: Draft)] = []
        defer {
            for (file, draft) in held {
                draft.release()
                // Unless it lost its name, the store has its bytes still.
                file.settle()
            }
        }
        for file in try openFiles(of: key, in: bucket) {
            // Until the file has no name any more, whoever closes it must not take its draft for needless.
            let draft = try file.heldDraft(journal())
            held.append((file, draft))
            do throws(StorageError) {
                try draft.detach()
            } catch {
                // What another client has replaced can't be read any more, whatever becomes of the name.
                guard error.code != .changed, error.code != .notFound else { continue }
                complaints.tell(operation, file.url, error)
                throw Errno(error)
            }
        }
        try body()
        for (file, _) in held {
            bucket.drop(file)
            losesName(file)
        }
    }

    /// The files of a key that somebody has open, but for those that have lost it.
    private func openFiles(of key: ObjectKey, in bucket: Bucket) throws(Errno) -> [LiveFile] {
        var files: [LiveFile] = []
        for inode in opens.withLock({ Array($0.keys) }) {
            guard let node = inodes[inode], let place = node.place, place.bucket === bucket, place.key == key else {
                continue
            }
            if case .file(let file) = node, file.isUnlinked { continue }
            do throws(Errno) {
                files.append(try makeLive(inode))
            } catch {
                // An old version, or one that may not be read.
                guard error == .staleNFSFileHandle || error == .permissionDenied else { throw error }
            }
        }
        return files
    }

    package func removeDirectory(_ name: String, in parent: Inode) throws(Errno) {
        _ = try journal()
        try changing(name, in: parent) { (above, key) throws(Errno) in
            switch try find(name, in: above, "rmdir") {
            case nil:
                if ChunkFolderName(name) != nil { throw .readOnlyFileSystem }
                throw .noSuchFileOrDirectory
            case .object, .file: throw .notDirectory
            case .folder: break
            }
            let folder = Folder(bucket: above.bucket, prefix: key.string + "/")
            guard try isEmpty(folder, "rmdir") else { throw .directoryNotEmpty }
            above.bucket.keepFolder(above.prefix)
            try removeMarker(of: folder, "rmdir")
        }
    }

    /// Whether a folder has nothing in it but its own marker.
    func isEmpty(_ folder: Folder, _ operation: String) throws(Errno) -> Bool {
        guard folder.bucket.unlisted(in: folder.prefix).isEmpty else { return false }
        return try answering(operation, folder.url("")) { () throws(StorageError) in
            var isEmpty = true
            try folder.bucket.store.eachPage(ListingRequest(prefix: folder.prefix, limit: 2)) { page in
                isEmpty =
                    page.illegible.isEmpty
                    && page.objects.allSatisfy { sameBytes($0.key.string, folder.prefix) && $0.size == 0 }
                return isEmpty
            }
            return isEmpty
        }
    }

    func removeMarker(of folder: Folder, _ operation: String) throws(Errno) {
        // A request that failed may have been carried out.
        defer { folder.bucket.listings.forgetFolder(folder.prefix) }
        let isGone = try answering(operation, folder.url("")) { () throws(StorageError) in
            do throws(StorageError) {
                try folder.bucket.store.delete(ObjectKey(folder.prefix))
                return true
            } catch {
                guard error.code == .preconditionFailed else { throw error }
                return false
            }
        }
        guard isGone else { throw .directoryNotEmpty }
        folder.bucket.dropFolder(folder.prefix)
    }
}
