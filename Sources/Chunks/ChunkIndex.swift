package import Bytes
package import Decompression
package import Records
package import Storage
package import Threads

/// Where the chunks of one version of an object begin and end.
///
/// A border is searched by small reads of the store when somebody first asks for it, by one thread, and kept.
/// All reads insist on the version, so the chunks of an index are cuts of the same bytes.
package final class ChunkIndex: Sendable {
    /// The object that is cut; of a compressed one, what it decompresses to, under the same name and version.
    package let object: ObjectInfo
    package let parameters: ChunkParameters
    package let plan: ChunkPlan
    /// How the object is compressed whose content is cut; `nil` if it is cut as it is.
    package let compression: Compression?

    private let bytes: ObjectBytes
    private let borders: BorderCache
    private let pool: WorkerPool
    private let searches: Monitor<[Int64: Search]>
    private let start: Once<ObjectStart>
    private let cutting = Once<Cutting>()
    private let header = Once<ByteSlice>()
    private let headerEnd = Once<Int64>()
    private let parquetFooter = Once<ParquetFooter>()

    /// How long a header may be that is kept in memory, to be repeated.
    private static let largestHeader: Int64 = 64 << 20

    private init(
        _ bytes: ObjectBytes, _ compression: Compression?, start: ObjectStart?, parameters: ChunkParameters,
        borders: BorderCache, pool: WorkerPool
    ) {
        self.bytes = bytes
        self.compression = compression
        self.start = Once(start)
        object = bytes.object
        self.parameters = parameters
        self.borders = borders
        self.pool = pool
        plan = ChunkPlan(size: bytes.size, cut: parameters.cut)
        searches = Monitor([:])
    }

    /// Opens the index of an object: looks at its first bytes and, if it is compressed, finds out how long its content is.
    ///
    /// Formats that are not of text cut an object as it is, and nothing is looked at then.
    ///
    /// - Parameters:
    ///   - store: Where the object is.
    ///   - object: The version to cut.
    ///   - parameters: How to cut it.
    ///   - borders: Remembers borders, and where compressed objects can be entered, from one index to the next.
    ///   - pool: Its threads search when many borders are asked for.
    ///   - effort: What reading from a compressed object may take.
    /// - Throws: ``StorageError/Code/changed`` if the object is no longer this version,
    ///   ``StorageError/Code/damaged`` if it is compressed and can't be decompressed.
    package static func open(
        store: any ObjectStore, object: ObjectInfo, parameters: ChunkParameters, borders: BorderCache, pool: WorkerPool,
        effort: PlainStore.Effort = .none
    ) throws(StorageError) -> ChunkIndex {
        let bytes = ObjectBytes(store: store, object: object)
        guard parameters.format.records.needsText, object.size > 0 else {
            return ChunkIndex(bytes, nil, start: nil, parameters: parameters, borders: borders, pool: pool)
        }
        let start = try ObjectStart(bytes, count: Self.startCount(parameters))
        guard let compression = try start.compression(of: bytes) else {
            return ChunkIndex(bytes, nil, start: start, parameters: parameters, borders: borders, pool: pool)
        }
        let access = try borders.access(to: bytes, compression, pool: pool)
        let plain = PlainStore(store, object, access, effort)
        return ChunkIndex(
            ObjectBytes(store: plain, object: plain.object), access.compression, start: nil, parameters: parameters,
            borders: borders, pool: pool)
    }

    /// Writes the index of a compressed object beside it; does nothing for others.
    ///
    /// - Parameter store: Where the object is.
    package func keepBeside(_ store: any ObjectStore) throws(StorageError) {
        guard let plain = bytes.store as? PlainStore else { return }
        try store.write(IndexObject.key(for: object.key), try plain.index.content())
    }

    /// Where the chunks' ranges are to be read from: ``object`` is there.
    package var store: any ObjectStore { bytes.store }

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
                object.size <= ObjectStart.smallSize
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
        if object.size <= ObjectStart.smallSize {
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
            guard object.size > ObjectStart.smallSize else {
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
            if case .automatic = format {
                let name = compression == nil ? object.key.string : Compression.plainName(of: object.key.string)
                format = .detected(key: name, start: try startOfObject().bytes)
            }
            guard object.size > ObjectStart.smallSize, format.records.isSearched else { return Cutting(format: format) }
            let words = ChunkParameters(cut: parameters.cut, format: format).borderWords
            let cache = borders.entry(of: object, in: bytes.store.name, cut: words)
            guard case .quoted(let quoted) = format else { return Cutting(format: format, cache: cache) }
            return Cutting(format: format, cache: cache, scan: borders.scan(bytes, quoted.scan, pool: pool))
        }
    }

    /// How many bytes of the start are needed to know how to cut.
    private static func startCount(_ parameters: ChunkParameters) -> Int64 {
        if case .automatic = parameters.format { ChunkParameters.Format.detectionCount } else { 0 }
    }

    private func startOfObject() throws(StorageError) -> ObjectStart {
        try start.value { () throws(StorageError) in
            try ObjectStart(self.bytes, count: Self.startCount(self.parameters))
        }
    }
}

/// How an object is cut, and what is remembered of that.
private struct Cutting: Sendable {
    var format: ChunkParameters.Format
    var cache: BorderCache.Entry?
    var scan: ObjectScan?
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
