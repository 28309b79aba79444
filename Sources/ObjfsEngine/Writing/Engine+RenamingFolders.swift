import Logging
import Storage
import SystemPackage
import Threads
import VFS

extension Engine {
    /// Renames a folder: all its objects are copied before any is deleted.
    ///
    /// Meanwhile nothing is stored below it, so that what is copied is what is deleted.
    func renameFolder(_ old: Folder, to new: Folder) throws(Errno) {
        try old.bucket.whileMoving(old.prefix) { () throws(Errno) in
            // Who has begun to store a file is waited for.
            try inTurn(of: old.bucket.files(below: old.prefix)) { () throws(Errno) in
                try moveObjects(from: old, to: new)
                moveFolders(from: old, to: new)
                moveUnstored(from: old, to: new)
            }
        }
        old.bucket.listings.forgetAll()
        old.bucket.dropFolder(old.prefix)
        old.bucket.keepFolder(new.prefix)
    }

    /// What a key of a folder is in another.
    private func key(_ key: ObjectKey, from old: Folder, to new: Folder) -> ObjectKey {
        ObjectKey(new.prefix + key.string.droppingBytes(old.prefix.utf8.count))
    }

    private func moveObjects(from old: Folder, to new: Folder) throws(Errno) {
        let bucket = old.bucket
        let sources = try answering("rename", old.url("")) { () throws(StorageError) in try keys(below: old) }
        let growth = new.prefix.utf8.count - old.prefix.utf8.count
        let moving = sources.map(\.key) + bucket.files(below: old.prefix).map(\.key)
        guard moving.allSatisfy({ $0.string.utf8.count + growth <= FileName.longestKey }) else {
            throw .fileNameTooLong
        }
        if sources.count > 1000 {
            logger.notice("rename: \(old.url("")): copying \(sources.count) objects to \(new.url(""))")
        }
        // What was sent ahead is for objects of the old names.
        for file in bucket.files(below: old.prefix) { file.state.withLock { $0.draft }?.giveUpParts() }
        let copies = try movers.each(sources) { [self] (source) throws(Errno) in
            try answering("rename", "\(bucket.store.name)/\(source.key)") { () throws(StorageError) in
                let target = key(source.key, from: old, to: new)
                return try bucket.store.copy(source.key, ifVersion: source.etag, to: target, attributes: nil)
            }
        }
        // Each byte is under both names now; from here on the old ones go.
        _ = try movers.each(Array(zip(sources, copies))) { [self] (object) throws(Errno) in
            try replace(object.0, by: object.1, in: bucket)
        }
        try answering("rename", old.url("")) { () throws(StorageError) in try removeMarkers(below: old) }
    }

    /// Gives the files that the store does not have yet their new keys.
    private func moveUnstored(from old: Folder, to new: Folder) {
        for file in old.bucket.files(below: old.prefix) {
            guard file.isUnstored else {
                // Another client has removed its object; who writes it is told so when it is stored.
                old.bucket.drop(file)
                continue
            }
            giveUnstored(file, key(file.key, from: old, to: new))
        }
    }

    /// Gives a file that the store does not have yet another key.
    private func giveUnstored(_ file: LiveFile, _ key: ObjectKey) {
        file.bucket.move(file, to: key).map(losesName)
        guard let draft = file.state.withLock({ $0.draft }) else { return }
        draft.giveUpParts()
        try? draft.file.note(key: key)
    }

    /// Sees to it that a file that was just made is in its folder, should that have been renamed meanwhile.
    func follow(_ file: LiveFile, called name: String, in parent: Inode, placed folder: Folder) throws(Errno) {
        guard case .folder(let now) = try node(parent), !sameBytes(now.prefix, folder.prefix) else { return }
        giveUnstored(file, ObjectKey(now.prefix + name))
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
