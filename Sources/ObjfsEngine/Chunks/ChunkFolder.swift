import Bytes
import Chunks
import Decompression
import Records
import Storage
import Synchronization
import Threads

/// The folder `F@chunks…` of one version of an object.
final class ChunkFolder: Sendable {
    let object: ObjectVersion
    let parameters: ChunkParameters
    private let borders: BorderCache
    private let pool: WorkerPool
    private let decompressing: Turns
    /// Where its chunks begin; opened when that matters, for it may cost a look at the object.
    private let opened = Once<ChunkIndex>()
    /// How far chunks have been asked for one after the other, and how many are looked ahead at.
    private let pace = Mutex(Pace())

    fileprivate struct Pace {
        var next: Int64 = 0
        var ahead: Int64 = 0
        /// The first chunk that was not looked ahead at.
        var frontier: Int64 = 0
    }

    /// How many chunks are looked ahead at, at most.
    private static let reach: Int64 = 64

    init(
        _ object: ObjectVersion, parameters: ChunkParameters, borders: BorderCache, pool: WorkerPool,
        decompressing: Turns
    ) {
        self.object = object
        self.parameters = parameters
        self.borders = borders
        self.pool = pool
        self.decompressing = decompressing
    }

    /// Where its chunks begin.
    ///
    /// The first to ask of a compressed object waits until it has been read.
    func index() throws(StorageError) -> ChunkIndex {
        try opened.value { () throws(StorageError) in
            try ChunkIndex.open(
                store: object.bucket.store, object: object.info, parameters: parameters, borders: borders, pool: pool,
                effort: .inTurns(decompressing))
        }
    }

    /// The number of chunks; where it was given, nobody has to look at the object for it.
    func count() throws(StorageError) -> Int64 {
        if case .count(let count) = parameters.cut { return count }
        return try index().count
    }

    /// What its files are called.
    func names() throws(StorageError) -> ChunkName {
        var name = object.key.string
        // What has an extension of compressed objects may be one of them; its chunks are not compressed.
        if parameters.nameExtension == .own, Compression.isNamed(by: name), try index().compression != nil {
            name = Compression.plainName(of: name)
        }
        return ChunkName(count: try count(), fileExtension: parameters.fileExtension(of: name))
    }

    /// Everything by which folders of one object differ.
    var words: String { "\(parameters.borderWords) \(parameters.repeatsHeader) \(parameters.nameExtension)" }

    func isSame(as other: ChunkFolder) -> Bool {
        parameters == other.parameters && object.isSame(as: other.object)
    }

    /// One chunk; who asks for one after the other finds the next ones looked up already.
    func chunk(_ number: Int64) throws(StorageError) -> Chunk {
        let ahead = pace.withLock { pace in pace.step(number, reach: Self.reach) }
        if let ahead { try index().lookAhead(ahead) }
        return try index().chunk(number)
    }

    /// What the file of a chunk consists of.
    func content(of number: Int64) throws(StorageError) -> ChunkContent {
        try index().content(of: try chunk(number))
    }
}

extension ChunkFolder.Pace {
    /// Takes note of a question, and says which chunks should be looked ahead at.
    ///
    /// The first question looks at nothing else; each one that follows the last, or nearly, looks four times as far.
    fileprivate mutating func step(_ number: Int64, reach: Int64) -> Range<Int64>? {
        let isNext = number >= next - reach && number <= max(next, frontier) + 16
        defer { next = isNext ? max(next, number + 1) : number + 1 }
        guard isNext, number > 0 || next > 0 else {
            ahead = 0
            frontier = number + 1
            return nil
        }
        guard number >= next - 1 else { return nil }
        ahead = min(max(ahead * 4, 4), reach)
        let end = number + ahead
        guard end > frontier else { return nil }
        let range = max(frontier, number)..<end
        frontier = end
        return range
    }
}
