import Storage
import Threads

/// A name that a directory lists, and when the store was asked that told what it is.
struct ListedName: Sendable {
    let name: String
    let found: Found
    let asked: ContinuousClock.Instant
}

/// The listing of a folder that somebody is going through, fetched a page at a time.
final class OpenDirectory: Sendable {
    private struct State {
        var names: [ListedName] = []
        /// Objects of which it isn't known yet whether a folder of the same name comes.
        var held: [(object: ObjectInfo, asked: ContinuousClock.Instant)] = []
        var last: Extent?
        /// What the store's listing lacked before it was asked; by the time that it answers, it may be stored.
        var unlisted: [(name: String, file: LiveFile?)]?
        var isComplete = false
        var hidden: [String] = []
    }

    let folder: Folder
    private let state = Monitor(State())

    init(_ folder: Folder) { self.folder = folder }

    /// Some names from a position on, as many as are there without another request; empty after the last.
    func names(from index: Int) throws(StorageError) -> ArraySlice<ListedName> {
        try state.withLock { state throws(StorageError) in
            if state.unlisted == nil { state.unlisted = folder.bucket.unlisted(in: folder.prefix) }
            if state.names.isEmpty, let known = folder.bucket.listings.complete(folder.prefix) {
                for extent in known { absorb(extent, into: &state) }
            }
            while state.names.count <= index, !state.isComplete {
                absorb(try folder.bucket.listings.page(of: folder.prefix, after: state.last), into: &state)
            }
            return index < state.names.count ? state.names[index...] : []
        }
    }

    /// Starts over, so that what has changed is seen.
    func rewind() { state.withLock { $0 = State() } }

    /// The keys met so far that no file can be named after.
    var hidden: [String] { state.withLock { $0.hidden } }

    private func absorb(_ extent: Extent, into state: inout State) {
        let objects = state.held + extent.page.objects.map { ($0, extent.asked) }
        state.held = []
        for (object, asked) in objects {
            let folderKey = object.key.string + "/"
            if extent.page.prefixes.has(folderKey) || sameBytes(object.key.string, folder.prefix) { continue }
            if extent.page.next == nil || extent.covers(folderKey) {
                add(object.key.string, .object(object), asked, &state)
            } else {
                state.held.append((object, asked))
            }
        }
        for prefix in extent.page.prefixes {
            add(String(decoding: prefix.utf8.dropLast(), as: UTF8.self), .folder, extent.asked, &state)
        }
        state.hidden += extent.page.illegible
        state.last = extent
        state.isComplete = extent.page.next == nil
        if state.isComplete { addUnlisted(&state) }
    }

    /// Adds what was made here and the store's listing lacks.
    private func addUnlisted(_ state: inout State) {
        let before = (state.unlisted ?? []).filter { isThere($0.file, as: $0.name) }
        let unlisted = before + folder.bucket.unlisted(in: folder.prefix)
        guard !unlisted.isEmpty else { return }
        var known = Set(state.names.map { ObjectKey($0.name) })
        for (name, file) in unlisted where known.insert(ObjectKey(name)).inserted {
            state.names.append(ListedName(name: name, found: file.map(Found.file) ?? .folder, asked: .now))
        }
    }

    /// Whether a file has its name still.
    private func isThere(_ file: LiveFile?, as name: String) -> Bool {
        guard let file, folder.bucket.file(ObjectKey(folder.prefix + name)) === file else { return false }
        return !file.isUnlinked
    }

    private func add(_ key: String, _ found: Found, _ asked: ContinuousClock.Instant, _ state: inout State) {
        let name = key.droppingBytes(folder.prefix.utf8.count)
        if FileName.isPossible(name) {
            state.names.append(ListedName(name: name, found: found, asked: asked))
        } else {
            state.hidden.append(key)
        }
    }
}
