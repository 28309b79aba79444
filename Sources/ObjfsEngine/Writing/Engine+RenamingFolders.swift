import Logging
import Storage
import Synchronization
import SystemPackage
import Threads
import VFS

extension Engine {
    /// Renames a folder: all its objects are copied before any is deleted.
    ///
    /// Whoever calls this sees to it that nobody changes names below it, or begins to store a file there, so that what
    /// is copied is what is deleted.
    func renameFolder(_ old: Folder, to new: Folder) throws(Errno) {
        let bucket = old.bucket
        // A request that failed may have been carried out.
        defer { bucket.listings.forgetAll() }
        try storeCopies(of: .below(old.prefix), in: bucket, "rename")
        // Who has begun to store a file is waited for.
        try inTurn(of: bucket.files(below: old.prefix)) { () throws(Errno) in
            for file in bucket.files(below: old.prefix) { try giveUpParts(of: file) }
            try moveObjects(from: old, to: new)
            // Who looks a name up meanwhile waits until the folder has its new one.
            let unstored = Result { () throws(Errno) in try moveUnstored(from: old, to: new) }
            moveFolders(from: old, to: new)
            bucket.dropFolder(old.prefix)
            bucket.keepFolder(new.prefix)
            try unstored.get()
        }
    }

    /// What a key of a folder, or a prefix below it, is in another.
    private func moved(_ path: String, from old: Folder, to new: Folder) -> String {
        new.prefix + path.droppingBytes(old.prefix.utf8.count)
    }

    private func moveObjects(from old: Folder, to new: Folder) throws(Errno) {
        let bucket = old.bucket
        let sources = try answering("rename", old.url("")) { () throws(StorageError) in try keys(below: old) }
        let growth = new.prefix.utf8.count - old.prefix.utf8.count
        let moving = sources.map(\.key) + bucket.files(below: old.prefix).map(\.key)
        guard moving.allSatisfy({ $0.string.utf8.count + growth <= bucket.longestKey }) else {
            throw .fileNameTooLong
        }
        if sources.count > 1000 {
            logger.notice("rename: \(old.url("")): copying \(sources.count) objects to \(new.url(""))")
        }
        let copies = try copy(sources, from: old, to: new)
        // Each byte is under both names now; from here on the old ones go, those of folders when they are empty.
        let files = zip(sources, copies).filter { !$0.0.key.endsInSlash }
        _ = try movers.each(Array(files)) { [self] (object) throws(Errno) in
            try bucket.names.whileChanging([.one(object.0.key)]) { () throws(Errno) in
                try replace(object.0, by: object.1, in: bucket)
            }
        }
        try answering("rename", old.url("")) { () throws(StorageError) in try removeMarkers(below: old) }
    }

    /// Copies objects of a folder, all of them or none.
    private func copy(_ sources: [ObjectInfo], from old: Folder, to new: Folder) throws(Errno) -> [ObjectInfo] {
        let store = old.bucket.store
        let begun = Mutex<[ObjectKey]>([])
        do throws(Errno) {
            return try movers.each(sources) { [self] (source) throws(Errno) in
                let target = ObjectKey(moved(source.key.string, from: old, to: new))
                begun.withLock { $0.append(target) }
                return try answering("rename", "\(store.name)/\(source.key)") { () throws(StorageError) in
                    try store.copy(source.key, ifVersion: source.etag, to: target, attributes: nil)
                }
            }
        } catch {
            // The folder can be renamed once more.
            _ = try? movers.each(begun.withLock { $0 }) { [self] (key) throws(Errno) in
                try answering("rename", "\(store.name)/\(key)") { () throws(StorageError) in try store.delete(key) }
            }
            throw error
        }
    }

    /// Gives the files that the store does not have yet their new keys.
    private func moveUnstored(from old: Folder, to new: Folder) throws(Errno) {
        for file in old.bucket.files(below: old.prefix) {
            guard file.isUnstored else {
                // Another client has removed its object; who writes it is told so when it is stored.
                old.bucket.drop(file)
                continue
            }
            let target = ObjectKey(moved(file.key.string, from: old, to: new))
            if let replaced = rekey(file, to: target) {
                replaced.map(losesName)
                try? file.state.withLock { $0.draft }?.file.note(key: target)
            } else {
                // What was sent meanwhile, and is only there, is stored under the old name first.
                try commitInTurn(file, "rename")
                guard let info = file.state.withLock({ $0.info }) else { continue }
                let copies = try copy([info], from: old, to: new)
                for copy in copies { try replace(info, by: copy, in: old.bucket) }
            }
        }
    }

    /// Deletes what a store shows where a folder has nothing in it any more, the innermost first.
    private func removeMarkers(below folder: Folder) throws(StorageError) {
        // What is there again, another client has just made. Where one has gone, the one around it may show.
        var deleted: Set<ObjectKey> = []
        while true {
            let markers = try keys(below: folder).map(\.key).filter {
                $0.endsInSlash && !deleted.contains($0)
            }
            guard !markers.isEmpty else { return }
            // What is no object stays where it was.
            let undeleted = try folder.bucket.store.delete(markers.sorted(by: >))
            if let failure = undeleted.first(where: { $0.error.code != .preconditionFailed }) { throw failure.error }
            deleted.formUnion(markers)
        }
    }

    private func keys(below folder: Folder) throws(StorageError) -> [ObjectInfo] {
        var keys: [ObjectInfo] = []
        var request = ListingRequest(prefix: folder.prefix)
        request.showsFolders = true
        try folder.bucket.store.eachPage(request) { page in
            keys += page.objects
            return true
        }
        return keys
    }

    /// Lets the inodes of folders below a renamed one stand for where they are now, and keeps those that are empty.
    private func moveFolders(from old: Folder, to new: Folder) {
        for prefix in old.bucket.keptFolders(below: old.prefix) {
            old.bucket.keepFolder(moved(prefix, from: old, to: new))
        }
        let held = inodes.all { node in
            if case .folder(let folder) = node {
                folder.bucket === old.bucket && folder.prefix.beginsWithBytes(of: old.prefix)
            } else {
                false
            }
        }
        for (inode, node) in held {
            guard case .folder(let folder) = node else { continue }
            let prefix = moved(folder.prefix, from: old, to: new)
            if let marker = old.bucket.marker(ofFolder: folder.prefix) { old.bucket.note(marker, ofFolder: prefix) }
            inodes.replace(inode, by: .folder(Folder(bucket: old.bucket, prefix: prefix)))
        }
    }
}
