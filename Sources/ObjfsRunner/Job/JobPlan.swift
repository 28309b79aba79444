import Bytes
import Chunks
package import Decompression
import Records
package import Storage
import Threads

/// A plan with the command line that it was made for, as a job folder keeps it: fixed before the first task starts.
///
/// It is text: a line of JSON about the job, one for each object and each stretch of bytes that no object has there,
/// and then a line of numbers for each task.
/// No secret is in it: whoever runs tasks has credentials of its own.
package struct JobPlan: Sendable {
    /// What is known of the job beside its tasks.
    package struct Head: Sendable {
        package let id: String
        /// When the job was made.
        package let created: Timestamp
        /// The folder in which the command line was given.
        package let folder: String
        /// The command line, behind `run`.
        package let arguments: [String]
        /// The number of tasks.
        package let tasks: Int
        /// The number of bytes of all tasks.
        package let bytes: Int64

        package init(id: String, folder: String, arguments: [String], _ plan: Plan) {
            self.id = id
            created = .now
            self.folder = folder
            self.arguments = arguments
            tasks = plan.tasks.count
            bytes = plan.count
        }

        /// The command line as people write it, behind `run`.
        package var commandLine: String {
            let mark = "--command-word="
            let words = arguments.map { $0.hasPrefix(mark) ? String($0.dropFirst(mark.count)) : $0 }
            let first = arguments.firstIndex { $0.hasPrefix(mark) } ?? words.count
            return (words[..<first] + ["--"] + words[first...]).joined(separator: " ")
        }
    }

    package let head: Head
    package let plan: Plan

    package init(_ head: Head, _ plan: Plan) {
        self.head = head
        self.plan = plan
    }
}

extension JobPlan {
    /// An object with its place, as it is told from others.
    private struct Source: Hashable {
        let name: String
        let store: String
        let object: ObjectInfo
        /// The length of the object itself, where the tasks get what it decompresses to.
        let compressed: Int64?

        init(_ piece: Piece, of task: RunTask) {
            name = task.name
            store = piece.store.name
            object = piece.object
            compressed = (piece.store as? PlainStore)?.compressed.size
        }

        var line: String {
            var line: [String: JSON] = [
                "name": .string(name), "store": .string(store), "key": .string(object.key.string),
                "size": JSON(object.size), "etag": .string(object.etag.string),
            ]
            if let compressed { line["compressed"] = JSON(compressed) }
            return JSON.object(line).text
        }
    }

    /// The plan as text.
    package var text: String { written { _, _ in } }

    /// The numbers of the compressed objects among all of a plan.
    package static func compressed(in plan: Plan) -> [Int] {
        var sources = Numbering<Source>()
        var numbers: [Int] = []
        for task in plan.tasks {
            for piece in task.pieces {
                let (number, isNew) = sources.number(Source(piece, of: task))
                if isNew, piece.store is PlainStore { numbers.append(number) }
            }
        }
        return numbers
    }

    /// The plan as text, and the indexes of the compressed objects that it speaks of.
    ///
    /// - Parameter index: Takes an index, and the number of its object among all of the plan.
    func written<Failure: Error>(_ index: (Int, AccessIndex) throws(Failure) -> Void) throws(Failure) -> String {
        var lines = [head.line]
        var sources = Numbering<Source>()
        var literals = Numbering<[UInt8]>()
        var tasks: [String] = []
        for task in plan.tasks {
            var words = ["\(task.chunk)", "\(task.chunks)"]
            for piece in task.pieces {
                let source = Source(piece, of: task)
                let (number, isNew) = sources.number(source)
                if isNew {
                    lines.append(source.line)
                    if let plain = piece.store as? PlainStore { try index(number, plain.index) }
                }
                let segments = piece.content.segments.map { segment in
                    switch segment {
                    case .object(let range): return Self.word(range)
                    case .literal(let bytes):
                        let bytes = bytes.array
                        let (number, isNew) = literals.number(bytes)
                        if isNew { lines.append(Self.line(literal: bytes)) }
                        return "#\(number)"
                    }
                }
                let isPlain = piece.content == ChunkContent(piece.range)
                let content = isPlain ? "" : "=" + segments.joined(separator: "+")
                words.append("\(number):\(Self.word(piece.range))" + content)
            }
            tasks.append(words.joined(separator: " "))
        }
        return (lines + [""] + tasks + ["end"]).joined(separator: "\n") + "\n"
    }

    private static func word(_ range: Range<Int64>) -> String { "\(range.lowerBound)-\(range.upperBound)" }

    private static func line(literal bytes: [UInt8]) -> String {
        JSON.object(["literal": .string(Hex.string(bytes))]).text
    }

    /// Reads a plan.
    ///
    /// - Parameters:
    ///   - stores: Makes the store that a URL means; it is asked once for each.
    ///   - index: The index of a compressed object, by its number, if it is the one of this identity.
    package init(
        _ bytes: [UInt8], _ stores: (String) throws(StorageError) -> any ObjectStore,
        index: (Int, _ identity: String) throws(StorageError) -> AccessIndex?
    ) throws(StorageError) {
        let head = try Head(bytes)
        var known: [String: any ObjectStore] = [:]
        var table = Table()
        var tasks: [RunTask] = []
        var isObjects = true
        var isWhole = false
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropFirst() {
            let text = String(decoding: line, as: UTF8.self)
            if text == "end" {
                isWhole = true
                break
            }
            if text.isEmpty {
                isObjects = false
            } else if isObjects {
                try table.take(text, &known, stores, index)
            } else {
                tasks.append(try table.task(text, tasks.count))
            }
        }
        guard isWhole, tasks.count == head.tasks else { throw .damagedJob }
        self.init(head, Plan(tasks))
    }
}

/// Numbers things in the order in which they come, the same things alike.
private struct Numbering<Thing: Hashable> {
    private var numbers: [Thing: Int] = [:]

    /// The number of a thing, and whether it had none before.
    mutating func number(_ thing: Thing) -> (Int, isNew: Bool) {
        if let known = numbers[thing] { return (known, false) }
        numbers[thing] = numbers.count
        return (numbers.count - 1, true)
    }
}

/// What the lines about tasks refer to.
private struct Table {
    private var sources: [(name: String, store: any ObjectStore, object: ObjectInfo)] = []
    private var literals: [ByteSlice] = []
    /// Its threads fetch ahead of those that decompress.
    private let pool = WorkerPool("objfs-ahead", limit: 64)

    /// Takes a line about an object, or with bytes.
    mutating func take(
        _ line: String, _ known: inout [String: any ObjectStore],
        _ stores: (String) throws(StorageError) -> any ObjectStore,
        _ index: (Int, _ identity: String) throws(StorageError) -> AccessIndex?
    ) throws(StorageError) {
        guard let json = JSON(line) else { throw .damagedJob }
        if case .string(let literal)? = json["literal"] {
            guard let bytes = Hex.bytes(literal) else { throw .damagedJob }
            return literals.append(ByteSlice(bytes))
        }
        guard let url = json["store"]?.string, let size = json["size"]?.integer, size >= 0,
            case .string(let name)? = json["name"], case .string(let key)? = json["key"],
            case .string(let etag)? = json["etag"]
        else { throw .damagedJob }
        let store: any ObjectStore
        if let made = known[url] { store = made } else { store = try stores(url) }
        known[url] = store
        let object = ObjectInfo(
            key: ObjectKey(key), size: json["compressed"]?.integer ?? size, etag: ETag(etag),
            modified: Timestamp(nanoseconds: 0))
        guard json["compressed"] != nil else { return sources.append((name, store, object)) }
        guard let index = try index(sources.count, AccessIndex.identity(of: object)), index.size == size else {
            throw .damagedJob
        }
        let plain = PlainStore(store, object, index, .readingAhead(pool))
        sources.append((name, plain, plain.object))
    }

    func task(_ line: String, _ number: Int) throws(StorageError) -> RunTask {
        let words = line.split(separator: " ")
        guard words.count >= 2, let chunk = Int64(words[0]), let chunks = Int64(words[1]) else { throw .damagedJob }
        var pieces: [Piece] = []
        var name = ""
        for word in words.dropFirst(2) {
            let parts = word.split(separator: ":")
            guard parts.count == 2, let source = Int(parts[0]), sources.indices.contains(source) else {
                throw .damagedJob
            }
            if pieces.isEmpty { name = sources[source].name }
            pieces.append(try piece(parts[1], of: source))
        }
        return RunTask(number: number, name: name, chunk: chunk, chunks: chunks, pieces: pieces)
    }

    private func piece(_ word: Substring, of source: Int) throws(StorageError) -> Piece {
        let (_, store, object) = sources[source]
        let parts = word.split(separator: "=", omittingEmptySubsequences: false)
        guard let first = parts.first, parts.count <= 2 else { throw .damagedJob }
        let range = try range(first, of: object)
        guard parts.count == 2 else { return Piece(store: store, object: object, range: range) }
        var segments: [ChunkContent.Segment] = []
        for word in parts[1].split(separator: "+") {
            if word.hasPrefix("#") {
                guard let number = Int(word.dropFirst()), literals.indices.contains(number) else { throw .damagedJob }
                segments.append(.literal(literals[number]))
            } else {
                segments.append(.object(try self.range(word, of: object)))
            }
        }
        return Piece(store: store, object: object, range: range, content: ChunkContent(segments))
    }

    private func range(_ word: Substring, of object: ObjectInfo) throws(StorageError) -> Range<Int64> {
        let numbers = word.split(separator: "-").compactMap { Int64($0) }
        guard numbers.count == 2, 0...numbers[1] ~= numbers[0], numbers[1] <= object.size else { throw .damagedJob }
        return numbers[0]..<numbers[1]
    }
}

extension JobPlan.Head {
    fileprivate var line: String {
        JSON.object([
            "objfs": .number(1), "id": .string(id), "created": .string(String(created.nanoseconds)),
            "folder": .string(folder), "arguments": .array(arguments.map { .string($0) }), "tasks": JSON(tasks),
            "bytes": JSON(bytes),
        ]).text
    }

    /// Reads the first line of a plan.
    package init(_ bytes: [UInt8]) throws(StorageError) {
        let line = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
        guard let json = JSON(line), json["objfs"]?.integer == 1, let id = json["id"]?.string,
            let created = json["created"]?.string.flatMap({ Int64($0) }), let folder = json["folder"]?.string,
            let arguments = json["arguments"]?.strings,
            let tasks = json["tasks"]?.integer.flatMap({ Int(exactly: $0) }),
            let total = json["bytes"]?.integer
        else { throw .damagedJob }
        self.id = id
        self.created = Timestamp(nanoseconds: created)
        self.folder = folder
        self.arguments = arguments
        self.tasks = tasks
        self.bytes = total
    }
}

extension StorageError {
    /// A job folder that this version did not write, or that something has cut short.
    static var damagedJob: StorageError {
        StorageError(.invalid, "the job's plan is damaged, or of another version of objfs")
    }
}
