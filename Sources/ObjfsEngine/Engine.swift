import CLinux
package import Logging
package import Storage
import Synchronization
import SystemPackage
import Threads
import VFS

/// What a mount shows.
package enum EngineSource: Sendable {
    /// One bucket.
    case bucket(any ObjectStore)
    /// All buckets of an account, each as a folder.
    case account(any StoreAccount)
}

/// A bucket, or an account of buckets, that answers as a file system.
///
/// It knows neither kernel nor network: it stands between two protocols.
package final class Engine: FileSystem {
    let options: EngineOptions
    let logger: Logger
    let inodes: InodeTable
    let files = HandleTable<OpenFile>()
    let directories = HandleTable<OpenFolder>()
    let budget: MemoryBudget
    let buckets: Buckets?
    /// Fetches what is read ahead: each thread keeps a connection of the store busy, with buffers of its own.
    let readers = WorkerPool("objfs-read", limit: 64)
    let filesAhead: FilesAhead
    /// Searches the borders of chunks.
    let searchers = WorkerPool("objfs-border", limit: 64)
    /// Those who decompress, each of whom takes some memory beside the budget.
    let decompressing = Turns(4)
    /// Sends parts of files: each thread has one part in memory.
    let writers = WorkerPool("objfs-write", limit: 8)
    /// Asks for the versions of files that were stored; how many are not known yet is counted beside it.
    let learners = WorkerPool("objfs-learn", limit: 8)
    let unlearned = Monitor(0)
    /// Copies and deletes the objects of folders that are renamed.
    let movers = WorkerPool("objfs-move", limit: 16)
    /// How often each inode is open.
    let opens = Mutex<[Inode: Int]>([:])
    /// The time of folders, which have none of their own.
    let started: FileTime
    let complaints: Complaints
    let unstored: UnstoredFiles?
    private let hiddenFolders = Mutex<Set<ObjectKey>>([])

    /// Makes the engine of a mount; this asks the store nothing.
    package init(_ source: EngineSource, options: EngineOptions, logger: Logger) {
        // Many threads with an arena each kept 150 MiB beyond the budget of 256 MiB; four arenas keep 30.
        clinux_return_memory()
        self.options = options
        self.logger = logger
        budget = MemoryBudget(limit: options.memoryLimit)
        filesAhead = FilesAhead(budget: budget, pool: readers)
        complaints = Complaints(logger)
        unstored = options.reportsStoring.map(UnstoredFiles.init(report:))
        started = FileTime(nanoseconds: Complaints.now)
        switch source {
        case .bucket(let store):
            buckets = nil
            let bucket = Bucket(name: "", store: store, options: options)
            inodes = InodeTable(root: .folder(Folder(bucket: bucket, prefix: "")))
        case .account(let account):
            buckets = Buckets(account, options: options)
            inodes = InodeTable(root: .account)
        }
    }

    package func forget(_ inode: Inode, references: UInt64) {
        guard case .file(let file) = inodes.forget(inode, references: references), !file.isDirty else { return }
        file.settle()
        file.bucket.drop(file)
        // Who looked it up meanwhile goes on to change it.
        if case .file(let found) = inodes[inode], found === file { file.bucket.keep(file) }
    }

    /// What an inode number stands for.
    ///
    /// - Throws: `ESTALE` for a number that was never handed out, or has been forgotten.
    func node(_ inode: Inode) throws(Errno) -> Node {
        guard let node = inodes[inode] else { throw .staleNFSFileHandle }
        return node
    }

    /// Warns of keys that no file name can hold, the first time they are met in a folder.
    func warnOfHidden(_ keys: [String], in folder: Folder) {
        guard !keys.isEmpty else { return }
        let place = ObjectKey(folder.bucket.name + "/" + folder.prefix)
        let total = hiddenFolders.withLock { folders in folders.insert(place).inserted ? folders.count : 0 }
        // Each folder counts once, and the log of a bucket full of them stays short.
        guard total > 0, total <= 16 else { return }
        let example = keys[0].debugDescription
        logger.warning(
            "\(folder.bucket.store.name): \(keys.count) keys hidden, for no file can have such a name: \(example)")
    }
}

// MARK: The door

extension Engine {
    /// Turns the failure of a store into what a program sees, and tells the log the rest.
    ///
    /// - Parameters:
    ///   - operation: What was asked of the file system.
    ///   - name: What it was asked about; made only for the log.
    ///   - body: Asks the store.
    func answering<Result>(
        _ operation: String, _ name: @autoclosure () -> String, _ body: () throws(StorageError) -> Result
    ) throws(Errno) -> Result {
        do {
            return try body()
        } catch {
            let errno = Errno(error)
            // That there is no such file is an answer and no failure.
            if error.code != .notFound { complaints.tell(operation, name(), error) }
            throw errno
        }
    }
}

extension Engine {
    /// How much memory objects' bytes take now, with what is kept for the next reads.
    package var memoryInUse: Int {
        let usage = budget.usage
        return usage.used + usage.pooled
    }
}
