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

    private let bytes: ObjectBytes
    private let borders: BorderCache
    private let pool: WorkerPool
    private let searches: Monitor<[Int64: Search]>
    private let start = Once<ObjectStart>()
    private let cutting = Once<Cutting>()
    private let header = Once<ByteSlice>()
    private let headerEnd = Once<Int64>()
    private let parquetFooter = Once<ParquetFooter>()

    /// An object of at most so many bytes is read whole, once, instead of at each of its borders.
    private static let smallSize: Int64 = 8 << 10
    /// How long a header may be that is kept in memory, to be repeated.
    private static let largestHeader: Int64 = 64 << 20

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
        bytes = ObjectBytes(store: store, object: object)
        self.object = object
        self.parameters = parameters
        self.borders = borders
        self.pool = pool
        plan = ChunkPlan(size: object.size, cut: parameters.cut)
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
            guard let search = lineUp(index) else { continue }
            pool.submit { if self.takeOn(search) { self.run(search, of: index) } }
        }
    }

    /// What every chunk but the first begins with, if the parameters or the format ask for that.
    package func headerBytes() throws(StorageError) -> ByteSlice {
        if case .automatic = parameters.format {
        } else {
            guard parameters.repeatsHeader || parameters.format.records.repeatsHeader else { return .empty }
        }
        let format = try cut().format.records
        guard parameters.repeatsHeader || format.repeatsHeader else { return .empty }
        return try header.value { () throws(StorageError) in
            let end = try self.endOfHeader(format)
            guard end <= Self.largestHeader else {
                throw StorageError(.unsupported, "the header is longer than 64 MiB and can't be repeated")
            }
            return ByteSlice(
                object.size <= Self.smallSize
                    ? Array(try startOfObject().bytes.prefix(Int(end))) : try bytes.read(0..<end))
        }
    }

    /// The format of the records, as the object itself shows it where the parameters leave that to it.
    package func format() throws(StorageError) -> ChunkParameters.Format { try cut().format }
}

// MARK: Borders

extension ChunkIndex {
    /// Where chunk `index` begins in the object.
    private func border(_ index: Int64) throws(StorageError) -> Int64 {
        _ = try cut()
        guard needsSearch(index) else { return plan.nominalOffset(index) }
        return try finish(turn(at: index), of: index).get()
    }

    /// Whether the border is neither the object's start nor its end.
    private func needsSearch(_ index: Int64) -> Bool {
        let nominal = plan.nominalOffset(index)
        return nominal > 0 && nominal < object.size
    }

    /// A border for which a thread may have to be found; `nil` if it is known, or searched, or lined up already.
    private func lineUp(_ index: Int64) -> Search? {
        let cache = cutting.known?.cache
        return searches.withLock { searches in
            guard searches[index] == nil else { return nil }
            let search = Search()
            if let known = cache?.border(index) { search.result = .success(known) }
            searches[index] = search
            return search.result == nil ? search : nil
        }
    }

    /// Makes the calling thread the one that does a search which is lined up, unless another one is.
    private func takeOn(_ search: Search) -> Bool {
        searches.withLock { _ in
            guard !search.isRunning, search.result == nil else { return false }
            search.isRunning = true
            return true
        }
    }

    private func turn(at index: Int64) -> Turn {
        let cache = cutting.known?.cache
        return searches.withLock { searches in
            if let search = searches[index] {
                if let result = search.result { return .known(result) }
                if search.isRunning { return .wait(search) }
                // Nobody waits for a thread of the pool to come to it.
                search.isRunning = true
                return .run(search)
            }
            let search = Search()
            searches[index] = search
            if let known = cache?.border(index) {
                search.result = .success(known)
                return .known(.success(known))
            }
            search.isRunning = true
            return .run(search)
        }
    }

    private func finish(_ turn: Turn, of index: Int64) -> Result<Int64, StorageError> {
        switch turn {
        case .known(let result): return result
        case .run(let search):
            run(search, of: index)
            return wait(for: search)
        case .wait(let search): return wait(for: search)
        }
    }

    private func wait(for search: Search) -> Result<Int64, StorageError> {
        searches.wait { _ in search.result }
    }

    /// Does a search, and those of the next borders too as far as no record begins before them.
    ///
    /// So what lies behind a cut is looked at once, however many chunks one record covers.
    /// It waits for a search of a later border only, and such a search never waits for an earlier one.
    private func run(_ search: Search, of index: Int64) {
        var held = [(index, search)]
        var joined: Search?
        let result = Result { () throws(StorageError) in
            try self.search(of: index) { frontier in
                while let (last, _) = held.last, joined == nil, self.needsSearch(last + 1),
                    self.plan.nominalOffset(last + 1) <= frontier
                {
                    switch self.turn(at: last + 1) {
                    case .run(let next): held.append((last + 1, next))
                    case .wait(let other): joined = other
                    case .known(let result):
                        joined = Search()
                        joined?.result = result
                    }
                }
                return joined != nil
            }
        }
        settle(
            held,
            result.flatMap { found in
                found.map { .success($0) } ?? joined.map { wait(for: $0) } ?? .success(object.size)
            })
    }

    private func settle(_ held: [(Int64, Search)], _ result: Result<Int64, StorageError>) {
        if case .success(let border) = result, let cache = cutting.known?.cache {
            for (index, _) in held { cache.remember(border, of: index) }
        }
        searches.update { searches in
            for (index, search) in held {
                search.result = result
                // Who asks next tries again; who waits has the search itself.
                if case .failure = result, searches[index] === search { searches[index] = nil }
            }
        }
    }

    /// Where the first record begins that begins at or after the nominal cut before a chunk.
    ///
    /// - Parameter isEnough: Is told now and then up to where no record begins; `true` ends the search with `nil`.
    private func search(of index: Int64, until isEnough: (Int64) -> Bool) throws(StorageError) -> Int64? {
        let cutting = try cut()
        if let known = cutting.cache?.border(index) { return known }
        let nominal = plan.nominalOffset(index)
        if case .rowGroups = cutting.format { return try footer().border(at: nominal) ?? object.size }
        let format = cutting.format.records
        if object.size <= Self.smallSize {
            return try startOfObject().bytes.withUnsafeBytes { format.border(at: nominal, in: $0) }
        }
        let floor = format.hasWholeHeader ? try endOfHeader(format) : 0
        var search =
            if case .quoted(let quoted) = cutting.format, let scan = cutting.scan {
                quoted.search(
                    from: nominal, size: object.size,
                    since: try scan.point(before: quoted.lastPoint(before: nominal)))
            } else {
                format.search(from: nominal, size: object.size)
            }
        return try bytes.run(&search) { isEnough($0.frontier) }.map { max($0, floor) }
    }

    /// The footer of a Parquet file, read once.
    func footer() throws(StorageError) -> ParquetFooter {
        try parquetFooter.value { () throws(StorageError) in try self.bytes.parquetFooter() }
    }

    private func endOfHeader(_ format: any RecordFormat) throws(StorageError) -> Int64 {
        try headerEnd.value { () throws(StorageError) in
            guard object.size > Self.smallSize else {
                return try startOfObject().bytes.withUnsafeBytes { format.headerEnd(in: $0) }
            }
            var search = format.headerSearch(size: object.size)
            return try self.bytes.run(&search) ?? object.size
        }
    }
}

// MARK: What the object is

extension ChunkIndex {
    /// How the object is cut: known without asking the store, but for its first bytes where they matter.
    private func cut() throws(StorageError) -> Cutting {
        try cutting.value { () throws(StorageError) in
            var format = parameters.format
            if format.records.needsText, object.size > 0 { try refuseCompressed() }
            if case .automatic = format {
                format = .detected(key: object.key.string, start: try startOfObject().bytes)
            }
            guard object.size > Self.smallSize, format.records.isSearched else { return Cutting(format: format) }
            let words = ChunkParameters(cut: parameters.cut, format: format).borderWords
            let cache = borders.entry(of: object, in: bytes.store.name, cut: words)
            guard case .quoted(let quoted) = format else { return Cutting(format: format, cache: cache) }
            return Cutting(format: format, cache: cache, scan: borders.scan(bytes, quoted.scan, pool: pool))
        }
    }

    /// Refuses to cut compressed bytes into records; cutting them into pieces of a size is as good as with any others.
    private func refuseCompressed() throws(StorageError) {
        guard let compression = try startOfObject().compression else { return }
        throw StorageError(
            .compressed, "a \(compression.rawValue) object can't be cut into records",
            hint: "use it whole (--per-object), or cut it anywhere (--format bytes)")
    }

    private func startOfObject() throws(StorageError) -> ObjectStart {
        try start.value { () throws(StorageError) in
            var count = self.object.size
            if count > Self.smallSize {
                count = Int64(Compression.magicCount)
                if case .automatic = self.parameters.format { count = ChunkParameters.Format.detectionCount }
            }
            return ObjectStart(bytes: count == 0 ? [] : try self.bytes.read(0..<count))
        }
    }
}

/// How an object is cut, and what is remembered of that.
private struct Cutting: Sendable {
    var format: ChunkParameters.Format
    var cache: BorderCache.Entry?
    var scan: ObjectScan?
}

/// The first bytes of an object; all of them if it is small.
private struct ObjectStart: Sendable {
    let bytes: [UInt8]

    var compression: Compression? { Compression(magic: bytes.prefix(Compression.magicCount)) }
}

/// A search for a border; it is read and written under the lock of the index.
private final class Search: @unchecked Sendable {
    /// Whether a thread has taken it on.
    var isRunning = false
    var result: Result<Int64, StorageError>?
}

/// What a thread that wants a border is to do.
private enum Turn {
    case known(Result<Int64, StorageError>)
    case run(Search)
    case wait(Search)
}
