import Bytes
import ObjfsRunner
import S3
import Storage

/// What workers without credentials may do for a job: signatures of requests, each for one object.
///
/// The requests are those that a worker makes, and each is given under the name that the job's folder has for the object:
/// the inputs can be read, with what is known of compressed ones, claims and records be created, and each of so many seats has its heartbeat and its outputs.
struct JobPass: Sendable {
    let claim: PresignedClaim
    /// How many workers may ever take part.
    let seats: Int
    /// Tells its seats from those that an earlier run of the job gave.
    private let series: String
    private let tasks: Int
    /// The bucket of the job's folder and what its keys begin with; `nil` if the folder is in no bucket.
    private let folder: (bucket: String, prefix: String)?
    /// Signatures by which inputs are read, by bucket and key.
    private let inputs: [ObjectKey: String]
    /// All other signatures, in the order of ``names``.
    private var signatures: [UInt8] = []

    /// How many parts of outputs a seat has: 4 MiB each, so 1 GiB.
    static let partsOfSeat = 256
    private static let size = 32

    private static let single = ["plan", "heartbeat", "cancel", "late"]
    /// Of each task: create and read its claim, create and read its record.
    private static let ofTask = 4
    /// Of each seat: take it, say that it is used, say that no more, say what failed, and the parts.
    private static let ofSeat = 4 + partsOfSeat

    func seatName(_ seat: Int) -> String { "seats/\(workerName(seat))" }
    func workerName(_ seat: Int) -> String { "\(series)-\(seat)" }
    func partName(_ seat: Int, _ part: Int) -> String { "outputs/\(workerName(seat))/\(part)" }

    private static func name(ofInput bucket: String, _ key: ObjectKey) -> ObjectKey {
        ObjectKey(bucket + "/" + key.string)
    }

    // MARK: Making it

    /// Signs all that the workers of a job need.
    ///
    /// - Parameters:
    ///   - folder: Where the job is; its place in a bucket, if it is in one.
    ///   - seats: How many workers may ever take part.
    init(_ plan: Plan, folder: (bucket: String, prefix: String)?, seats: Int, _ signer: S3Service.Signer) {
        claim = signer.claim
        self.seats = seats
        self.folder = folder
        tasks = plan.tasks.count
        series = String(UInt32.random(in: 0 ... .max), radix: 36)
        var inputs: [ObjectKey: String] = [:]
        for task in plan.tasks {
            for piece in task.pieces {
                guard let bucket = Self.bucket(piece.store) else { continue }
                let name = Self.name(ofInput: bucket, piece.object.key)
                guard inputs[name] == nil else { continue }
                inputs[name] = signer.signature(Permission(.read, bucket: bucket, key: piece.object.key))
            }
        }
        if let folder {
            for number in JobPlan.compressed(in: plan) {
                let key = ObjectKey(folder.prefix + JobFolder.indexName(number))
                let signature = signer.signature(Permission(.read, bucket: folder.bucket, key: key))
                inputs[Self.name(ofInput: folder.bucket, key)] = signature
            }
        }
        self.inputs = inputs
        guard let folder else { return }
        var signatures: [UInt8] = []
        func add(_ action: Permission.Action, _ name: String) {
            let permission = Permission(action, bucket: folder.bucket, key: ObjectKey(folder.prefix + name))
            signatures += Hex.bytes(signer.signature(permission)) ?? [UInt8](repeating: 0, count: Self.size)
        }
        for name in Self.single { add(.read, name) }
        for task in 0..<tasks {
            for name in [JobFolder.claimName(task), JobFolder.recordName(task)] {
                add(.create, name)
                add(.read, name)
            }
        }
        for seat in 0..<seats {
            add(.create, seatName(seat))
            add(.write, "workers/" + workerName(seat))
            add(.delete, "workers/" + workerName(seat))
            add(.write, "failures/" + workerName(seat))
            for part in 0..<Self.partsOfSeat { add(.write, partName(seat, part)) }
        }
        self.signatures = signatures
    }

    /// The name of a store's bucket; `nil` if it is none of S3.
    static func bucket(_ store: any ObjectStore) -> String? {
        let scheme = "s3://"
        return store.name.hasPrefix(scheme) ? String(store.name.dropFirst(scheme.count)) : nil
    }

    // MARK: Keeping it

    /// As it is kept: lines of JSON, an empty one, and the signatures as they are.
    var bytes: [UInt8] {
        var head: [String: JSON] = [
            "accessKey": .string(claim.accessKey), "date": .string(claim.date), "seconds": JSON(claim.seconds),
            "seats": JSON(seats), "tasks": JSON(tasks), "series": .string(series),
        ]
        if let token = claim.token { head["token"] = .string(token) }
        if let folder { (head["bucket"], head["prefix"]) = (.string(folder.bucket), .string(folder.prefix)) }
        let lines =
            [JSON.object(head).text] + inputs.map { JSON.array([.string($0.key.string), .string($0.value)]).text }
        return Array((lines.joined(separator: "\n") + "\n\n").utf8) + signatures
    }

    /// Reads one; `nil` if this is none.
    init?(_ bytes: [UInt8]) {
        guard let end = bytes.indices.first(where: { bytes[$0] == 0x0A && bytes[($0 + 1)...].first == 0x0A }) else {
            return nil
        }
        let lines = bytes[..<end].split(separator: 0x0A).map { JSON(String(decoding: $0, as: UTF8.self)) }
        guard let head = lines.first ?? nil, let accessKey = head["accessKey"]?.string,
            let date = head["date"]?.string, let seconds = head["seconds"]?.integer,
            let series = head["series"]?.string,
            let seats = head["seats"]?.integer.flatMap({ Int(exactly: $0) }), 0...1_000_000 ~= seats,
            let tasks = head["tasks"]?.integer.flatMap({ Int(exactly: $0) }), 0...1_000_000_000 ~= tasks
        else { return nil }
        claim = PresignedClaim(accessKey: accessKey, date: date, seconds: seconds, token: head["token"]?.string)
        self.seats = seats
        self.tasks = tasks
        self.series = series
        var inputs: [ObjectKey: String] = [:]
        for line in lines.dropFirst() {
            guard let words = line?.strings, words.count == 2 else { return nil }
            inputs[ObjectKey(words[0])] = words[1]
        }
        self.inputs = inputs
        signatures = Array(bytes[(end + 2)...])
        guard let bucket = head["bucket"]?.string, case .string(let prefix)? = head["prefix"] else {
            folder = nil
            return
        }
        folder = (bucket, prefix)
        let count = Self.single.count + tasks * Self.ofTask + seats * Self.ofSeat
        guard signatures.count == count * Self.size else { return nil }
    }
}

// MARK: Using it

extension JobPass: PermissionSource {
    func signature(_ permission: Permission) -> String? {
        if let folder, folder.bucket == permission.bucket, permission.key.string.hasPrefix(folder.prefix),
            let place = place(permission.action, String(permission.key.string.dropFirst(folder.prefix.count)))
        {
            return Hex.string(signatures[(place * Self.size)..<((place + 1) * Self.size)])
        }
        guard permission.action == .read else { return nil }
        return inputs[Self.name(ofInput: permission.bucket, permission.key)]
    }

    /// Where among the signatures the one stands for something of the job's folder.
    private func place(_ action: Permission.Action, _ name: String) -> Int? {
        if let single = Self.single.firstIndex(of: name) { return action == .read ? single : nil }
        let parts = name.split(separator: "/", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        switch (parts[0], action) {
        case ("claims", .create): return ofTask(parts[1], 0)
        case ("claims", .read): return ofTask(parts[1], 1)
        case ("records", .create): return ofTask(parts[1], 2)
        case ("records", .read): return ofTask(parts[1], 3)
        case ("seats", .create): return ofSeat(seat(parts[1]), 0)
        case ("workers", .write): return ofSeat(seat(parts[1]), 1)
        case ("workers", .delete): return ofSeat(seat(parts[1]), 2)
        case ("failures", .write): return ofSeat(seat(parts[1]), 3)
        case ("outputs", .write):
            let words = parts[1].split(separator: "/")
            guard words.count == 2, let part = Int(words[1]), 0..<Self.partsOfSeat ~= part else { return nil }
            return ofSeat(seat(words[0]), 4 + part)
        default: return nil
        }
    }

    private func ofTask(_ name: Substring, _ number: Int) -> Int? {
        guard let task = JobFolder.task(name), 0..<tasks ~= task else { return nil }
        return Self.single.count + task * Self.ofTask + number
    }

    private func ofSeat(_ seat: Int?, _ number: Int) -> Int? {
        guard let seat, 0..<seats ~= seat else { return nil }
        return Self.single.count + tasks * Self.ofTask + seat * Self.ofSeat + number
    }

    private func seat(_ name: Substring) -> Int? {
        name.hasPrefix(series + "-") ? Int(name.dropFirst(series.utf8.count + 1)) : nil
    }
}
