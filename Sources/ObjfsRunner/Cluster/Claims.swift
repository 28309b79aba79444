import Bytes
package import Storage
import Synchronization

/// How the workers of a job agree on who runs which task: who writes a task's claim first.
package final class Claims: Sendable {
    private let folder: JobFolder
    /// The name of this worker.
    package let worker: String
    /// The tasks that others were seen to have claimed.
    private let taken = Mutex<Set<Int>>([])

    package init(_ folder: JobFolder, worker: String) {
        self.folder = folder
        self.worker = worker
    }

    /// All tasks of a job, from some place on, and round: each worker begins somewhere else, so that few meet.
    func order(_ count: Int) -> [Int] {
        guard count > 0 else { return [] }
        let first = worker.utf8.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        let start = Int(first % UInt64(count))
        return Array(start..<count) + Array(0..<start)
    }

    /// Takes a task, unless another worker has it or it is done.
    func take(_ task: Int) throws(StorageError) -> Bool {
        guard !taken.withLock({ $0.contains(task) }) else { return false }
        let name = JobFolder.claimName(task)
        do throws(StorageError) {
            try folder.put(name, Array(worker.utf8), .absent)
        } catch {
            guard error.isAboutWhatIsThere else { throw error }
            // An answer that was lost on its way makes a store's second look find our own claim.
            guard let owner = try folder.get(name) else {
                guard error.code == .preconditionFailed else { throw error }
                // It was given back in this moment.
                return try take(task)
            }
            guard owner == Array(worker.utf8) else {
                lookAround(task)
                return false
            }
        }
        // The claim of a worker that was lost is given back, which may be just after its task was done.
        return try folder.record(task) == nil
    }

    /// Finds out which of the next tasks are claimed too, by one request instead of one each.
    private func lookAround(_ task: Int) {
        // Who may not list the folder asks for each.
        guard let found = try? folder.claims(after: task) else { return }
        taken.withLock { $0.formUnion(found) }
    }
}

extension JobFolder {
    package static func claimName(_ task: Int) -> String { "claims/" + name(task) }

    /// Some of the claimed tasks that come after one.
    fileprivate func claims(after task: Int) throws(StorageError) -> [Int] {
        let start = prefix + "claims/"
        let page = try store.list(ListingRequest(prefix: start, startAfter: key(Self.claimName(task))))
        return page.objects.compactMap { Self.task($0.key.string.dropFirst(start.count)) }
    }

    /// The claimed tasks, and when each was claimed by the clock of the store.
    package func claims() throws(StorageError) -> [Int: Timestamp] {
        var claims: [Int: Timestamp] = [:]
        for (name, moment) in try moments("claims/") {
            if let task = Self.task(name) { claims[task] = moment }
        }
        return claims
    }

    /// Gives a task back that a worker has claimed.
    package func release(_ task: Int) throws(StorageError) { try store.delete(key(Self.claimName(task))) }

    /// Gives back the tasks that some workers have claimed and not done.
    ///
    /// - Parameter isLost: Whether a worker of this name is lost.
    /// - Returns: Which these were.
    package func release(
        _ missing: some Sequence<Int>, where isLost: (String) -> Bool
    ) throws(StorageError) -> [Int] {
        var released: [Int] = []
        for task in missing {
            guard let owner = try get(Self.claimName(task)) else { continue }
            guard isLost(String(decoding: owner, as: UTF8.self)) else { continue }
            try release(task)
            released.append(task)
        }
        return released
    }

    /// When each worker last said that it is there, by the clock of the store.
    package func workers() throws(StorageError) -> [String: Timestamp] { try moments("workers/") }

    /// What the clock of the store says.
    package func now() throws(StorageError) -> Timestamp {
        let written = try store.write(
            key("heartbeat"), ByteSlice(Heartbeat.own.text), attributes: ObjectAttributes(), condition: .always
        ).key
        return try store.info(written).modified
    }

    /// When each object of a part of the folder was written.
    private func moments(_ part: String) throws(StorageError) -> [String: Timestamp] {
        var moments: [String: Timestamp] = [:]
        let start = prefix + part
        do throws(StorageError) {
            try store.eachPage(ListingRequest(prefix: start)) { (page) throws(StorageError) in
                for object in page.objects {
                    moments[String(object.key.string.dropFirst(start.count))] = object.modified
                }
                return true
            }
        } catch {
            guard error.code == .notFound else { throw error }
        }
        return moments
    }

    // MARK: Tasks that take long

    /// Says which tasks take so long that somebody else should run them too.
    package func putLate(_ tasks: Set<Int>) throws(StorageError) {
        try put("late", Array(tasks.sorted().map(String.init).joined(separator: "\n").utf8))
    }

    /// Those of which ``putLate(_:)`` has said so.
    func late() throws(StorageError) -> Set<Int> {
        let text = String(decoding: try get("late") ?? [], as: UTF8.self)
        return Set(text.split(separator: "\n").compactMap { Int($0) })
    }
}
