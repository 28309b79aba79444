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
    /// When the store was asked.
    let asked: ContinuousClock.Instant
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
        /// What was asked until then may have been changed here.
        var allChanged: ContinuousClock.Instant?
    }

    /// What is known of the names of one folder.
    fileprivate struct Folder {
        var names = KnownNames()
        /// How often a single name was asked for that makes others likely, since when.
        var questions = 0
        var since: ContinuousClock.Instant = .now
    }

    private let store: any ObjectStore
    private let ttl: Duration
    private let absenceTTL: Duration
    private let state = Mutex(State())

    /// How many names are remembered at most.
    fileprivate static let limit = 200_000
    /// How long ago the kernel may have looked a name up that it then has made, and was told the truth.
    static let lookedUp = Duration.milliseconds(100)

    /// How long what the store said may be of use.
    private var lifetime: Duration { max(ttl, absenceTTL, Self.lookedUp) }

    init(store: any ObjectStore, ttl: Duration, absenceTTL: Duration) {
        self.store = store
        self.ttl = ttl
        self.absenceTTL = absenceTTL
    }

    /// Whether many single names of a folder were asked for lately.
    func isBusy(_ folder: String) -> Bool {
        state.withLock { ($0.folders[ObjectKey(folder)]?.questions ?? 0) >= 8 }
    }
}

// MARK: What is changed here

extension Listings {
    /// Forgets what a name is, for it was just changed.
    ///
    /// The key of a marker stands for the name of its folder.
    func forget(_ key: ObjectKey) {
        let now = ContinuousClock.now
        state.withLock { $0.change(key.withoutSlash, in: key.folder, at: now, lifetime) }
    }

    /// Forgets a folder, and all that was in it.
    func forgetFolder(_ prefix: String) {
        let now = ContinuousClock.now
        state.withLock { state in
            let key = ObjectKey(prefix)
            state.change(key.withoutSlash, in: key.folder, at: now, lifetime)
            state.update(key) { $0.names.changeAll(at: now) }
        }
    }

    /// Whether a name was changed here after the store was asked, or may have been.
    func isChanged(_ key: String, in folder: String, since asked: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            let known = state.folders[ObjectKey(folder)]?.names.changed(ObjectKey(key))
            return [state.allChanged, known].contains { $0.map { $0 >= asked } ?? false }
        }
    }

    /// Forgets all that is known.
    func forgetAll() {
        let now = ContinuousClock.now
        state.withLock { $0.forgetAll(at: now) }
    }

    /// Takes note that a folder is about to be made whose name was found to be free: there is nothing in it.
    func noteMade(_ prefix: String) {
        state.withLock { state in
            let key = ObjectKey(prefix)
            guard let known = state.folders[key.folder]?.names.answer(key.withoutSlash), known.found == nil else {
                return
            }
            let extent = Extent(emptyFolder: prefix, asked: known.asked)
            state.update(key) { $0.names.add(extent, oldest: .now - lifetime) }
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
    ///   - absence: How long ago the store may have been asked that said that the name is not there;
    ///     `nil` for as long as the user allows.
    func find(
        _ name: String, in folder: String, stem: String? = nil, absence: Duration? = nil
    ) throws(StorageError) -> Finding {
        let key = folder + name
        if let finding = remembered(key, in: folder, absence: absence ?? absenceTTL) { return finding }
        if stem == nil, let extent = try scan(from: name, in: folder), let found = answer(key, extent) {
            count(found, in: folder)
            return found
        }
        do throws(StorageError) {
            var finding = try ask(key, in: folder, stem: stem)
            finding.isAlone = true
            if stem == nil { count(finding, in: folder) }
            return finding
        } catch {
            guard error.code == .accessDenied else { throw error }
            return try askWithoutListing(key, after: error)
        }
    }

    private func ask(_ key: String, in folder: String, stem: String?) throws(StorageError) -> Finding {
        let request = ListingRequest(prefix: stem.map { folder + $0 } ?? key, isDelimited: true, limit: 100)
        let first = try fetch(request, from: request.prefix, in: folder)
        if let finding = answer(key, first) { return finding }
        // Many names go on from this one: what is not told yet is whether it is a folder.
        if first.covers(key) {
            let below = ListingRequest(prefix: key + "/", isDelimited: true, limit: 1)
            let asked = ContinuousClock.now
            var page = try store.list(below)
            while page.isEmpty, let next = page.next {
                var request = below
                request.token = next
                page = try store.list(request)
            }
            let object = first.page.objects.find(key).map(Found.object)
            return finding(page.isEmpty ? object : .folder, min(asked, first.asked))
        }
        return try ask(key, in: folder, stem: nil)
    }

    /// What may still be told of an object by one who may not list.
    private func askWithoutListing(_ key: String, after error: StorageError) throws(StorageError) -> Finding {
        let asked = ContinuousClock.now
        do throws(StorageError) {
            return finding(.object(try store.info(ObjectKey(key))), asked)
        } catch let second {
            throw second.code == .notFound ? error : second
        }
    }

    /// What is known already; absence only for as long as that may be remembered.
    private func remembered(_ key: String, in folder: String, absence: Duration) -> Finding? {
        guard let known = state.withLock({ $0.folders[ObjectKey(folder)]?.names.answer(ObjectKey(key)) }) else {
            return nil
        }
        let expires = known.asked + (known.found == nil ? absence : ttl)
        return expires > .now ? Finding(found: known.found, asked: known.asked, expires: expires) : nil
    }

    /// What the store's answer tells of a key; `nil` if that is not enough.
    private func answer(_ key: String, _ extent: Extent) -> Finding? {
        KnownNames(extent).answer(ObjectKey(key)).map { finding($0.found, $0.asked) }
    }

    private func finding(_ found: Found?, _ asked: ContinuousClock.Instant) -> Finding {
        Finding(found: found, asked: asked, expires: asked + ttl)
    }
}

// MARK: Many names

extension Listings {
    /// The whole listing of a folder, if it is known.
    func complete(_ folder: String) -> [Extent]? {
        let oldest = ContinuousClock.now - ttl
        return state.withLock { $0.folders[ObjectKey(folder)]?.names.pages(of: folder, after: oldest) }
    }

    /// The next files of a folder that have bytes, as far as listings tell that are known, be they old.
    ///
    /// - Parameters:
    ///   - key: The file before the first one.
    ///   - count: How many at most.
    func files(after key: ObjectKey, in folder: ObjectKey, _ count: Int) -> [ObjectInfo] {
        state.withLock { $0.folders[folder]?.names.files(after: key, count) ?? [] }
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

    /// Counts one more single name that was asked for.
    ///
    /// Names that are not there are asked for by who makes them: a page of others is of no use then, unless it may be
    /// remembered where there is none.
    private func count(_ finding: Finding, in folder: String) {
        guard finding.found != nil || absenceTTL > .zero else { return }
        let now = ContinuousClock.now
        state.withLock { state in
            state.update(ObjectKey(folder)) { known in
                if known.since + max(ttl, .seconds(1)) < now {
                    known.questions = 0
                    known.since = now
                }
                known.questions += 1
            }
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
        var request = request
        var page = try store.list(request)
        while page.objects.isEmpty, page.prefixes.isEmpty, let next = page.next {
            let illegible = page.illegible
            request.token = next
            page = try store.list(request)
            page.illegible = illegible + page.illegible
        }
        let extent = Extent(page, answering: request, from: lower, asked: asked)
        state.withLock { $0.add(extent, to: ObjectKey(folder), lifetime) }
        return extent
    }
}

extension Listings.State {
    fileprivate mutating func add(_ extent: Extent, to folder: ObjectKey, _ lifetime: Duration) {
        let oldest = ContinuousClock.now - lifetime
        makeRoom(oldest)
        if let allChanged, extent.asked <= allChanged { return }
        update(folder) { $0.names.add(extent, oldest: oldest) }
    }

    fileprivate mutating func change(
        _ key: ObjectKey, in folder: ObjectKey, at now: ContinuousClock.Instant, _ lifetime: Duration
    ) {
        makeRoom(now - lifetime)
        update(folder) { $0.names.change(key, at: now, oldest: now - lifetime) }
    }

    fileprivate mutating func forgetAll(at now: ContinuousClock.Instant) {
        folders.removeAll()
        names = 0
        allChanged = now
    }

    /// Changes what is known of a folder.
    fileprivate mutating func update(_ folder: ObjectKey, _ body: (inout Listings.Folder) -> Void) {
        var known = folders.removeValue(forKey: folder) ?? Listings.Folder()
        names -= known.names.count
        body(&known)
        names += known.names.count
        folders[folder] = known
    }

    /// Sees to it that not too much is remembered.
    private mutating func makeRoom(_ oldest: ContinuousClock.Instant) {
        if names > sweepAt {
            folders = folders.compactMapValues { folder in
                var folder = folder
                return folder.names.removeOld(oldest) ? nil : folder
            }
            names = folders.values.reduce(0) { $0 + $1.names.count }
            sweepAt = max(2 * names, 20_000)
        }
        if names > Listings.limit { forgetAll(at: .now) }
    }
}

extension ObjectKey {
    /// The key without the `/` that ends a marker's.
    fileprivate var withoutSlash: ObjectKey {
        endsInSlash ? ObjectKey(String(decoding: string.utf8.dropLast(), as: UTF8.self)) : self
    }
}
