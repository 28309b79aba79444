import Bytes
package import Storage

/// How the workers of a job agree on who runs which task: who writes a task's claim first.
package struct Claims: Sendable {
    private let folder: JobFolder
    /// The name of this worker.
    package let worker: String

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
        let name = JobFolder.claimName(task)
        do throws(StorageError) {
            try folder.put(name, Array(worker.utf8), .absent)
        } catch {
            guard error.code == .preconditionFailed else { throw error }
            // An answer that was lost on its way makes a store's second look find our own claim.
            let owner = try folder.get(name)
            guard owner == Array(worker.utf8) else { return false }
        }
        // The claim of a worker that was lost is given back, which may be just after its task was done.
        return try folder.record(task) == nil
    }
}

extension JobFolder {
    static func claimName(_ task: Int) -> String { "claims/" + name(task) }

    /// Gives back the tasks that some workers have claimed and not done.
    ///
    /// - Parameter isLost: Whether a worker of this name is lost.
    /// - Returns: How many these were.
    package func release(
        _ missing: some Sequence<Int>, where isLost: (String) -> Bool
    ) throws(StorageError) -> Int {
        var count = 0
        for task in missing {
            guard let owner = try get(Self.claimName(task)) else { continue }
            guard isLost(String(decoding: owner, as: UTF8.self)) else { continue }
            try store.delete(key(Self.claimName(task)))
            count += 1
        }
        return count
    }

    /// When each worker last said that it is there, by the clock of the store, and what that clock says now.
    ///
    package func workers() throws(StorageError) -> (seen: [String: Timestamp], now: Timestamp) {
        let now = try store.write(
            key("heartbeat"), ByteSlice(Heartbeat.own.text), attributes: ObjectAttributes(), condition: .always
        ).key
        var seen: [String: Timestamp] = [:]
        let start = prefix + "workers/"
        do throws(StorageError) {
            try store.eachPage(ListingRequest(prefix: start)) { (page) throws(StorageError) in
                for object in page.objects { seen[String(object.key.string.dropFirst(start.count))] = object.modified }
                return true
            }
        } catch {
            guard error.code == .notFound else { throw error }
        }
        return (seen, try store.info(now).modified)
    }
}
