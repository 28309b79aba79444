import Bytes
import Glibc
import ObjfsEngine
import Storage
import Threads

/// Makes an object of standard input: parts are sent while the next ones are read.
struct StandardInputUpload {
    private let target: any ObjectStore
    private let key: ObjectKey
    private let team: TransferTeam
    private let leftovers = Leftovers()

    private struct State {
        var open = 0
        var parts: [UploadedPart] = []
        var failure: StorageError?
    }

    private let state = Monitor(State())

    init(to target: any ObjectStore, _ key: ObjectKey, _ team: TransferTeam = TransferTeam()) {
        self.target = target
        self.key = key
        self.team = team
    }

    /// How large a part is: of a stream nobody knows how long it will be, so they grow, and 10,000 make 8 TiB.
    static func size(ofPart number: Int) -> Int { Int(Transfer.part) << ((number - 1) / 1000) }

    /// Reads to the end, and returns when the object is there.
    func run() throws(StorageError) {
        let attributes = ObjectAttributes(
            contentType: target.name.hasPrefix("file://") ? nil : MediaType.of(key.string))
        let first = try block(Self.size(ofPart: 1))
        guard first.count == Self.size(ofPart: 1) else {
            try target.write(key, first, attributes: attributes, condition: .always)
            return
        }
        leftovers.watch()
        let (id, upload) = try leftovers.begin(
            { () throws(StorageError) in try target.beginUpload(key, attributes: attributes) },
            clear: { [target] in try? target.abort($0) })
        do throws(StorageError) {
            let parts = try send(first, upload)
            try leftovers.settle(id) { () throws(StorageError) in
                try target.complete(upload, parts, condition: .always)
            }
        } catch {
            try? target.abort(upload)
            try? leftovers.settle(id)
            throw error
        }
    }

    private func send(_ first: ByteSlice, _ upload: Upload) throws(StorageError) -> [UploadedPart] {
        let result = Result { () throws(StorageError) in try sendAll(first, upload) }
        // What was begun is waited for, whatever became of the rest.
        let done = state.wait { $0.open == 0 ? .some($0) : nil }
        try result.get()
        if let failure = done.failure { throw failure }
        return done.parts.sorted { $0.number < $1.number }
    }

    private func sendAll(_ first: ByteSlice, _ upload: Upload) throws(StorageError) {
        var body = first
        var number = 1
        while !body.isEmpty, state.withLock({ $0.failure == nil }) {
            guard number <= target.uploadLimits.parts else {
                throw StorageError(.noSpace, "standard input is longer than the store takes")
            }
            submit(number, body, upload)
            number += 1
            // The memory of a part is taken before it is read, and given back when it was sent.
            team.take(Int64(Self.size(ofPart: number)))
            body = try block(Self.size(ofPart: number))
        }
    }

    private func submit(_ number: Int, _ body: ByteSlice, _ upload: Upload) {
        state.withLock { $0.open += 1 }
        let (target, team, state) = (target, team, state)
        team.submitPart {
            let result = Result { () throws(StorageError) in try target.writePart(number, of: upload, body) }
            if number > 1 { team.give(Int64(Self.size(ofPart: number))) }
            state.update { state in
                state.open -= 1
                switch result {
                case .success(let part): state.parts.append(part)
                case .failure(let error): state.failure = state.failure ?? error
                }
            }
        }
    }

    /// The next bytes of standard input; fewer than asked for only at its end.
    private func block(_ size: Int) throws(StorageError) -> ByteSlice {
        let buffer = Buffer(count: size)
        var filled = 0
        while filled < size {
            let count = Glibc.read(STDIN_FILENO, buffer.memory.baseAddress.map { $0 + filled }, size - filled)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StorageError(.unavailable, "standard input can't be read") }
            guard count > 0 else { break }
            filled += count
        }
        return ByteSlice(buffer, 0..<filled)
    }
}
