import Logging
import Storage
import Synchronization
package import SystemPackage
import Threads
import VFS

extension Engine {
    /// `RENAME_NOREPLACE` of `renameat2`.
    private static let noReplace: UInt32 = 1

    package func rename(
        _ name: String, in parent: Inode, to newName: String, in newParent: Inode, flags: UInt32
    ) throws(Errno) {
        _ = try journal()
        // Stores can neither exchange two objects nor leave a mark of one.
        guard flags & ~Self.noReplace == 0 else { throw .invalidArgument }
        let (folder, key) = try place(name, in: parent)
        let (newFolder, newKey) = try place(newName, in: newParent)
        // The buckets of an account are as file systems of their own.
        guard folder.bucket === newFolder.bucket else { throw Errno.improperLink }
        guard let source = try find(name, in: folder, "rename") else { throw .noSuchFileOrDirectory }
        let target = try find(newName, in: newFolder, "rename", absence: .zero)
        guard target == nil || flags & Self.noReplace == 0 else { throw .fileExists }
        guard key != newKey else { return }
        switch source {
        case .folder:
            let old = Folder(bucket: folder.bucket, prefix: key.string + "/")
            let new = Folder(bucket: folder.bucket, prefix: newKey.string + "/")
            try checkFolder(old, new, target)
            try renameFolder(old, to: new)
        case .object, .file:
            if case .folder = target { throw .isDirectory }
            try renameFile(key, to: newKey, in: folder, replacing: target != nil)
        }
        folder.bucket.keepFolder(folder.prefix)
        folder.bucket.keepFolder(newFolder.prefix)
    }

    private func checkFolder(_ old: Folder, _ new: Folder, _ target: Found?) throws(Errno) {
        guard !new.prefix.beginsWithBytes(of: old.prefix) else { throw .invalidArgument }
        switch target {
        case nil: return
        case .object, .file: throw .notDirectory
        case .folder: guard try isEmpty(new, "rename") else { throw .directoryNotEmpty }
        }
    }

    // MARK: One file

    private func renameFile(
        _ key: ObjectKey, to newKey: ObjectKey, in folder: Folder, replacing: Bool
    ) throws(Errno) {
        let bucket = folder.bucket
        let file = bucket.file(key).flatMap { $0.stands(for: nil) ? $0 : nil }
        if let file, !file.isUnstored { try commit(file, "rename") }
        try inTurn(of: [file, bucket.file(newKey)]) { () throws(Errno) in
            guard replacing else { return try renameInTurn(file, key, to: newKey, in: folder) }
            try detaching(newKey, in: bucket, "rename") { () throws(Errno) in
                try renameInTurn(file, key, to: newKey, in: folder)
            }
        }
        bucket.listings.forget(key)
        bucket.listings.forget(newKey)
    }

    /// - Parameter file: The file, if it is one that was changed here.
    private func renameInTurn(
        _ file: LiveFile?, _ key: ObjectKey, to newKey: ObjectKey, in folder: Folder
    ) throws(Errno) {
        let bucket = folder.bucket
        if let file {
            try renameWritten(file, to: newKey)
        } else {
            let copy = try answering("rename", "\(bucket.store.name)/\(key)") { () throws(StorageError) in
                let version = try? bucket.listings.find(
                    key.string.droppingBytes(folder.prefix.utf8.count), in: folder.prefix)
                var etag: ETag?
                if case .object(let info) = version?.found { etag = info.etag }
                let copy = try bucket.store.copy(key, ifVersion: etag, to: newKey, attributes: nil)
                try bucket.store.delete(key)
                return copy
            }
            follow(key, to: copy, in: bucket)
        }
    }

    /// Renames a file that is being written: what was written so far is stored under the new name.
    private func renameWritten(_ file: LiveFile, to newKey: ObjectKey) throws(Errno) {
        let oldKey = file.key
        guard !file.isUnstored else {
            file.bucket.move(file, to: newKey).map(losesName)
            file.state.update { state in
                state.condition = .always
                state.isExclusive = false
            }
            if let draft = file.state.withLock({ $0.draft }) {
                draft.giveUpParts()
                try draft.file.note(key: newKey)
            }
            return try commitInTurn(file, "rename")
        }
        // What was sent ahead is for an object of the old name.
        file.state.withLock { $0.draft }?.giveUpParts()
        let info = file.state.withLock { $0.info }
        let copy = try answering("rename", file.url) { () throws(StorageError) in
            let copy = try file.bucket.store.copy(oldKey, ifVersion: info?.etag, to: newKey, attributes: nil)
            try file.bucket.store.delete(oldKey)
            return copy
        }
        moved(file, to: copy)
    }

    /// Gives a file that was changed here the key and the version of its copy.
    private func moved(_ file: LiveFile, to copy: ObjectInfo) {
        file.bucket.move(file, to: copy.key).map(losesName)
        file.state.update { state in
            state.info = copy
            state.listed = nil
            state.condition = .unchanged(copy.etag)
            guard let draft = state.draft else { return }
            let version = ObjectVersion(bucket: file.bucket, info: copy)
            draft.state.withLock { state in
                _ = try? draft.file.note(key: copy.key)
                guard state.base != nil else { return }
                state.base = version
                draft.noteBase(state)
            }
        }
        file.bucket.confirm(copy)
    }

    /// Lets the inodes of a renamed object stand for its copy.
    private func follow(_ key: ObjectKey, to copy: ObjectInfo, in bucket: Bucket) {
        var file = bucket.file(key)
        let copied = ObjectVersion(bucket: bucket, info: copy)
        for (inode, node) in inodes.all(where: { $0.isVersion(of: key, in: bucket) }) {
            guard case .object(let object) = node, object.info.size == copy.size else { continue }
            let attributes = copy.attributes ?? object.info.attributes ?? ObjectAttributes()
            let live = LiveFile(copied, attributes: attributes, inode: inode)
            inodes.replace(inode, by: .file(live))
            file = file ?? live
        }
        if let file {
            moved(file, to: copy)
        } else {
            guard let replaced = bucket.file(copy.key) else { return }
            losesName(replaced)
            bucket.drop(replaced)
        }
    }

    // MARK: A folder

    private func renameFolder(_ old: Folder, to new: Folder) throws(Errno) {
        let bucket = old.bucket
        for file in bucket.files(below: old.prefix) { try commit(file, "rename") }
        let sources = try answering("rename", old.url("")) { () throws(StorageError) in try keys(below: old) }
        let growth = new.prefix.utf8.count - old.prefix.utf8.count
        guard sources.allSatisfy({ $0.key.string.utf8.count + growth <= FileName.longestKey }) else {
            throw .fileNameTooLong
        }
        if sources.count > 1000 {
            logger.notice("rename: \(old.url("")): copying \(sources.count) objects to \(new.url(""))")
        }
        let copies = try answering("rename", old.url("")) { () throws(StorageError) in
            try each(sources) { (source) throws(StorageError) in
                let key = ObjectKey(new.prefix + source.key.string.droppingBytes(old.prefix.utf8.count))
                return try bucket.store.copy(source.key, ifVersion: source.etag, to: key, attributes: nil)
            }
        }
        // Each byte is under both names now; from here on the old ones go.
        _ = try answering("rename", old.url("")) { () throws(StorageError) in
            try each(sources) { (source) throws(StorageError) in
                try bucket.store.delete(source.key)
                return source
            }
        }
        try answering("rename", old.url("")) { () throws(StorageError) in try removeMarkers(below: old) }
        for (source, copy) in zip(sources, copies) { follow(source.key, to: copy, in: bucket) }
        moveFolders(from: old, to: new)
        bucket.listings.forgetAll()
        bucket.dropFolder(old.prefix)
        bucket.keepFolder(new.prefix)
    }

    /// Deletes what a store shows where a folder has nothing in it any more, the innermost first.
    private func removeMarkers(below folder: Folder) throws(StorageError) {
        while true {
            let markers = try keys(below: folder).filter { $0.key.string.hasSuffix("/") }
            guard !markers.isEmpty else { return }
            for marker in markers.sorted(by: { $0.key > $1.key }) { try folder.bucket.store.delete(marker.key) }
            // What does not go, another client may just have made.
            let left = try keys(below: folder).filter { $0.key.string.hasSuffix("/") }
            guard left.count < markers.count else { return }
        }
    }

    private func keys(below folder: Folder) throws(StorageError) -> [ObjectInfo] {
        var keys: [ObjectInfo] = []
        var request = ListingRequest(prefix: folder.prefix)
        while true {
            let page = try folder.bucket.store.list(request)
            keys += page.objects
            guard let next = page.next else { return keys }
            request.token = next
        }
    }

    /// Does something for each object, many at a time; the first failure stops what has not begun.
    private func each(
        _ objects: [ObjectInfo], _ body: @escaping @Sendable (ObjectInfo) throws(StorageError) -> ObjectInfo
    ) throws(StorageError) -> [ObjectInfo] {
        let state = Monitor((open: objects.count, results: [Int: ObjectInfo](), failure: StorageError?.none))
        for (index, object) in objects.enumerated() {
            movers.submit {
                let hasFailed = state.withLock { $0.failure != nil }
                let result = Result { () throws(StorageError) in
                    guard !hasFailed else { throw StorageError(.cancelled, "another object failed") }
                    return try body(object)
                }
                state.update { state in
                    state.open -= 1
                    switch result {
                    case .success(let info): state.results[index] = info
                    case .failure(let error): state.failure = state.failure ?? error
                    }
                }
            }
        }
        let (results, failure) = state.wait { $0.open == 0 ? ($0.results, $0.failure) : nil }
        if let failure { throw failure }
        return objects.indices.compactMap { results[$0] }
    }

    /// Lets the inodes of folders below a renamed one stand for where they are now.
    private func moveFolders(from old: Folder, to new: Folder) {
        let held = inodes.all { node in
            if case .folder(let folder) = node {
                folder.bucket === old.bucket && folder.prefix.beginsWithBytes(of: old.prefix)
            } else {
                false
            }
        }
        for (inode, node) in held {
            guard case .folder(let folder) = node else { continue }
            let prefix = new.prefix + folder.prefix.droppingBytes(old.prefix.utf8.count)
            if let metadata = old.bucket.metadata(ofFolder: folder.prefix) {
                old.bucket.note(metadata, ofFolder: prefix)
            }
            inodes.replace(inode, by: .folder(Folder(bucket: old.bucket, prefix: prefix)))
        }
    }
}

extension Node {
    fileprivate func isVersion(of key: ObjectKey, in bucket: Bucket) -> Bool {
        if case .object(let object) = self { object.bucket === bucket && object.key == key } else { false }
    }
}
