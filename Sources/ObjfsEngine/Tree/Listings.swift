import Storage
import Synchronization

/// What a name of a folder is.
enum Found: Sendable {
    case folder
    case object(ObjectInfo)
    /// A file that was changed here.
    case file(LiveFile)
}

/// What a name is, and until when that may be believed; `nil` where there is nothing.
struct Finding: Sendable {
    let found: Found?
    let expires: ContinuousClock.Instant
    /// Whether the store was asked for this name alone.
    var isAlone = false
}

/// What is known of the keys of a bucket, and for how long; asks the store for what is not.
///
/// A name is asked for by listing the keys that begin with it, which tells of the object and of the folder at once,
/// and of the names that go on from it. Who asks for many names of one folder gets them a page at a time.
final class Listings: Sendable {
    fileprivate struct State {
        var folders: [ObjectKey: Folder] = [:]
        /// How many names are remembered.
        var names = 0
        /// At how many names those are looked for that are too old.
        var sweepAt = 20_000
        /// Counts what was forgotten, and when each folder was last.
        var changes: UInt64 = 0
        var forgotten: [ObjectKey: UInt64] = [:]
    }

    /// What is known of the names of one folder.
    fileprivate struct Folder {
        /// In the order of their keys, and apart from one another.
        var extents: [Extent] = []
        /// How often a single name was asked for and found, since when.
        var questions = 0
        var since: ContinuousClock.Instant = .now
    }

    private let store: any ObjectStore
    private let ttl: Duration
    private let absenceTTL: Duration
    private let state = Mutex(State())

    /// How many names are remembered at most.
    private static let limit = 200_000
    /// How long ago the kernel may have looked a name up that it then has made.
    private static let lookedUp = Duration.milliseconds(100)

    init(store: any ObjectStore, ttl: Duration, absenceTTL: Duration) {
        self.store = store
        self.ttl = ttl
        self.absenceTTL = absenceTTL
    }

    /// Whether many single names of a folder were asked for lately, and found.
    func isBusy(_ folder: String) -> Bool {
        state.withLock { ($0.folders[ObjectKey(folder)]?.questions ?? 0) >= 8 }
    }

    /// Forgets what is known of the folder that a key is in; a marker is in the folder above its own.
    func forget(_ key: ObjectKey) {
        state.withLock { $0.forget(key.folder) }
    }

    /// Forgets all that is known.
    func forgetAll() {
        state.withLock { state in
            for folder in Array(state.folders.keys) { state.forget(folder) }
        }
    }
}

// MARK: One name

extension Listings {
    /// Finds out what a name of a folder is, by at most two requests.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - folder: The keys of the folder begin so; empty, or with a `/` at its end.
    ///   - stem: If not `nil`, the beginning of `name` that is asked for in its stead,
    ///     so that the answer tells of that name too.
    ///   - isMade: Whether the name is about to be made: the kernel has just looked it up, and was told the truth.
    func find(
        _ name: String, in folder: String, stem: String? = nil, isMade: Bool = false
    ) throws(StorageError) -> Finding {
        let key = folder + name
        if let finding = remembered(key, in: folder, absence: isMade ? max(absenceTTL, Self.lookedUp) : absenceTTL) {
            return finding
        }
        if stem == nil, let extent = try scan(from: name, in: folder), let found = answer(key, [extent]) {
            if found.found != nil { countFound(in: folder) }
            return found
        }
        do throws(StorageError) {
            var finding = try ask(key, in: folder, stem: stem)
            finding.isAlone = true
            // Names that are not there yet are asked for by who makes them: a page of others is of no use then.
            if finding.found != nil, stem == nil { countFound(in: folder) }
            return finding
        } catch {
            guard error.code == .accessDenied else { throw error }
            return try askWithoutListing(key, after: error)
        }
    }

    private func ask(_ key: String, in folder: String, stem: String?) throws(StorageError) -> Finding {
        let request = ListingRequest(prefix: stem.map { folder + $0 } ?? key, isDelimited: true, limit: 100)
        let first = try fetch(request, from: request.prefix, in: folder)
        if let finding = answer(key, [first]) { return finding }
        // Many names go on from this one: what is not told yet is whether it is a folder.
        if first.covers(key) {
            let below = ListingRequest(prefix: key + "/", isDelimited: true, limit: 1)
            let asked = ContinuousClock.now
            var page = try store.list(below)
            while page.objects.isEmpty, page.prefixes.isEmpty, let next = page.next {
                var request = below
                request.token = next
                page = try store.list(request)
            }
            let isFolder = !page.objects.isEmpty || !page.prefixes.isEmpty
            let object = first.page.objects.find(key).map(Found.object)
            return Finding(found: isFolder ? .folder : object, expires: min(asked, first.asked) + ttl)
        }
        return try ask(key, in: folder, stem: nil)
    }

    /// What may still be told of an object by one who may not list.
    private func askWithoutListing(_ key: String, after error: StorageError) throws(StorageError) -> Finding {
        let asked = ContinuousClock.now
        do throws(StorageError) {
            return Finding(found: .object(try store.info(ObjectKey(key))), expires: asked + ttl)
        } catch let second {
            throw second.code == .notFound ? error : second
        }
    }

    /// What is known already; absence only for as long as that may be remembered.
    private func remembered(_ key: String, in folder: String, absence: Duration) -> Finding? {
        let now = ContinuousClock.now
        let extents = state.withLock { state in
            state.folders[ObjectKey(folder)]?.extents.filter { extent in
                extent.asked + ttl > now && (extent.covers(key) || extent.covers(key + "/"))
            }
        }
        guard let extents, !extents.isEmpty, let finding = answer(key, extents) else { return nil }
        guard finding.found == nil else { return finding }
        let expires = finding.expires - ttl + absence
        return expires > now ? Finding(found: nil, expires: expires) : nil
    }

    /// What some extents tell of a key; `nil` if that is not enough.
    private func answer(_ key: String, _ extents: [Extent]) -> Finding? {
        let folderKey = key + "/"
        let expires = (extents.map(\.asked).min() ?? .now) + ttl
        if extents.contains(where: { $0.page.prefixes.has(folderKey) }) {
            return Finding(found: .folder, expires: expires)
        }
        guard extents.contains(where: { $0.covers(key) }), extents.contains(where: { $0.covers(folderKey) }) else {
            return nil
        }
        let object = extents.lazy.compactMap { $0.page.objects.find(key) }.first
        return Finding(found: object.map(Found.object), expires: expires)
    }
}

// MARK: Many names

extension Listings {
    /// The whole listing of a folder, if it is known.
    func complete(_ folder: String) -> [Extent]? {
        let now = ContinuousClock.now
        guard let extents = state.withLock({ $0.folders[ObjectKey(folder)]?.extents }) else { return nil }
        var next = folder
        var chain: [Extent] = []
        for extent in extents where !comesBefore(extent.lower, next) {
            guard sameBytes(extent.lower, next), extent.asked + ttl > now else { return nil }
            chain.append(extent)
            if case .beginningWith(let prefix) = extent.upper, sameBytes(prefix, folder) { return chain }
            next = extent.next
        }
        return nil
    }

    /// The next files of a folder that have bytes, as far as listings tell that are known, be they old.
    ///
    /// - Parameters:
    ///   - key: The file before the first one.
    ///   - count: How many at most.
    func files(after key: ObjectKey, in folder: ObjectKey, _ count: Int) -> [ObjectInfo] {
        state.withLock { state in
            var files: [ObjectInfo] = []
            for extent in state.folders[folder]?.extents ?? [] {
                let objects = extent.page.objects
                for object in objects[objects.firstIndex(after: key.string)...] where files.count < count {
                    if object.size > 0, !object.key.string.hasSuffix("/") { files.append(object) }
                }
            }
            return files
        }
    }

    /// Asks the store for the first page of a folder, or the one after another.
    func page(of folder: String, after extent: Extent?) throws(StorageError) -> Extent {
        let request = ListingRequest(prefix: folder, isDelimited: true, token: extent?.page.next)
        return try fetch(request, from: extent?.next ?? folder, in: folder)
    }

    /// A page of names from one on, if many single names of the folder were asked for lately.
    private func scan(from name: String, in folder: String) throws(StorageError) -> Extent? {
        guard isBusy(folder), let start = Self.justBefore(name) else { return nil }
        let request = ListingRequest(prefix: folder, isDelimited: true, startAfter: ObjectKey(folder + start))
        do throws(StorageError) {
            return try fetch(request, from: folder + name, in: folder)
        } catch {
            // The question about the one name follows, and tells what is wrong.
            return nil
        }
    }

    /// Counts one more single name that was found.
    private func countFound(in folder: String) {
        let now = ContinuousClock.now
        state.withLock { state in
            var known = state.folders[ObjectKey(folder)] ?? Folder()
            if known.since + max(ttl, .seconds(1)) < now {
                known.questions = 0
                known.since = now
            }
            known.questions += 1
            state.folders[ObjectKey(folder)] = known
        }
    }

    /// A name with hardly any other between it and `name`.
    private static func justBefore(_ name: String) -> String? {
        var scalars = Array(name.unicodeScalars)
        guard let last = scalars.popLast(), last.value > 0 else { return nil }
        guard let before = Unicode.Scalar(last.value == 0xE000 ? 0xD7FF : last.value - 1) else { return nil }
        var result = String.UnicodeScalarView()
        result.append(contentsOf: scalars)
        result.append(before)
        result.append("\u{10FFFD}")
        return String(result)
    }

    private func fetch(
        _ request: ListingRequest, from lower: String, in folder: String
    ) throws(StorageError) -> Extent {
        let asked = ContinuousClock.now
        let changes = state.withLock { $0.changes }
        var request = request
        var page = try store.list(request)
        while page.objects.isEmpty, page.prefixes.isEmpty, let next = page.next {
            request.token = next
            page = try store.list(request)
        }
        let extent = Extent(page, answering: request, from: lower, asked: asked)
        state.withLock { state in
            // The store may have answered before something was changed here that is forgotten by now.
            guard state.forgotten[ObjectKey(folder)] ?? 0 <= changes else { return }
            state.add(extent, to: ObjectKey(folder), now: asked, ttl: ttl, limit: Self.limit)
        }
        return extent
    }
}

extension Listings.State {
    fileprivate mutating func add(
        _ extent: Extent, to folder: ObjectKey, now: ContinuousClock.Instant, ttl: Duration, limit: Int
    ) {
        if names > sweepAt { removeExpired(now, ttl) }
        if names > limit {
            folders.removeAll()
            names = 0
        }
        var known = folders[folder] ?? Listings.Folder()
        names -= known.names
        defer {
            names += known.names
            folders[folder] = known
        }
        known.extents.removeAll { $0.asked + ttl <= now }
        // A question about one name does not tear a hole into a listing that is still believed.
        guard !known.extents.contains(where: { $0.contains(extent) }) else { return }
        known.extents.removeAll { $0.overlaps(extent) }
        let place = known.extents.firstIndex { comesBefore(extent.lower, $0.lower) } ?? known.extents.endIndex
        known.extents.insert(extent, at: place)
    }

    fileprivate mutating func forget(_ folder: ObjectKey) {
        names -= folders.removeValue(forKey: folder)?.names ?? 0
        changes += 1
        if forgotten.count >= 10_000 { forgotten.removeAll() }
        forgotten[folder] = changes
    }

    private mutating func removeExpired(_ now: ContinuousClock.Instant, _ ttl: Duration) {
        folders = folders.compactMapValues { folder in
            var folder = folder
            folder.extents.removeAll { $0.asked + ttl <= now }
            return folder.extents.isEmpty ? nil : folder
        }
        names = folders.values.reduce(0) { $0 + $1.names }
        sweepAt = max(2 * names, 20_000)
    }
}

extension Listings.Folder {
    fileprivate var names: Int { extents.reduce(0) { $0 + $1.page.objects.count + $1.page.prefixes.count } }
}
