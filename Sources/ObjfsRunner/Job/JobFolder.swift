import Bytes
import Decompression
package import Storage

/// What is kept of a job: its plan, a record of each task that has ended, and what the tasks wrote.
///
/// It is part of any store: a folder of this machine, or a bucket that many machines reach.
/// Nothing in it is changed once it is written but for heartbeats; who comes second with a record learns that.
package struct JobFolder: Sendable {
    /// The name of the job.
    package let id: String
    /// The store that the folder is in.
    package let store: any ObjectStore
    /// What the keys of the folder begin with, with a `/` at its end.
    package let prefix: String

    /// Makes the folder of a job below a folder of jobs, without writing anything.
    package init(_ id: String, in store: any ObjectStore, below parent: String = "") {
        self.id = id
        self.store = store
        prefix = parent.isEmpty || parent.hasSuffix("/") ? parent + id + "/" : parent + "/" + id + "/"
    }

    private init(id: String, store: any ObjectStore, prefix: String) {
        self.id = id
        self.store = store
        self.prefix = prefix
    }

    /// The folder of a stage of the job that comes after the tasks of its plan.
    package func stage(_ name: String) -> JobFolder { JobFolder(id: id, store: store, prefix: prefix + name + "/") }

    /// A name that no job has had, and that is later in the alphabet than those of earlier seconds.
    package static func newID() -> String {
        let time = Timestamp.now.compact
        let random = String(UInt32.random(in: 0...0xFFFFFF), radix: 16)
        return time + "-" + String(repeating: "0", count: 6 - random.utf8.count) + random
    }

    /// Whether a text can be the name of a job.
    package static func isID(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 100
            && text.utf8.allSatisfy {
                0x30...0x39 ~= $0 || 0x61...0x7A ~= $0 || 0x41...0x5A ~= $0 || $0 == 0x2D || $0 == 0x5F
            }
    }

    /// The key of something in the folder.
    package func key(_ name: String) -> ObjectKey { ObjectKey(prefix + name) }

    // MARK: The plan

    /// Writes the plan, once.
    package func create(_ plan: JobPlan) throws(StorageError) {
        let text = try plan.written { (number, index) throws(StorageError) in
            try put(Self.indexName(number), try index.content())
        }
        try put("plan", Array(text.utf8), .absent)
    }

    /// Reads the plan.
    ///
    /// - Throws: ``StorageError/Code/notFound`` if there is no such job.
    package func plan(
        _ stores: (String) throws(StorageError) -> any ObjectStore
    ) throws(StorageError) -> JobPlan {
        let bytes: [UInt8] = try store.read(key("plan"))
        return try JobPlan(bytes, stores) { (number, identity) throws(StorageError) in
            try get(Self.indexName(number)).flatMap { AccessIndex(content: $0, identity: identity) }
        }
    }

    /// The name of what is known of a compressed object.
    package static func indexName(_ number: Int) -> String { "indexes/\(number)" }

    /// What the first line of the plan says, for lists of jobs.
    package func head() throws(StorageError) -> JobPlan.Head {
        let bytes: [UInt8] = try store.read(key("plan"), range: 0..<(64 << 10))
        return try JobPlan.Head(bytes)
    }

    // MARK: Records

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(width - digits.utf8.count, 0)) + digits
    }

    /// The name of a task's own things: a folder for each thousand of them, in the order of their numbers.
    package static func name(_ task: Int) -> String { padded(task / 1000, 7) + "/" + padded(task % 1000, 3) }

    /// The name of a task's record.
    package static func recordName(_ task: Int) -> String { "records/" + name(task) }

    private func recordKey(_ task: Int) -> ObjectKey { key(Self.recordName(task)) }

    /// Keeps how a task has ended, unless that is known already.
    ///
    /// - Returns: Whether this is the record that counts from now on.
    package func commit(_ record: TaskRecord) throws(StorageError) -> Bool {
        do throws(StorageError) {
            try store.write(
                recordKey(record.task), ByteSlice(record.text), attributes: ObjectAttributes(), condition: .absent)
            return true
        } catch {
            guard error.isAboutWhatIsThere else { throw error }
            // An answer that was lost on its way makes a store's second look find our own record.
            guard let known = try self.record(record.task) else { throw error }
            return known.token == record.token
        }
    }

    /// The object that the record of a task is, and where in it the output begins that it holds.
    func recordObject(_ task: Int) throws(StorageError) -> (object: ObjectInfo, output: Int64) {
        var bytes: [UInt8] = []
        let object = try store.read(recordKey(task), range: nil, ifVersion: nil) { part in
            bytes.append(contentsOf: part)
            return true
        }
        guard let record = TaskRecord(bytes) else { throw StorageError(.corrupted, "a record is damaged") }
        return (object, Int64(bytes.count - record.inline.count))
    }

    /// How a task has ended; `nil` if nobody knows yet.
    package func record(_ task: Int) throws(StorageError) -> TaskRecord? {
        do throws(StorageError) {
            let bytes: [UInt8] = try store.read(recordKey(task))
            return TaskRecord(bytes)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// Forgets how a task has ended, so that it can be run again.
    package func forget(_ task: Int) throws(StorageError) { try store.delete(recordKey(task)) }

    /// The number of the task that something is about whose name ends with ``name(_:)``; `nil` for anything else.
    package static func task(_ name: some StringProtocol) -> Int? {
        let digits = String(name).filter { $0 != "/" }
        return digits.utf8.allSatisfy { 0x30...0x39 ~= $0 } ? Int(digits) : nil
    }

    /// The numbers of the tasks that have a record, from one of them on, in order.
    package func recorded(from first: Int = 0, _ body: (Int) throws(StorageError) -> Void) throws(StorageError) {
        let start = prefix + "records/"
        let request = ListingRequest(
            prefix: start, startAfter: first > 0 ? ObjectKey(recordKey(first - 1).string) : nil)
        try store.eachPage(request) { (page) throws(StorageError) in
            for object in page.objects {
                if let number = Self.task(object.key.string.dropFirst(start.count)) { try body(number) }
            }
            return true
        }
    }

    /// How all tasks have ended that have, in order and without their output.
    ///
    /// A record that a crash cut short is none, and is forgotten.
    package func records() throws(StorageError) -> [TaskRecord] {
        var numbers: [Int] = []
        do throws(StorageError) {
            try recorded { number in numbers.append(number) }
        } catch {
            guard error.code == .notFound else { throw error }
        }
        var records: [TaskRecord] = []
        for number in numbers {
            if let record = try record(number) { records.append(record.shortened) } else { try forget(number) }
        }
        return records
    }

    // MARK: Outputs

    /// A name for the output of one run of a task, which no other run has.
    func newOutput(_ task: Int) -> String {
        "outputs/" + Self.name(task) + "-" + String(UInt64.random(in: 0 ... .max), radix: 36)
    }

    /// The name of one part of an output.
    static func part(_ part: Int, of output: String) -> String { output + "-" + padded(part, 6) }

    // MARK: Its life

    /// Writes a small object of the folder.
    package func put(_ name: String, _ bytes: [UInt8], _ condition: WriteCondition = .always) throws(StorageError) {
        try store.write(key(name), ByteSlice(bytes), attributes: ObjectAttributes(), condition: condition)
    }

    /// A small object of the folder; `nil` if there is none.
    package func get(_ name: String) throws(StorageError) -> [UInt8]? {
        do throws(StorageError) {
            return try store.read(key(name))
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// Whether somebody wants the job to end.
    package var isCancelled: Bool { (try? get("cancel")) ?? nil != nil }

    /// Deletes all that is kept of the job, its plan after its records.
    package func remove() throws(StorageError) {
        let plan = key("plan")
        // In a folder of this machine, a folder shows as an object once nothing is in it any more.
        for round in 0..<Self.deepest {
            var keys: [ObjectKey] = []
            try store.eachPage(ListingRequest(prefix: prefix)) { (page) throws(StorageError) in
                keys += page.objects.map(\.key)
                return true
            }
            guard !keys.isEmpty else { return }
            for key in keys where round > 0 || key != plan { try store.delete(key) }
        }
    }

    /// How deep folders are nested in here, and some more.
    private static let deepest = 8
}

extension StorageError {
    /// Whether a conditional write may have failed because the object is there, by this very write even.
    var isAboutWhatIsThere: Bool { code == .preconditionFailed || isTransient }
}

extension Timestamp {
    /// This moment, by the clock of this machine.
    ///
    /// The corresponding C function is `clock_gettime`.
    package static var now: Timestamp { Moment.now }
}
