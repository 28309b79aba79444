import Storage
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
        while true {
            let (folder, key) = try place(name, in: parent)
            let (newFolder, newKey) = try place(newName, in: newParent)
            // The buckets of an account are as file systems of their own.
            guard folder.bucket === newFolder.bucket else { throw Errno.improperLink }
            let renaming = Renaming(
                name: name, newName: newName, folder: folder, newFolder: newFolder, key: key, newKey: newKey,
                mayReplace: flags & Self.noReplace == 0)
            func isRight() throws(Errno) -> Bool {
                // Their folders may have been renamed meanwhile.
                let places = (try place(name, in: parent).1, try place(newName, in: newParent).1)
                return places.0 == key && places.1 == newKey
            }
            if try isRenamed(renaming, if: isRight) { return }
        }
    }

    /// What is renamed.
    struct Renaming {
        let name: String
        let newName: String
        let folder: Folder
        let newFolder: Folder
        let key: ObjectKey
        let newKey: ObjectKey
        /// Whether another file may have the new name.
        let mayReplace: Bool

        var bucket: Bucket { folder.bucket }
        var url: String { "\(bucket.store.name)/\(key)" }
    }

    /// Renames something while nobody else uses its names; says whether they are the right ones.
    private func isRenamed(_ renaming: Renaming, if isRight: () throws(Errno) -> Bool) throws(Errno) -> Bool {
        let bucket = renaming.bucket
        let (key, newKey) = (renaming.key, renaming.newKey)
        let isDone = try bucket.folders.whileUsing([.one(key), .one(newKey)]) { () throws(Errno) -> Bool? in
            guard try isRight() else { return false }
            return try bucket.names.whileChanging([.one(key), .one(newKey)]) { () throws(Errno) -> Bool? in
                try rename(renaming, asFolder: false) ? true : nil
            }
        }
        if let isDone { return isDone }
        let (old, new) = (key.string + "/", newKey.string + "/")
        return try bucket.folders.whileChanging([.one(key), .one(newKey), .below(old), .below(new)]) {
            () throws(Errno) in
            guard try isRight() else { return false }
            return try rename(renaming, asFolder: true)
        }
    }

    /// Renames a file, or a folder; says whether it is one.
    private func rename(_ renaming: Renaming, asFolder: Bool) throws(Errno) -> Bool {
        let bucket = renaming.bucket
        guard let source = try find(renaming.name, in: renaming.folder, "rename") else {
            throw .noSuchFileOrDirectory
        }
        let isFolder = if case .folder = source { true } else { false }
        guard isFolder == asFolder else { return false }
        let target = try find(renaming.newName, in: renaming.newFolder, "rename", absence: .zero)
        guard target == nil || renaming.mayReplace else { throw .fileExists }
        guard renaming.key != renaming.newKey else { return true }
        // They stay when there is nothing in them any more.
        bucket.keepFolder(renaming.folder.prefix)
        bucket.keepFolder(renaming.newFolder.prefix)
        // A request that failed may have been carried out.
        defer {
            bucket.listings.forget(renaming.key)
            bucket.listings.forget(renaming.newKey)
        }
        if isFolder {
            let old = Folder(bucket: bucket, prefix: renaming.key.string + "/")
            let new = Folder(bucket: bucket, prefix: renaming.newKey.string + "/")
            try checkFolder(old, new, target)
            try renameFolder(old, to: new)
        } else {
            if case .folder = target { throw .isDirectory }
            try renameFile(source, renaming, replacing: target != nil)
            // Who has looked it up and not opened it yet looks it up anew; what has the same content may be the same version.
            let new = bucket.file(renaming.newKey)?.state.withLock { $0.info }
            if case .object(let old) = target, new?.etag != old.etag { bucket.retire(old) }
        }
        return true
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

    private func renameFile(_ source: Found, _ renaming: Renaming, replacing: Bool) throws(Errno) {
        let bucket = renaming.bucket
        let file: LiveFile? =
            switch source {
            case .file(let file): file
            case .object(let info): bucket.file(renaming.key).flatMap { $0.stands(for: info) ? $0 : nil }
            case .folder: nil
            }
        if let file, !file.isUnstored { try commit(file, "rename") }
        for key in [renaming.key, renaming.newKey] { try storeCopies(of: .one(key), in: bucket, "rename") }
        try inTurn(of: [file, bucket.file(renaming.newKey)]) { () throws(Errno) in
            guard replacing else { return try renameInTurn(source, file, renaming) }
            try detaching(renaming.newKey, in: bucket, "rename") { () throws(Errno) in
                try renameInTurn(source, file, renaming)
            }
        }
    }

    /// - Parameter file: The file, if it is one that was changed here.
    private func renameInTurn(_ source: Found, _ file: LiveFile?, _ renaming: Renaming) throws(Errno) {
        if let file, file.isUnstored {
            // What is nowhere but in an upload of the old name is stored there first.
            if try isRenamedUnstored(file, renaming) { return }
            try commitInTurn(file, "rename")
        } else if let file {
            try giveUpParts(of: file)
        }
        var info = file?.state.withLock { $0.info }
        if file == nil, case .object(let found) = source { info = found }
        guard let info else { throw .noSuchFileOrDirectory }
        let copy = try answering("rename", renaming.url) { () throws(StorageError) in
            try renaming.bucket.store.copy(renaming.key, ifVersion: info.etag, to: renaming.newKey, attributes: nil)
        }
        try replace(info, by: copy, in: renaming.bucket)
    }

    /// Gives up what was sent ahead of a file, which is for an object of the old name; what is only there is stored first.
    ///
    /// Whoever calls this sees to it that nobody else stores the file.
    func giveUpParts(of file: LiveFile) throws(Errno) {
        guard let draft = file.state.withLock({ $0.draft }), !draft.giveUpPartsIfKept() else { return }
        try commitInTurn(file, "rename")
    }

    /// Gives a file that the store does not have yet another key, unless some of it is only in an upload of this one.
    ///
    /// - Returns: The file that had that key, if there was one; `nil` if the file can't be given it.
    func rekey(_ file: LiveFile, to key: ObjectKey) -> LiveFile?? {
        let old = file.key
        let replaced = file.bucket.move(file, to: key)
        guard let draft = file.state.withLock({ $0.draft }), !draft.giveUpPartsIfKept() else { return .some(replaced) }
        restore(file, old, replaced, key)
        return nil
    }

    /// Gives two files the keys that they had.
    private func restore(_ file: LiveFile, _ key: ObjectKey, _ replaced: LiveFile?, _ newKey: ObjectKey) {
        _ = file.bucket.move(file, to: key)
        if let replaced { _ = file.bucket.move(replaced, to: newKey) }
    }

    /// Renames a file that the store does not have yet: what was written so far is stored under the new name.
    ///
    /// - Returns: Whether it did; not if some of the file is only in an upload of the old name.
    private func isRenamedUnstored(_ file: LiveFile, _ renaming: Renaming) throws(Errno) -> Bool {
        let (draft, condition, isExclusive) = file.state.withLock { ($0.draft, $0.condition, $0.isExclusive) }
        guard let replaced = rekey(file, to: renaming.newKey) else { return false }
        file.state.update { state in
            state.condition = renaming.mayReplace ? .always : .absent
            state.isExclusive = !renaming.mayReplace
        }
        do throws(Errno) {
            try draft?.file.note(key: renaming.newKey)
            try commitInTurn(file, "rename")
            if file.state.withLock({ $0.mayHaveVersion }) {
                // It may have been stored before, by a request that was not answered.
                try answering("rename", renaming.url) { () throws(StorageError) in
                    try file.bucket.store.delete(renaming.key)
                }
            }
        } catch {
            guard file.isUnstored else {
                replaced.map(losesName)
                throw error
            }
            // Both are as they were.
            file.state.update { state in
                state.condition = condition
                state.isExclusive = isExclusive
            }
            restore(file, renaming.key, replaced, renaming.newKey)
            draft?.giveUpParts()
            try? draft?.file.note(key: renaming.key)
            throw error
        }
        replaced.map(losesName)
        return true
    }

    /// Deletes an object that was copied, after all that stands for it stands for the copy.
    ///
    /// So who reads it never meets an object that is gone. If it can't be deleted, all is as it was.
    func replace(_ source: ObjectInfo, by copy: ObjectInfo, in bucket: Bucket) throws(Errno) {
        let file = follow(source, to: copy, in: bucket)
        do throws(Errno) {
            try answering("rename", "\(bucket.store.name)/\(source.key)") { () throws(StorageError) in
                try bucket.store.delete(source.key)
            }
        } catch {
            if let file { moved(file, to: source) }
            throw error
        }
        // Who has looked it up and not opened it yet looks it up anew.
        bucket.retire(source)
    }

    /// Lets what stands for a version of an object stand for its copy.
    ///
    /// - Returns: The file that is the copy now, if anything stood for that version.
    private func follow(_ source: ObjectInfo, to copy: ObjectInfo, in bucket: Bucket) -> LiveFile? {
        let object = ObjectVersion(bucket: bucket, info: source)
        let inode = inodes.number(for: .object(object))
        if case .object(let held) = inodes[inode], held.isSame(as: object), bucket.file(source.key) == nil {
            let attributes = copy.attributes ?? held.info.attributes ?? ObjectAttributes()
            let file = LiveFile(held, attributes: attributes, inode: inode)
            inodes.replace(inode, by: .file(file))
            bucket.keep(file)
        }
        if let file = bucket.file(source.key), let info = file.state.withLock({ $0.info }) {
            if info.etag == source.etag {
                moved(file, to: copy)
                return file
            }
            // Another client has changed the object since; who writes the file is told so when it is stored.
            bucket.drop(file)
        }
        if let replaced = bucket.file(copy.key) {
            losesName(replaced)
            bucket.drop(replaced)
        }
        return nil
    }

    /// Gives a file the key and the version of a copy.
    private func moved(_ file: LiveFile, to copy: ObjectInfo) {
        file.bucket.move(file, to: copy.key).map(losesName)
        // What was sent meanwhile is here as well: nothing goes from the disk while a file is renamed.
        file.state.withLock { $0.draft }?.giveUpParts()
        file.state.update { state in
            try? state.draft?.file.note(key: copy.key)
            if let old = state.info {
                state.draft?.rebase(from: old, to: ObjectVersion(bucket: file.bucket, info: copy))
            }
            state.info = copy.carrying(copy.attributes ?? state.info?.attributes)
            state.listed = nil
            state.condition = .unchanged(copy.etag)
        }
        file.bucket.confirm(copy)
    }
}
