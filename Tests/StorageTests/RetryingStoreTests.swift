import Bytes
import ObjfsTesting
import Storage
import Synchronization
import Testing

@Suite struct DecoratorTests {
    @Test func `a store that retries keeps the promises of a store`() throws {
        try StoreConformance(RetryingStore(InMemoryStore())).check()
    }

    @Test func `a store that reports keeps the promises of a store`() throws {
        try StoreConformance(ReportingStore(InMemoryStore()) { _ in }).check()
    }

    @Test func `a part of a bucket keeps the promises of a store`() throws {
        let base = InMemoryStore()
        try base.write("elsewhere", [1])
        try base.write("part/", [])
        try StoreConformance(PrefixedStore(base, prefix: "part/of")).check()
        #expect(PrefixedStore(base, prefix: "part/of").name == "memory://bucket/part/of")
        #expect(try PrefixedStore(base, prefix: "part").list(ListingRequest()).objects.allSatisfy { $0.key != "" })
    }
}

@Suite struct RetryingStoreTests {
    /// A clock that goes on only when somebody sleeps.
    private final class FakeClock: Sendable {
        let slept = Mutex<[Duration]>([])

        func patience(attempts: Int = 12) -> Patience {
            let begin = ContinuousClock.now
            return Patience(
                attempts: attempts, sleep: { pause in self.slept.withLock { $0.append(pause) } },
                now: { begin + self.slept.withLock { $0.reduce(.zero, +) } })
        }
    }

    private let base = InMemoryStore()
    private let clock = FakeClock()

    private func store(failing: [Int: StorageError], attempts: Int = 12) -> RetryingStore {
        let counting = CountingStore(base) { number throws(StorageError) in
            if let error = failing[number] { throw error }
        }
        return RetryingStore(counting, patience: clock.patience(attempts: attempts))
    }

    @Test func `what fails for a while succeeds in the end`() throws {
        try base.write("k", [1, 2, 3])
        let failure = StorageError(.unavailable, "the store failed (503 SlowDown)")
        let store = store(failing: [1: failure, 2: failure, 3: failure])
        #expect(try store.read("k") == [1, 2, 3])
        let slept = clock.slept.withLock { $0 }
        #expect(slept.count == 3)
        #expect(zip(slept, [100, 200, 400]).allSatisfy { $0 <= .milliseconds($1) })
    }

    @Test func `what is no passing failure is told at once`() throws {
        #expect(throws: StorageError.self) { try store(failing: [1: StorageError(.accessDenied, "no")]).read("k") }
        #expect(clock.slept.withLock { $0 }.isEmpty)
    }

    @Test func `a pause that the store asks for is kept, within reason`() throws {
        try base.write("k", [1])
        let store = store(failing: [
            1: StorageError(.unavailable, "slow down", retryAfter: .seconds(3)),
            2: StorageError(.unavailable, "slow down", retryAfter: .seconds(3)),
        ])
        _ = try store.info("k")
        #expect(try store.read("k") == [1])
        #expect(clock.slept.withLock { $0 } == [.seconds(3), .seconds(3)])
    }

    @Test func `a service that has never answered is given up within ten seconds`() throws {
        let failure = StorageError(.unavailable, "connection refused")
        let store = store(failing: Dictionary(uniqueKeysWithValues: (1...99).map { ($0, failure) }), attempts: 99)
        #expect(throws: StorageError.self) { try store.read("k") }
        #expect(clock.slept.withLock { $0.reduce(.zero, +) } <= .seconds(10))
    }

    @Test func `W8: what the store works on for long may fail late and is tried again, as nothing else is`() throws {
        try base.write("k", [1, 2, 3])
        let counting = CountingStore(base)
        let store = RetryingStore(counting, patience: clock.patience())
        _ = try store.info("k")
        for operation in [CountingStore.Operation.copy, .info] {
            counting.before(operation) { [clock] in
                let isFirst = clock.slept.withLock { slept in
                    defer { slept.append(.seconds(100)) }
                    return slept.isEmpty
                }
                return isFirst ? StorageError(.unavailable, "the service failed (500 InternalError)") : nil
            }
        }
        #expect(try store.copy("k", ifVersion: nil, to: "l", attributes: nil).size == 3)
        clock.slept.withLock { $0 = [] }
        #expect(throws: StorageError.self) { try store.info("k") }
    }

    @Test func `M4: a broken read of a version goes on where it broke, and never mixes versions`() throws {
        let breaking = BreakingStore(base, after: 2_000)
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let version = try base.write("k", bytes).etag
        let store = RetryingStore(breaking, patience: clock.patience())
        #expect(try store.read("k", ifVersion: version) == bytes)
        #expect(try store.read("k", range: 3..<9_000, ifVersion: version) == Array(bytes[3..<9_000]))
        #expect(throws: StorageError.self) { try store.read("k") }
        breaking.whenBroken { _ = try? self.base.write("k", [UInt8](repeating: 0, count: 10_000)) }
        let error = #expect(throws: StorageError.self) { try store.read("k", ifVersion: version) }
        #expect(error?.code == .changed)
    }
}

/// A store whose reads break after some bytes.
private final class BreakingStore: ObjectStore {
    private let base: any ObjectStore
    private let count: Int
    private let action = Mutex<@Sendable () -> Void>({})

    init(_ base: any ObjectStore, after count: Int) {
        self.base = base
        self.count = count
    }

    func whenBroken(_ body: @escaping @Sendable () -> Void) { action.withLock { $0 = body } }

    var name: String { base.name }
    func info(_ key: ObjectKey) throws(StorageError) -> ObjectInfo { try base.info(key) }
    func list(_ request: ListingRequest) throws(StorageError) -> ListingPage { try base.list(request) }

    func read(
        _ key: ObjectKey, range: Range<Int64>?, ifVersion version: ETag?,
        into sink: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> ObjectInfo {
        var isWhole = true
        let info = try base.read(key, range: range, ifVersion: version) { part in
            isWhole = part.count <= count
            return sink(UnsafeRawBufferPointer(rebasing: part.prefix(count)))
        }
        guard !isWhole else { return info }
        action.withLock { $0 }()
        throw StorageError(.unavailable, "the connection broke")
    }

    func write(
        _ key: ObjectKey, _ body: ByteSlice, attributes: ObjectAttributes, condition: WriteCondition
    ) throws(StorageError) -> ObjectInfo { throw StorageError(.unsupported, "not here") }
    func delete(_ key: ObjectKey) throws(StorageError) {}
    func copy(
        _ source: ObjectKey, ifVersion version: ETag?, to target: ObjectKey, attributes: ObjectAttributes?
    ) throws(StorageError) -> ObjectInfo { throw StorageError(.unsupported, "not here") }

    var uploadLimits: UploadLimits { base.uploadLimits }
    func beginUpload(_ key: ObjectKey, attributes: ObjectAttributes) throws(StorageError) -> Upload {
        try base.beginUpload(key, attributes: attributes)
    }
    func writePart(_ number: Int, of upload: Upload, _ body: ByteSlice) throws(StorageError) -> UploadedPart {
        try base.writePart(number, of: upload, body)
    }
    func copyPart(
        _ number: Int, of upload: Upload, from source: ObjectKey, range: Range<Int64>, ifVersion version: ETag
    ) throws(StorageError) -> UploadedPart {
        try base.copyPart(number, of: upload, from: source, range: range, ifVersion: version)
    }
    func complete(
        _ upload: Upload, _ parts: [UploadedPart], condition: WriteCondition
    ) throws(StorageError) -> CompletedUpload { try base.complete(upload, parts, condition: condition) }
    func abort(_ upload: Upload) throws(StorageError) { try base.abort(upload) }
    func uploads(prefix: String) throws(StorageError) -> [PendingUpload] { try base.uploads(prefix: prefix) }
}
