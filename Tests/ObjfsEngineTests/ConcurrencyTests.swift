import Bytes
import Glibc
import ObjfsEngine
import ObjfsTesting
import Storage
import Synchronization
import SystemPackage
import Testing
import Threads
import VFS

/// Threads that work on the same files, over a store that takes its time.
///
/// Each thread's steps follow from the seed; in which order they meet does not.
@Suite struct ConcurrencyTests {
    static var seeds: [UInt64] { [1] + (0..<14).map { _ in SeededGenerator.freshSeed } }

    @Test(arguments: seeds)
    func `W1, W2, W7, W8: a file that some write, store, read and rename at once loses nothing`(seed: UInt64) throws {
        try check(OneFile(seed: seed), seed)
    }

    @Test(arguments: seeds)
    func `W1, W7, W8, W9: files that some make, rename and remove at once stay whole`(seed: UInt64) throws {
        try check(SomeNames(seed: seed), seed)
    }

    @Test(arguments: seeds)
    func `W1, W8: files that some write and read in a folder that is renamed meanwhile lose nothing`(seed: UInt64)
        throws
    {
        try check(OneFolder(seed: seed), seed)
    }

    @Test(arguments: seeds)
    func `W1, M7: a file that many open, write, cut, set and close at once has what each was told it has`(
        seed: UInt64
    ) throws {
        try check(ManyWriters(seed: seed), seed)
    }

    @Test(arguments: seeds)
    func `W1, M7: a file that many change at once over a store that fails has what each was told it has`(
        seed: UInt64
    ) throws {
        try check(ManyWriters(seed: seed, fails: true), seed)
    }

    private func check(_ run: some Run, _ seed: UInt64) throws {
        #expect(run.isOver, "seed \(seed): it hangs")
        guard run.isOver else { return }
        #expect(run.failures == [], "seed \(seed)")
        let differences = try run.differences()
        #expect(differences == [], "seed \(seed)")
    }
}

/// Threads that were let loose on some files.
private protocol Run {
    /// Whether all have ended.
    var isOver: Bool { get }
    /// What went wrong in them.
    var failures: [String] { get }
    /// What is not as it should be at the end.
    func differences() throws -> [String]
}

/// What both have: a store that is slow at random, threads, and what went wrong in them.
private final class Crowd: Sendable {
    let files: MountedStore
    private let state = Monitor((running: 0, failures: [String]()))
    let seed: UInt64

    init(_ files: MountedStore, seed: UInt64) {
        self.files = files
        self.seed = seed
        let random = Mutex(SeededGenerator(seed: seed))
        for operation in CountingStore.Operation.allCases {
            files.counter.before(operation) {
                usleep(random.withLock { .random(in: 0..<800, using: &$0) })
                return nil
            }
        }
    }

    /// Lets a thread do something with random numbers of its own.
    func start(_ name: String, _ number: Int, _ body: @escaping @Sendable (inout SeededGenerator) throws -> Void) {
        state.update { $0.running += 1 }
        Thread.start(name) { [self] in
            var random = SeededGenerator(seed: seed &+ UInt64(number) &* 1_000_003)
            do { try body(&random) } catch { fail("\(name): \(error)") }
            state.update { $0.running -= 1 }
        }?.detach()
    }

    func fail(_ note: String) { state.update { $0.failures.append(note) } }
    var failures: [String] { state.withLock { $0.failures } }

    /// Waits until all threads have ended; `false` if they have not in half a minute.
    func wait() -> Bool { state.wait(atMost: .seconds(30)) { $0.running == 0 ? () : nil } != nil }
}

/// One file: a thread writes it in order, others store, read, look up and rename it.
private struct OneFile: Run {
    let isOver: Bool
    let failures: [String]
    private let files: WritableStore
    private let name: String
    private static let size = 3000

    /// What the file has at an offset; never zero.
    private static func byte(_ offset: Int) -> UInt8 { UInt8(truncatingIfNeeded: offset &* 31 &+ offset / 251) | 1 }
    private static func bytes(_ range: Range<Int>) -> [UInt8] { range.map(byte) }

    private struct Shared {
        var written = 0
        var isOver = false
    }

    init(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        files = try WritableStore(tellsVersions: .random(using: &random), namesContent: .random(using: &random))
        let crowd = Crowd(files.mount, seed: seed)
        let (engine, memory) = (files.engine, files.mount.memory)
        let shared = Mutex(Shared())
        // Held while the file has no certain name, as the kernel holds the folder.
        let name = Mutex("a")
        let writer = try files.open("a", [.writing, .truncating])
        let second = try files.open("a", [.writing])
        let reader = try files.open("a", [.reading])
        @Sendable func isOver() -> Bool { shared.withLock { $0.isOver } }
        @Sendable func written() -> Int { shared.withLock { $0.written } }

        crowd.start("writer", 1) { random in
            defer { shared.withLock { $0.isOver = true } }
            while written() < Self.size {
                let start = written()
                let end = min(start + Int.random(in: 1...120, using: &random), Self.size)
                try engine.write(writer, at: Int64(start), ByteSlice(Self.bytes(start..<end)))
                shared.withLock { $0.written = end }
                if Int.random(in: 0..<8, using: &random) == 0 {
                    let place = Int.random(in: 0..<end, using: &random)
                    try engine.write(writer, at: Int64(place), ByteSlice([Self.byte(place)]))
                }
                usleep(.random(in: 0..<600, using: &random))
            }
            try engine.flush(writer, by: WritableStore.caller)
        }
        crowd.start("storer", 2) { random in
            while !isOver() {
                let before = written()
                if Bool.random(using: &random) {
                    try engine.flush(second, by: WritableStore.caller)
                } else {
                    try engine.synchronize(second, dataOnly: false)
                }
                try name.withLock { name in
                    let stored = try memory.read(ObjectKey(name))
                    if stored.count < before || stored != Self.bytes(0..<stored.count) {
                        crowd.fail("storer: \(stored.count) bytes are in the store, \(before) were written")
                    }
                }
                usleep(.random(in: 0..<3000, using: &random))
            }
        }
        crowd.start("reader", 3) { random in
            while !isOver() {
                let before = written()
                let start = Int.random(in: 0...before, using: &random)
                let count = Int.random(in: 1...500, using: &random)
                let found = try engine.read(reader, at: Int64(start), count: count).flatMap(\.array)
                if found.count < min(count, before - start) || found != Self.bytes(start..<start + found.count) {
                    crowd.fail("reader: \(found.count) bytes at \(start) are not what was written")
                }
                usleep(.random(in: 0..<1000, using: &random))
            }
        }
        crowd.start("renamer", 4) { random in
            while !isOver() {
                try name.withLock { name in
                    let new = name == "a" ? "b" : "a"
                    try engine.rename(name, in: VFS.Inode.root, to: new, in: VFS.Inode.root, flags: 0)
                    name = new
                }
                usleep(.random(in: 0..<4000, using: &random))
            }
        }
        crowd.start("looker", 5) { [mount = files.mount] random in
            while !isOver() {
                try name.withLock { name in
                    let before = written()
                    let size = try mount.lookup(name).size
                    if size < before { crowd.fail("looker: a size of \(size) after \(before) were written") }
                    if try !mount.names("").contains(name) { crowd.fail("looker: \(name) is not listed") }
                    guard Bool.random(using: &random) else { return }
                    // Chunks there are once the store has some of it.
                    let failure = Errno.thrown { () throws(Errno) in _ = try mount.lookup(name + "@chunks@2") }
                    guard failure == nil || failure == .noSuchFileOrDirectory else {
                        return crowd.fail("looker: \(failure?.description ?? "")")
                    }
                }
                usleep(.random(in: 0..<4000, using: &random))
            }
        }
        self.isOver = crowd.wait()
        failures = crowd.failures
        self.name = name.withLock { $0 }
        guard self.isOver else { return }
        engine.release(writer)
        engine.release(second)
        engine.release(reader)
    }

    func differences() throws -> [String] {
        var notes = try files.remains()
        if try files.mount.memory.read(ObjectKey(name)) != Self.bytes(0..<Self.size) { notes.append("other bytes") }
        if files.stored(name == "a" ? "b" : "a") != nil { notes.append("an object under the other name") }
        return notes
    }
}

/// A few names that threads make, write, rename over one another and remove.
private struct SomeNames: Run {
    let isOver: Bool
    let failures: [String]
    private let files: WritableStore
    private let names: [String: String]

    init(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        files = try WritableStore(tellsVersions: .random(using: &random), namesContent: .random(using: &random)) {
            options in
            options.absenceTTL = seed % 2 == 0 ? .seconds(600) : .zero
        }
        let crowd = Crowd(files.mount, seed: seed)
        let engine = files.engine
        // What each name is to have. Held as the kernel holds a folder that is changed.
        let names = Mutex([String: String]())
        for number in 1...4 {
            crowd.start("thread \(number)", number) { [mount = files.mount] random in
                for round in 0..<30 {
                    let name = ["a", "b", "c"].randomElement(using: &random) ?? "a"
                    let other = ["a", "b", "c"].randomElement(using: &random) ?? "b"
                    let count = Int.random(in: 1..<60, using: &random)
                    let text = String(repeating: "\(number)-\(round) ", count: count)
                    let choice = Int.random(in: 0..<4, using: &random)
                    let handle = try names.withLock { names throws -> FileHandle? in
                        switch (choice, names[name]) {
                        case (_, nil):
                            _ = try? mount.lookup(name)
                            names[name] = text
                            return try engine.create(
                                name, in: VFS.Inode.root, mode: 0o644, [.writing, .exclusive],
                                by: WritableStore.caller
                            ).file.handle
                        case (0, _):
                            try engine.unlink(name, in: VFS.Inode.root)
                            names[name] = nil
                        case (1, let content):
                            try engine.rename(name, in: VFS.Inode.root, to: other, in: VFS.Inode.root, flags: 0)
                            names[name] = nil
                            names[other] = content
                        default:
                            if try mount.lookup(name).type != .regular { crowd.fail("\(name) is no file") }
                        }
                        return nil
                    }
                    guard let handle else { continue }
                    var rest = Array(text.utf8)[...]
                    var offset: Int64 = 0
                    while !rest.isEmpty {
                        let part = Array(rest.prefix(Int.random(in: 1...100, using: &random)))
                        try engine.write(handle, at: offset, ByteSlice(part))
                        offset += Int64(part.count)
                        rest = rest.dropFirst(part.count)
                        if Int.random(in: 0..<6, using: &random) == 0 {
                            try engine.flush(handle, by: WritableStore.caller)
                        }
                    }
                    try engine.flush(handle, by: WritableStore.caller)
                    engine.release(handle)
                }
            }
        }
        isOver = crowd.wait()
        failures = crowd.failures
        self.names = names.withLock { $0 }
    }

    func differences() throws -> [String] {
        var notes = try files.remains()
        for name in ["a", "b", "c"] where files.stored(name) != names[name] {
            notes.append("\(name) has \(files.stored(name) ?? "nothing"), not \(names[name] ?? "nothing")")
        }
        return notes
    }
}

/// A folder that a thread renames, while others make, write and read files in it.
private struct OneFolder: Run {
    let isOver: Bool
    let failures: [String]
    private let files: WritableStore
    private let name: String
    private let contents: [String: String]

    private struct Shared {
        var contents: [String: String] = ["old": "there before"]
        var running = 3
    }

    init(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        files = try WritableStore(
            ["a/old": "there before"], tellsVersions: .random(using: &random), namesContent: .random(using: &random))
        let crowd = Crowd(files.mount, seed: seed)
        let (engine, memory) = (files.engine, files.mount.memory)
        let shared = Mutex(Shared())
        // Held while the folder has no certain name; who has the folder already works in it all the same.
        let name = Mutex("a")
        let folder = try files.mount.lookup("a").inode
        let reader = try files.open("a/old", [.reading])

        for number in 1...3 {
            crowd.start("writer \(number)", number) { random in
                defer { shared.withLock { $0.running -= 1 } }
                for round in 0..<12 {
                    let file = "\(number)-\(round)"
                    let handle = try engine.create(
                        file, in: folder, mode: 0o644, [.writing, .exclusive], by: WritableStore.caller
                    ).file.handle
                    var written = ""
                    for _ in 0..<Int.random(in: 1...6, using: &random) {
                        let text = String(repeating: file, count: .random(in: 1...40, using: &random))
                        try engine.write(handle, at: Int64(written.utf8.count), ByteSlice(text.utf8))
                        written += text
                        guard Bool.random(using: &random) else { continue }
                        if Bool.random(using: &random) {
                            try engine.flush(handle, by: WritableStore.caller)
                        } else {
                            try engine.synchronize(handle, dataOnly: false)
                        }
                        name.withLock { name in
                            let stored = (try? memory.read(ObjectKey(name + "/" + file))) ?? []
                            if stored != Array(written.utf8) {
                                crowd.fail("\(file): \(stored.count) bytes are stored of \(written.utf8.count)")
                            }
                        }
                    }
                    try engine.flush(handle, by: WritableStore.caller)
                    engine.release(handle)
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: try engine.unlink(file, in: folder)
                    case 1:
                        try engine.rename(file, in: folder, to: file + "-renamed", in: folder, flags: 0)
                        shared.withLock { $0.contents[file + "-renamed"] = written }
                    default: shared.withLock { $0.contents[file] = written }
                    }
                }
            }
        }
        crowd.start("reader", 4) { random in
            while shared.withLock({ $0.running > 0 }) {
                let bytes = try engine.read(reader, at: 6, count: 100).flatMap(\.array)
                if bytes != Array("before".utf8) { crowd.fail("reader: \(bytes.count) other bytes") }
                usleep(.random(in: 0..<1000, using: &random))
            }
        }
        crowd.start("renamer", 5) { random in
            while shared.withLock({ $0.running > 0 }) {
                try name.withLock { name in
                    let new = name == "a" ? "b" : "a"
                    try engine.rename(name, in: VFS.Inode.root, to: new, in: VFS.Inode.root, flags: 0)
                    name = new
                }
                usleep(.random(in: 0..<4000, using: &random))
            }
        }
        isOver = crowd.wait()
        failures = crowd.failures
        self.name = name.withLock { $0 }
        contents = shared.withLock { $0.contents }
        guard isOver else { return }
        engine.release(reader)
    }

    func differences() throws -> [String] {
        var notes = try files.remains()
        let other = name == "a" ? "b" : "a"
        for (file, content) in contents {
            if files.stored(name + "/" + file) != content { notes.append("\(file) is not what was written") }
            if files.stored(other + "/" + file) != nil { notes.append("\(file) is under the other name too") }
        }
        if try files.mount.names(name) != contents.keys.sorted() { notes.append("other names are listed") }
        return notes
    }
}

/// One file: threads open it, write a byte each, and close it, while others set its mode and its size.
private struct ManyWriters: Run {
    let isOver: Bool
    let failures: [String]
    private let files: WritableStore
    private let fails: Bool
    /// What each of the writers was told last that the store has.
    private let acknowledged: [UInt8]
    private static let (writers, rounds, size) = (4, 25, 64)

    /// - Parameter fails: Whether the store does not answer a third of what is written.
    init(seed: UInt64, fails: Bool = false) throws {
        self.fails = fails
        var random = SeededGenerator(seed: seed)
        files = try WritableStore(
            ["a": String(repeating: "\0", count: Self.size)], tellsVersions: .random(using: &random),
            namesContent: .random(using: &random))
        let crowd = Crowd(files.mount, seed: seed)
        let (engine, memory) = (files.engine, files.mount.memory)
        let inode = try files.mount.lookup("a").inode
        if fails {
            for operation in [CountingStore.Operation.write, .copy] { Self.fail(operation, of: files, random) }
        }
        let acknowledged = Mutex([UInt8](repeating: 0, count: Self.writers))
        for writer in 0..<Self.writers {
            crowd.start("writer", writer) { random in
                for round in 1...UInt8(Self.rounds) {
                    let handle = try engine.open(inode, [.writing]).handle
                    try engine.write(handle, at: Int64(writer), ByteSlice([round]))
                    // Pages of a map come after `close` has asked.
                    let isAsked = fails || Bool.random(using: &random)
                    let failure = Errno.thrown { () throws(Errno) in
                        if isAsked { try engine.flush(handle, by: WritableStore.caller) }
                    }
                    if isAsked, failure == nil { acknowledged.withLock { $0[writer] = round } }
                    let told = acknowledged.withLock { $0[writer] }
                    if try memory.read("a")[writer] < told { crowd.fail("writer \(writer): \(told) is not stored") }
                    if let failure, !fails || failure != .ioError { crowd.fail("writer \(writer): \(failure)") }
                    engine.release(handle)
                    if !fails, try memory.read("a")[writer] != round { crowd.fail("\(writer): \(round) is not stored") }
                    usleep(.random(in: 0..<2000, using: &random))
                }
            }
        }
        for isMode in [false, true] {
            crowd.start(isMode ? "mode" : "size", isMode ? 10 : 11) { random in
                for round in 1...Self.rounds {
                    var change = AttributeChange()
                    if isMode { change.permissions = UInt32(round) } else { change.size = Int64(Self.size + round % 7) }
                    do throws(Errno) {
                        _ = try engine.setAttributes(of: inode, change, handle: nil)
                    } catch {
                        guard fails, error == .ioError else { throw error }
                    }
                    usleep(.random(in: 0..<4000, using: &random))
                }
            }
        }
        isOver = crowd.wait()
        failures = crowd.failures
        self.acknowledged = acknowledged.withLock { $0 }
        for operation in CountingStore.Operation.allCases { files.mount.counter.before(operation) { nil } }
    }

    private static func fail(_ operation: CountingStore.Operation, of files: WritableStore, _ random: SeededGenerator) {
        let random = Mutex(random)
        files.mount.counter.before(operation) {
            let (pause, fails) = random.withLock {
                (useconds_t.random(in: 0..<800, using: &$0), Int.random(in: 0..<3, using: &$0) == 0)
            }
            usleep(pause)
            return fails ? StorageError(.unavailable, "gone") : nil
        }
    }

    func differences() throws -> [String] {
        var notes: [String] = []
        let stored = try files.mount.memory.read("a")
        let mode = try files.mount.memory.info("a").attributes?.metadata["mode"].flatMap { UInt32($0) } ?? 0o644
        let shown = try files.mount.lookup("a")
        if try files.mount.read("a") != stored { notes.append("other bytes are shown than are stored") }
        if shown.permissions != mode & 0o7777 { notes.append("another mode is shown than is stored") }
        if zip(stored, acknowledged).contains(where: { $0 < $1 }) { notes.append("\(acknowledged) were stored once") }
        // What could not be stored is kept.
        guard !fails else { return notes }
        notes += try files.remains()
        if stored.count != Self.size + Self.rounds % 7 { notes.append("the size is \(stored.count)") }
        if mode != 0o100000 | UInt32(Self.rounds) { notes.append("the mode is \(mode)") }
        return notes
    }
}
