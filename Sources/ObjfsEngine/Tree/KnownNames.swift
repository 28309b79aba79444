import Storage

/// What is known of the names of one folder: what the store said of them, but for what was changed here since.
struct KnownNames: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// In the order of where they begin.
    ///
    /// Pages are apart from one another; the answers about single names may lie in them, and in one another.
    private var extents: [Extent] = []
    /// When names were changed here: what the store was asked until then does not tell of them.
    private var changes: [ObjectKey: Instant] = [:]
    private var lastChange: Instant?
    /// When all names may have changed.
    private var allChanged: Instant?
    /// At how many changes those are looked for that are too old to matter.
    private var sweepAt = 64

    init() {}

    /// Makes what one answer of the store tells.
    init(_ extent: Extent) { extents = [extent] }

    /// How many names are remembered, where there is none, and that all may have changed.
    var count: Int {
        let notes = changes.count + (allChanged == nil ? 0 : 1)
        return extents.reduce(notes) { $0 + 1 + $1.page.objects.count + $1.page.prefixes.count }
    }

    /// Adds what the store said, unless all of it may have changed since it was asked.
    ///
    /// - Parameter oldest: When the store was asked for the oldest that is believed.
    mutating func add(_ extent: Extent, oldest: Instant) {
        if let allChanged, extent.asked <= allChanged { return }
        extents.removeAll { old in
            old.asked <= oldest || extent.contains(old) || (extent.isPage && old.isPage && extent.overlaps(old))
        }
        let place = extents.firstIndex { comesBefore(extent.lower, $0.lower) } ?? extents.endIndex
        extents.insert(extent, at: place)
    }

    /// Takes note that a name was changed here.
    ///
    /// - Parameter oldest: When the store was asked for the oldest that is believed.
    mutating func change(_ key: ObjectKey, at now: Instant, oldest: Instant) {
        extents.removeAll { !$0.isPage && sameBytes($0.prefix, key.string) }
        changes[key] = now
        lastChange = now
        guard changes.count >= sweepAt else { return }
        changes = changes.filter { $0.value > oldest }
        sweepAt = max(2 * changes.count, 64)
    }

    /// Takes note that all names may have changed.
    mutating func changeAll(at now: Instant) {
        extents = []
        changes = [:]
        lastChange = now
        allChanged = now
    }

    /// Forgets what the store was asked that long ago.
    ///
    /// - Returns: Whether nothing is left.
    mutating func removeOld(_ oldest: Instant) -> Bool {
        extents.removeAll { $0.asked <= oldest }
        changes = changes.filter { $0.value > oldest }
        return extents.isEmpty && changes.isEmpty && (allChanged.map { $0 <= oldest } ?? true)
    }

    /// What a key is, and when the store was asked; `nil` if not enough is known.
    func answer(_ key: ObjectKey) -> (found: Found?, asked: Instant)? {
        let folderKey = key.string + "/"
        let changed = changed(key)
        guard let below = newest(covering: folderKey, after: changed) else { return nil }
        if below.page.prefixes.has(folderKey) { return (.folder, below.asked) }
        guard let own = newest(covering: key.string, after: changed) else { return nil }
        return (own.page.objects.find(key.string).map(Found.object), min(own.asked, below.asked))
    }

    /// When a name was changed here, as far as that is remembered.
    func changed(_ key: ObjectKey) -> Instant? { [allChanged, changes[key]].compactMap(\.self).max() }

    /// The last that the store said of a key, if it was asked after something was changed.
    private func newest(covering key: String, after changed: Instant?) -> Extent? {
        extents.lazy.filter { extent in
            changed.map { $0 < extent.asked } ?? true && extent.covers(key)
        }.max { $0.asked < $1.asked }
    }

    /// All pages of the folder in order, if all are there that were asked for after `oldest` and the last change.
    func pages(of folder: String, after oldest: Instant) -> [Extent]? {
        let oldest = max(lastChange ?? oldest, oldest)
        var next = folder
        var chain: [Extent] = []
        for extent in extents where extent.isPage && !comesBefore(extent.lower, next) {
            guard sameBytes(extent.lower, next), extent.asked > oldest else { return nil }
            chain.append(extent)
            if case .beginningWith = extent.upper { return chain }
            next = extent.next
        }
        return nil
    }

    /// The next files that have bytes, as far as pages tell that are known, be they old.
    func files(after key: ObjectKey, _ count: Int) -> [ObjectInfo] {
        var files: [ObjectInfo] = []
        for extent in extents where extent.isPage {
            let objects = extent.page.objects
            for object in objects[objects.firstIndex(after: key.string)...]
            where object.size > 0 && !object.key.endsInSlash {
                guard files.count < count else { return files }
                files.append(object)
            }
        }
        return files
    }
}
