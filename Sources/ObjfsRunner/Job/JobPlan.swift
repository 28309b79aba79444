import Bytes
package import Storage

/// A plan with the command line that it was made for, as a job folder keeps it: fixed before the first task starts.
///
/// It is text: a line of JSON about the job, one for each object, and then a line of numbers for each task.
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
        let header: [UInt8]

        var line: String {
            JSON.object([
                "name": .string(name), "store": .string(store), "key": .string(object.key.string),
                "size": JSON(object.size), "etag": .string(object.etag.string), "header": .string(Hex.string(header)),
            ]).text
        }
    }

    /// The plan as text.
    package var text: String {
        var lines = [head.line]
        var numbers: [Source: Int] = [:]
        var tasks: [String] = []
        for task in plan.tasks {
            var words = ["\(task.chunk)", "\(task.chunks)"]
            for piece in task.pieces {
                let source = Source(
                    name: task.name, store: piece.store.name, object: piece.object, header: piece.header.array)
                let number = numbers[source] ?? numbers.count
                if number == numbers.count {
                    numbers[source] = number
                    lines.append(source.line)
                }
                words.append("\(number):\(piece.range.lowerBound)-\(piece.range.upperBound)")
            }
            tasks.append(words.joined(separator: " "))
        }
        return (lines + [""] + tasks + ["end"]).joined(separator: "\n") + "\n"
    }

    /// Reads a plan.
    ///
    /// - Parameter stores: Makes the store that a URL means; it is asked once for each.
    package init(
        _ bytes: [UInt8], _ stores: (String) throws(StorageError) -> any ObjectStore
    ) throws(StorageError) {
        let head = try Head(bytes)
        var known: [String: any ObjectStore] = [:]
        var sources: [(name: String, piece: Piece)] = []
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
                sources.append(try Self.source(text, &known, stores))
            } else {
                tasks.append(try Self.task(text, tasks.count, sources))
            }
        }
        guard isWhole, tasks.count == head.tasks else { throw .damagedJob }
        self.init(head, Plan(tasks))
    }

    private static func source(
        _ line: String, _ known: inout [String: any ObjectStore],
        _ stores: (String) throws(StorageError) -> any ObjectStore
    ) throws(StorageError) -> (String, Piece) {
        guard let json = JSON(line), let url = json["store"]?.string, let size = json["size"]?.integer, size >= 0,
            case .string(let name)? = json["name"], case .string(let key)? = json["key"],
            case .string(let etag)? = json["etag"], case .string(let header)? = json["header"],
            let repeated = Hex.bytes(header)
        else { throw .damagedJob }
        let store: any ObjectStore
        if let made = known[url] { store = made } else { store = try stores(url) }
        known[url] = store
        let object = ObjectInfo(
            key: ObjectKey(key), size: size, etag: ETag(etag), modified: Timestamp(nanoseconds: 0))
        return (name, Piece(store: store, object: object, range: 0..<0, header: ByteSlice(repeated)))
    }

    private static func task(
        _ line: String, _ number: Int, _ sources: [(name: String, piece: Piece)]
    ) throws(StorageError) -> RunTask {
        let words = line.split(separator: " ")
        guard words.count >= 2, let chunk = Int64(words[0]), let chunks = Int64(words[1]) else { throw .damagedJob }
        var pieces: [Piece] = []
        var name = ""
        for word in words.dropFirst(2) {
            let numbers = word.split { $0 == ":" || $0 == "-" }.compactMap { Int64($0) }
            guard numbers.count == 3, sources.indices.contains(Int(numbers[0])), numbers[1] <= numbers[2] else {
                throw .damagedJob
            }
            let source = sources[Int(numbers[0])]
            guard numbers[2] <= source.piece.object.size else { throw .damagedJob }
            if pieces.isEmpty { name = source.name }
            pieces.append(
                Piece(
                    store: source.piece.store, object: source.piece.object, range: numbers[1]..<numbers[2],
                    header: source.piece.header))
        }
        return RunTask(number: number, name: name, chunk: chunk, chunks: chunks, pieces: pieces)
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
