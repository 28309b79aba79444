import Bytes
import Glibc
package import Storage

/// Who runs a job, as it says so every few seconds.
package struct Heartbeat: Sendable {
    package let node: String
    package let pid: Int32
    /// When the process was started, in ticks since the machine was: tells it from a later one of the same number.
    package let started: String

    /// That of this process.
    package static var own: Heartbeat {
        Heartbeat(node: nodeName(), pid: getpid(), started: startTime(getpid()) ?? "")
    }

    /// How often it is written, and how old it is at most if somebody is there.
    package static let interval = Duration.seconds(10)
    package static let expiry: Int64 = 35

    package var text: [UInt8] {
        Array(JSON.object(["node": .string(node), "pid": JSON(pid), "started": .string(started)]).text.utf8)
    }

    private init(node: String, pid: Int32, started: String) {
        self.node = node
        self.pid = pid
        self.started = started
    }

    package init?(_ bytes: [UInt8]) {
        guard let json = JSON(String(decoding: bytes, as: UTF8.self)), let node = json["node"]?.string,
            let pid = json["pid"]?.integer.flatMap({ Int32(exactly: $0) }), pid > 0
        else { return nil }
        self.init(node: node, pid: pid, started: json["started"]?.string ?? "")
    }

    /// Whether the process is one of this machine, and is there still; `nil` if it is of another machine.
    package var isAlive: Bool? {
        guard node == nodeName() else { return nil }
        return Self.startTime(pid) == started
    }

    /// The corresponding file is `/proc/PID/stat`.
    private static func startTime(_ pid: Int32) -> String? {
        let file = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        let text = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
        // The name of the program, in parentheses, may hold spaces.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        return String(fields[19])
    }
}

/// How a job ended.
package struct JobEnd: Sendable {
    /// The exit status of `objfs run`.
    package let status: Int32
    package let time: Timestamp
    /// Why the job could not be run, in words; empty otherwise.
    package let message: String
    /// The stage whose output is that of the job; empty for the tasks of its plan.
    package let stage: String
    /// How many tasks the stage had.
    package let tasks: Int

    package init(status: Int32, message: String = "", stage: String = "", tasks: Int) {
        self.status = status
        time = .now
        self.message = message
        self.stage = stage
        self.tasks = tasks
    }

    package var text: [UInt8] {
        Array(
            JSON.object([
                "status": JSON(status), "time": .string(String(time.nanoseconds)), "message": .string(message),
                "stage": .string(stage), "tasks": JSON(tasks),
            ]).text.utf8)
    }

    package init?(_ bytes: [UInt8]) {
        guard let json = JSON(String(decoding: bytes, as: UTF8.self)),
            let status = json["status"]?.integer, let tasks = json["tasks"]?.integer,
            let time = json["time"]?.string.flatMap({ Int64($0) })
        else { return nil }
        self.status = Int32(clamping: status)
        self.time = Timestamp(nanoseconds: time)
        self.tasks = Int(clamping: tasks)
        message = json["message"]?.string ?? ""
        stage = json["stage"]?.string ?? ""
    }
}

/// Where a job stands.
package enum JobState: Sendable {
    case running(Heartbeat)
    case ended(JobEnd)
    /// Nobody runs it, and it has not ended: whoever ran it has gone.
    case left

    /// One word for it.
    package var word: String {
        switch self {
        case .running: "running"
        case .ended(let end) where end.status == 0: "done"
        case .ended(let end) where end.status == 130: "interrupted"
        case .ended: "failed"
        case .left: "left"
        }
    }
}

extension JobFolder {
    /// Where the job stands.
    package func state() throws(StorageError) -> JobState {
        if let end = try get("end").flatMap({ JobEnd($0) }) { return .ended(end) }
        guard let beat = try get("heartbeat").flatMap({ Heartbeat($0) }) else { return .left }
        if let isAlive = beat.isAlive { return isAlive ? .running(beat) : .left }
        let age =
            Timestamp.now.nanoseconds / 1_000_000_000 - (try store.info(key("heartbeat"))).modified.nanoseconds
            / 1_000_000_000
        return age <= Heartbeat.expiry ? .running(beat) : .left
    }

    /// Ends what was said of an earlier run of the job: somebody runs it now.
    package func begin() throws(StorageError) {
        try put("heartbeat", Heartbeat.own.text)
        try store.delete(key("end"))
        try store.delete(key("cancel"))
        // What workers of an earlier run have claimed is free again.
        for name in try names("workers/") + names("claims/") { try store.delete(key(name)) }
    }

    /// The names of what is in a part of the folder.
    package func names(_ part: String) throws(StorageError) -> [String] {
        var names: [String] = []
        do throws(StorageError) {
            try store.eachPage(ListingRequest(prefix: prefix + part)) { (page) throws(StorageError) in
                for object in page.objects where !object.key.endsInSlash {
                    names.append(String(object.key.string.dropFirst(prefix.count)))
                }
                return true
            }
        } catch {
            guard error.code == .notFound else { throw error }
        }
        return names
    }
}
