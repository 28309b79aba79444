import Bytes
package import Processes
package import Storage

/// How a task ended.
package struct TaskRecord: Sendable {
    package enum Outcome: Hashable, Sendable {
        case succeeded
        /// The command said that it found nothing.
        case nothingFound
        /// Why it failed, in words.
        case failed(String)
        /// The job was ended before.
        case cancelled

        package var isFailure: Bool {
            switch self {
            case .failed, .cancelled: true
            case .succeeded, .nothingFound: false
            }
        }
    }

    package let task: Int
    package var outcome: Outcome
    /// How often it was run.
    package var attempts = 1
    /// When it was started, the last time it was run.
    package var begin = Timestamp(nanoseconds: 0)
    /// From its start to its end, the last time it was run.
    package var time = Duration.zero
    /// How its program ended; `nil` if it could not be started.
    package var how: Ending.How?
    /// The time that its program had a processor.
    package var processorTime = Duration.zero
    /// The largest resident memory of its program, in bytes; 0 if it is less than that of what started it.
    package var peakMemory: Int64 = 0
    /// The number of bytes that it got.
    package var bytesIn: Int64 = 0
    /// How many requests for these were made to stores.
    package var requests = 0
    /// The number of bytes that it wrote to standard output.
    package var bytesOut: Int64 = 0
    /// The machine that it ran on, and which of those that run tasks there.
    package var worker = ""
    /// Whether it won against an earlier run of the same task that took long.
    package var isSpeculative = false
    /// Whether no task of the job can fare better: the command can't be run.
    package var isFatal = false
    /// The last of what it wrote to standard error.
    package var errors = ""
    /// The names of the folder's objects that hold its output, in order; none if ``inline`` holds all.
    package var parts: [String] = []
    /// The output behind the parts.
    package var inline: [UInt8] = []
    /// Whether ``inline`` was left out to save memory; the folder has it.
    package private(set) var isShortened = false
    /// Tells this record from any other of the same task.
    package var token = String(UInt64.random(in: 0 ... .max), radix: 36)

    package init(task: Int, outcome: Outcome) {
        self.task = task
        self.outcome = outcome
    }

    /// The same without output: for lists of many.
    package var shortened: TaskRecord {
        var record = self
        record.isShortened = isShortened || !inline.isEmpty
        record.inline = []
        return record
    }
}

extension TaskRecord {
    /// The record as a job folder keeps it: a line of JSON, and what is inline of the output.
    var text: [UInt8] {
        var members: [String: JSON] = [
            "task": JSON(task), "outcome": .string(outcome.word), "attempts": JSON(attempts),
            "begin": .string(String(begin.nanoseconds)), "microseconds": JSON(time.wholeMicroseconds),
            "processorMicroseconds": JSON(processorTime.wholeMicroseconds), "peakMemory": JSON(peakMemory),
            "bytesIn": JSON(bytesIn), "requests": JSON(requests), "bytesOut": JSON(bytesOut), "worker": .string(worker),
            "errors": .string(errors), "parts": .array(parts.map { .string($0) }), "token": .string(token),
            "inline": JSON(inline.count),
        ]
        if case .failed(let reason) = outcome { members["reason"] = .string(reason) }
        if isFatal { members["fatal"] = .bool(true) }
        if isSpeculative { members["speculative"] = .bool(true) }
        switch how {
        case .exited(let status): members["status"] = JSON(status)
        case .killed(let signal): members["signal"] = JSON(signal)
        case nil: break
        }
        return Array(JSON.object(members).text.utf8) + [0x0A] + inline
    }

    /// Reads a record; `nil` if this is none, or only a part of one.
    package init?(_ bytes: [UInt8]) {
        let line = bytes.prefix { $0 != 0x0A }
        guard let json = JSON(String(decoding: line, as: UTF8.self)),
            let task = json["task"]?.integer.flatMap({ Int(exactly: $0) }),
            let outcome = json["outcome"]?.string.flatMap({ Outcome($0, json["reason"]?.string) }),
            let begin = json["begin"]?.string.flatMap({ Int64($0) }), let time = json["microseconds"]?.integer,
            let count = json["inline"]?.integer, let parts = json["parts"]?.strings,
            bytes.count == line.count + 1 + Int(clamping: count)
        else { return nil }
        self.init(task: task, outcome: outcome)
        attempts = Int(clamping: json["attempts"]?.integer ?? 1)
        self.begin = Timestamp(nanoseconds: begin)
        self.time = .microseconds(time)
        processorTime = .microseconds(json["processorMicroseconds"]?.integer ?? 0)
        peakMemory = json["peakMemory"]?.integer ?? 0
        bytesIn = json["bytesIn"]?.integer ?? 0
        bytesOut = json["bytesOut"]?.integer ?? 0
        requests = Int(clamping: json["requests"]?.integer ?? 0)
        worker = json["worker"]?.string ?? ""
        errors = json["errors"]?.string ?? ""
        token = json["token"]?.string ?? ""
        isFatal = json["fatal"] == .bool(true)
        isSpeculative = json["speculative"] == .bool(true)
        if let status = json["status"]?.integer { how = .exited(Int32(clamping: status)) }
        if let signal = json["signal"]?.integer { how = .killed(signal: Int32(clamping: signal)) }
        self.parts = parts
        inline = Array(bytes.dropFirst(line.count + 1))
    }
}

extension TaskRecord.Outcome {
    /// One word for it.
    package var word: String {
        switch self {
        case .succeeded: "ok"
        case .nothingFound: "nothing-found"
        case .failed: "failed"
        case .cancelled: "cancelled"
        }
    }

    fileprivate init?(_ word: String, _ reason: String?) {
        switch word {
        case "ok": self = .succeeded
        case "nothing-found": self = .nothingFound
        case "failed": self = .failed(reason ?? "")
        default: return nil
        }
    }
}

extension Duration {
    /// Whole microseconds, cut off.
    package var wholeMicroseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds.multipliedReportingOverflow(by: 1_000_000).partialValue &+ attoseconds / 1_000_000_000_000
    }
}

/// Why a job could not be run at all.
package struct RunError: Error, Sendable {
    package let message: String
    package let hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}
