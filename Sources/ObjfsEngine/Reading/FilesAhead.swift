import Bytes
import Storage
import Synchronization
import Threads
import VFS

/// Fetches small files before they are opened, for who reads those of a folder in the order of its listing.
///
/// A file that is fetched costs the request it would have cost when it was read, while others are on their way.
/// It is used for the version that it is of, and only where a file is opened that was found to have that version.
final class FilesAhead: MemoryBudget.Holder {
    /// Somebody who goes through a folder.
    fileprivate struct Walk {
        let bucket: Bucket
        let folder: ObjectKey
        /// The file begun last.
        var last: ObjectKey
        /// How many files were begun in order.
        var length = 0
        /// How many were begun in order in folders that were gone through just before.
        var before = 0
        /// What was fetched and not yet begun, in order.
        var files: [(info: ObjectInfo, part: Part)] = []
        var lastUse = ContinuousClock.now

        /// How many files to have on their way: none before it is clear that this is no accident.
        var reach: Int {
            let length = length + before
            return length < 3 ? 0 : min(2 << min(length - 3, 8), FilesAhead.most)
        }
    }

    private let budget: MemoryBudget
    private let pool: WorkerPool
    private let walks = Mutex<[Walk]>([])

    /// How many files are fetched ahead of one who goes through a folder.
    fileprivate static let most = 16
    /// The largest file that is fetched ahead, in bytes.
    private static let largest: Int64 = 128 << 10
    /// How many are kept apart who go through folders at a time.
    private static let walks = 8

    init(budget: MemoryBudget, pool: WorkerPool) {
        self.budget = budget
        self.pool = pool
        budget.join(self, lasts: true)
    }

    /// Takes note that somebody begins to read a file.
    ///
    /// - Returns: The whole file, there or on its way, if it was fetched.
    func begin(_ object: ObjectVersion) -> Part? {
        let (part, next) = walks.withLock { walks -> (Part?, [(ObjectInfo, Part)]) in
            let index = Self.walk(of: object, in: &walks)
            let part = walks[index].take(object)
            return (part, fetch(&walks[index]))
        }
        for (info, part) in next {
            let object = ObjectVersion(bucket: object.bucket, info: info)
            pool.submit { part.fill(from: object, in: object.bucket.store) }
        }
        return part
    }

    private static func walk(of object: ObjectVersion, in walks: inout [Walk]) -> Int {
        let folder = object.key.folder
        if let known = walks.firstIndex(where: { $0.bucket === object.bucket && $0.folder == folder }) { return known }
        if walks.count >= Self.walks, let oldest = walks.indices.min(by: { walks[$0].lastUse < walks[$1].lastUse }) {
            walks[oldest].drop(walks[oldest].files.count)
            walks.remove(at: oldest)
        }
        var walk = Walk(bucket: object.bucket, folder: folder, last: object.key)
        // Who has gone through a folder goes on with the next, from its first file.
        let latest = walks.filter { $0.bucket === object.bucket }.max { $0.lastUse < $1.lastUse }
        if let latest, latest.length >= 3,
            object.bucket.listings.files(after: folder, in: folder, 1).first?.key == object.key
        {
            walk.before = latest.length + latest.before
        }
        walks.append(walk)
        return walks.count - 1
    }

    /// What is to be fetched for somebody now; it counts as on its way.
    private func fetch(_ walk: inout Walk) -> [(ObjectInfo, Part)] {
        let missing = walk.reach - walk.files.count
        guard missing > 0 else { return [] }
        var next: [(ObjectInfo, Part)] = []
        let last = walk.files.last?.info.key ?? walk.last
        for info in walk.bucket.listings.files(after: max(last, walk.last), in: walk.folder, missing)
        where info.size <= Self.largest && walk.mayRead(info) {
            guard let buffer = budget.bufferAhead(Int(info.size)) else { break }
            let part = Part(0..<info.size, in: buffer, isExact: false)
            next.append((info, part))
        }
        walk.files += next
        return next
    }
}

extension FilesAhead.Walk {
    /// Whether a file may be read, for all that is known: links and what else is special are not.
    fileprivate func mayRead(_ info: ObjectInfo) -> Bool {
        bucket.attributes.attributes(of: info).map { FileMetadata($0).fileType == .regular } ?? true
    }

    /// Takes out what was fetched of a file, and what lies before it: who goes on in order has no use for that.
    fileprivate mutating func take(_ object: ObjectVersion) -> Part? {
        defer {
            last = max(last, object.key)
            lastUse = .now
        }
        if let index = files.firstIndex(where: { $0.info.key == object.key }) {
            let (info, part) = files.remove(at: index)
            length += 1
            // Others may read the files between at the same time; who leaves many out is not going through all.
            if index > FilesAhead.most / 2 {
                drop(index)
                startOver()
            }
            return info.etag == object.info.etag && info.size == object.info.size ? part : nil
        }
        if bucket.listings.files(after: last, in: folder, 1).first?.key == object.key {
            length += 1
        } else if object.key != last {
            startOver()
            last = object.key
            drop(files.count)
        }
        return nil
    }

    private mutating func startOver() {
        length = 0
        before = 0
    }

    /// Lets so many of the first files go.
    fileprivate mutating func drop(_ count: Int) {
        for (_, part) in files.prefix(count) { _ = part.abandon() }
        files.removeFirst(min(count, files.count))
    }
}

// MARK: Memory

extension FilesAhead {
    var held: Int { walks.withLock { $0.reduce(0) { $0 + $1.files.reduce(0) { $0 + $1.part.size } } } }

    var lastUse: ContinuousClock.Instant { walks.withLock { $0.map(\.lastUse).max() } ?? .now }

    func shrink(to bytes: Int) {
        guard held > bytes else { return }
        walks.withLock { walks in
            for index in walks.indices { walks[index].drop(walks[index].files.count) }
        }
    }
}
