import Storage
import SystemPackage
import Threads
import VFS

/// What objects carry, which listings do not tell: asked for one at a time, or for a whole page at once.
///
/// A name that is looked up by itself is asked about. When a folder is listed, the object that was written last is:
/// if it carries what file systems write, all are asked about, and if not, none is. So a folder of plain data
/// costs one request more, however many objects it has.
extension Engine {
    /// An object with what it carries, as far as that is wanted.
    ///
    /// - Parameter alone: Whether the name was looked up by itself.
    func described(_ object: ObjectVersion, alone: Bool) throws(StorageError) -> ObjectVersion {
        guard options.permissions == .persist, object.info.attributes == nil else { return object }
        let bucket = object.bucket
        if let known = bucket.attributes.attributes(of: object.info) { return object.carrying(known) }
        let isAttributed = bucket.attributes.isAttributed(object.key.folder)
        guard isAttributed != false || (alone && !bucket.listings.isBusy(object.key.folder.string)) else {
            return object
        }
        guard let info = try asked(object) else { return object }
        return object.carrying(info.attributes ?? ObjectAttributes())
    }

    /// Asks what an object carries; `nil` if it is not that version any more, or may not be asked.
    func asked(_ object: ObjectVersion) throws(StorageError) -> ObjectInfo? {
        do throws(StorageError) {
            let info = try object.bucket.store.info(object.key)
            guard info.etag == object.info.etag else { return nil }
            let attributes = info.attributes ?? ObjectAttributes()
            // Remembered under the time that listings tell, which may be finer.
            object.bucket.attributes.remember(object.carrying(attributes).info, isListed: true)
            if attributes.metadata["mode"] == nil { object.bucket.attributes.notePlain(object.key.folder) }
            return info
        } catch {
            guard error.code == .accessDenied || error.code == .notFound else { throw error }
            return nil
        }
    }

    /// Asks about the objects of a page of a folder, if its newest carries what file systems write.
    func describe(_ names: ArraySlice<ListedName>, in folder: Folder) throws(StorageError) {
        guard options.permissions == .persist else { return }
        let objects = names.compactMap { listed -> ObjectVersion? in
            guard case .object(let info) = listed.found, info.attributes == nil else { return nil }
            return ObjectVersion(bucket: folder.bucket, info: info)
        }.filter { folder.bucket.attributes.attributes(of: $0.info) == nil && !isKnownHere($0) }
        let key = ObjectKey(folder.prefix)
        if let newest = objects.max(by: { $0.info.modified < $1.info.modified }),
            folder.bucket.attributes.isAttributed(key) == nil
        {
            _ = try asked(newest)
        }
        guard folder.bucket.attributes.isAttributed(key) == true else { return }
        let folders = names.compactMap { listed -> Folder? in
            guard case .folder = listed.found else { return nil }
            let prefix = folder.prefix + listed.name + "/"
            guard folder.bucket.marker(ofFolder: prefix, notOlderThan: options.metadataTTL) == nil else { return nil }
            return Folder(bucket: folder.bucket, prefix: prefix)
        }
        let unknown = objects.filter { folder.bucket.attributes.attributes(of: $0.info) == nil }
        let questions = unknown.map(Question.object) + folders.map(Question.folder)
        _ = try searchers.each(questions) { [self] (question) throws(StorageError) in try ask(question) }
    }

    /// Whether an object is a file that was changed here, and carries what is known of that.
    private func isKnownHere(_ object: ObjectVersion) -> Bool {
        guard let file = object.bucket.file(object.key), file.stands(for: object.info) else { return false }
        return !file.mayCarryOther(than: object.info)
    }

    /// Something whose metadata is asked for.
    private enum Question: Sendable {
        case object(ObjectVersion)
        case folder(Folder)
    }

    private func ask(_ question: Question) throws(StorageError) {
        switch question {
        case .object(let object):
            guard let info = try asked(object), let file = object.bucket.file(object.key),
                file.stands(for: object.info)
            else { return }
            if !file.take(info.attributes ?? ObjectAttributes(), listed: object.info) { object.bucket.drop(file) }
        case .folder(let folder): try describe(folder, alone: true)
        }
    }

    /// Asks what the marker of a folder carries, and takes note of it.
    func describe(_ folder: Folder, alone: Bool) throws(StorageError) {
        guard options.permissions == .persist, !folder.prefix.isEmpty else { return }
        let parent = ObjectKey(folder.prefix).folder
        let isAttributed = folder.bucket.attributes.isAttributed(parent)
        guard isAttributed == true || (alone && !folder.bucket.listings.isBusy(parent.string)) else { return }
        do throws(StorageError) {
            folder.bucket.note(try askMarker(of: folder), ofFolder: folder.prefix)
        } catch {
            guard error.code == .accessDenied else { throw error }
            // Nothing is known of it, and need not be asked again with each listing.
            folder.bucket.note(FolderMarker(nil), ofFolder: folder.prefix)
        }
    }

    /// Asks for the marker of a folder, be there one or not.
    func askMarker(of folder: Folder) throws(StorageError) -> FolderMarker {
        do throws(StorageError) {
            return FolderMarker(try folder.bucket.store.info(ObjectKey(folder.prefix)))
        } catch {
            guard [.notFound, .invalid, .unsupported].contains(error.code) else { throw error }
            return FolderMarker(nil)
        }
    }
}

extension ObjectVersion {
    /// The same with what it carries.
    func carrying(_ attributes: ObjectAttributes) -> ObjectVersion {
        ObjectVersion(bucket: bucket, info: info.carrying(attributes))
    }
}
