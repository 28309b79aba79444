package import Bytes
package import Records
package import Storage
package import Threads

/// Where the chunks of one version of an object begin and end.
///
/// A border is searched by small reads of the store when somebody first asks for it, by one thread, and kept.
/// All reads insist on the version, so the chunks of an index are cuts of the same bytes.
package final class ChunkIndex: Sendable {
    package let object: ObjectInfo
    package let parameters: ChunkParameters
    package let plan: ChunkPlan

    private let store: any ObjectStore
    private let cache: BorderCache.Entry?
    private let pool: WorkerPool
    private let searches: Monitor<[Int64: Search]>
    private let start = Once<ObjectStart>()
    private let header = Once<ByteSlice>()

    /// An object of at most so many bytes is read whole, once, instead of at each of its borders.
    private static let smallSize: Int64 = 8 << 10

    /// Makes the index of an object; this asks the store nothing.
    ///
    /// - Parameters:
    ///   - store: Where the object is.
    ///   - object: The version to cut.
    ///   - parameters: How to cut it.
    ///   - borders: Remembers borders from one index to the next.
    ///   - pool: Its threads search when many borders are asked for.
    package init(
        store: any ObjectStore, object: ObjectInfo, parameters: ChunkParameters, borders: BorderCache, pool: WorkerPool
    ) {
        self.store = store
        self.object = object
        self.parameters = parameters
        self.pool = pool
        plan = ChunkPlan(size: object.size, cut: parameters.cut)
        cache = object.size > Self.smallSize ? borders.entry(of: object, in: store.name, cut: parameters) : nil
        searches = Monitor([:])
    }

    /// The number of chunks; at least one.
    package var count: Int64 { plan.count }

    /// A chunk, by its index.
    ///
    /// - Throws: ``StorageError/Code/compressed`` if the object can't be cut into such records,
    ///   ``StorageError/Code/changed`` if it is no longer the version of this index.
    package func chunk(_ index: Int64) throws(StorageError) -> Chunk {
        let offset = try border(index)
        let end = try border(index + 1)
        return Chunk(index: index, count: count, offset: offset, length: max(end - offset, 0))
    }

    /// Some chunks, many of whose borders are searched at a time.
    package func chunks(_ range: Range<Int64>) throws(StorageError) -> [Chunk] {
        let range = range.clamped(to: 0..<count)
        var chunks: [Chunk] = []
        for index in range {
            // Keeps the searches ahead of the answers, without a list of all of them.
            if (index - range.lowerBound).isMultiple(of: 32) {
                lookAhead(index..<min(index + 96, range.upperBound))
            }
            chunks.append(try chunk(index))
        }
        return chunks
    }

    /// Begins to search the borders of some chunks and returns at once.
    package func lookAhead(_ range: Range<Int64>) {
        let range = range.clamped(to: 0..<count)
        guard !range.isEmpty else { return }
        for index in range.lowerBound...range.upperBound where needsSearch(index) {
            guard let search = claim(index) else { continue }
            pool.submit { self.run(search, of: index) }
        }
    }

    /// What every chunk but the first begins with, if the parameters ask for that: the object's first record.
    package func headerBytes() throws(StorageError) -> ByteSlice {
        guard parameters.repeatsHeader else { return .empty }
        return try header.value { () throws(StorageError) in
            try self.refuseCompressed()
            let end = try self.search(from: 1)
            return ByteSlice(try self.read(0..<min(end, self.object.size)))
        }
    }
}

// MARK: Borders

extension ChunkIndex {
    /// Where chunk `index` begins in the object.
    private func border(_ index: Int64) throws(StorageError) -> Int64 {
        try refuseCompressed()
        guard needsSearch(index) else { return plan.nominalOffset(index) }
        if let search = claim(index) {
            run(search, of: index)
            return try wait(for: search)
        }
        // A search that another thread had taken on may have failed just now: then it is this thread's turn.
        guard let search = searches.withLock({ $0[index] }) else { return try border(index) }
        return try wait(for: search)
    }

    /// Whether the border is neither the object's start nor its end.
    private func needsSearch(_ index: Int64) -> Bool {
        let nominal = plan.nominalOffset(index)
        return nominal > 0 && nominal < object.size
    }

    /// Makes the calling thread the one that searches a border; `nil` if it is known or another thread searches it.
    private func claim(_ index: Int64) -> Search? {
        searches.withLock { searches in
            guard searches[index] == nil else { return nil }
            let search = Search()
            if let known = cache?.border(index) { search.result = .success(known) }
            searches[index] = search
            return search.result == nil ? search : nil
        }
    }

    private func run(_ search: Search, of index: Int64) {
        let nominal = plan.nominalOffset(index)
        let result = Result { () throws(StorageError) in try self.search(from: nominal) }
        if case .success(let border) = result { cache?.remember(border, of: index) }
        searches.update { searches in
            search.result = result
            // Who asks next tries again; who waits has the search itself.
            if case .failure = result, searches[index] === search { searches[index] = nil }
        }
    }

    private func wait(for search: Search) throws(StorageError) -> Int64 {
        try searches.wait { _ in search.result }.get()
    }

    /// Where the first record begins that begins at or after a position.
    private func search(from cut: Int64) throws(StorageError) -> Int64 {
        if object.size <= Self.smallSize {
            return try startOfObject().bytes.withUnsafeBytes { parameters.format.records.border(at: cut, in: $0) }
        }
        let format = parameters.format.records
        var step = format.search(from: cut, size: object.size)
        while case .read(let range) = step {
            let bytes = try read(range)
            step = bytes.withUnsafeBytes { bytes in
                format.search(from: cut, size: object.size, in: RecordWindow(offset: range.lowerBound, bytes: bytes))
            }
        }
        guard case .found(let border) = step else { return object.size }
        return border
    }

    /// Reads exactly a range of the object, in the version of this index.
    private func read(_ range: Range<Int64>) throws(StorageError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        try store.read(object.key, range: range, ifVersion: object.etag) { part in
            bytes.append(contentsOf: part)
            return true
        }
        guard bytes.count == range.count else { throw StorageError(.corrupted, "the object ended before its end") }
        return bytes
    }
}

// MARK: Compression

extension ChunkIndex {
    /// Refuses to cut compressed bytes into records; cutting them into pieces of a size is as good as with any others.
    private func refuseCompressed() throws(StorageError) {
        guard case .terminated = parameters.format, object.size > 0 else { return }
        guard let compression = try startOfObject().compression else { return }
        throw StorageError(
            .compressed, "a \(compression.rawValue) object can't be cut into records",
            hint: "use it whole (--per-object), or cut it anywhere (--format bytes)")
    }

    private func startOfObject() throws(StorageError) -> ObjectStart {
        try start.value { () throws(StorageError) in
            let count = self.object.size <= Self.smallSize ? self.object.size : Int64(Compression.magicCount)
            return ObjectStart(bytes: count == 0 ? [] : try self.read(0..<count))
        }
    }
}

/// The first bytes of an object; all of them if it is small.
private struct ObjectStart: Sendable {
    let bytes: [UInt8]

    var compression: Compression? { Compression(magic: bytes.prefix(Compression.magicCount)) }
}

/// A search that some thread has taken on; its result is read and written under the lock of the index.
private final class Search: @unchecked Sendable {
    var result: Result<Int64, StorageError>?
}
