import Bytes
import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import Testing
import VFS

/// Random operations, some of them by another client, compared with what plain values say.
///
/// A sequence that fails is made short, and printed with its seed.
@Suite struct WritingModelTests {
    static var seeds: [UInt64] { [1] + (0..<9).map { _ in SeededGenerator.freshSeed } }

    /// Runs a sequence; if it fails, tells of the shortest that does.
    private func check<Step>(_ steps: [Step], seed: UInt64, _ run: ([Step]) -> String?) {
        guard let failure = run(steps) else { return }
        let shortest = Shrinking.shortest(steps) { run($0) != nil }
        let lines = shortest.map { "  \($0)" }.joined(separator: "\n")
        Issue.record("seed \(seed): \(run(shortest) ?? failure)\n\(lines)")
    }

    @Test(arguments: seeds)
    func `W2, W6: one file under random operations is what an array of bytes is`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let steps = (0..<400).map { _ in FileModel.Step.random(&random) }
        check(steps, seed: seed, FileModel.run)
    }

    @Test(arguments: seeds)
    func `W8, M6, M7: a tree under random operations is what a dictionary is`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let steps = (0..<300).map { TreeModel.Step.random($0, &random) }
        check(steps, seed: seed) { TreeModel.run($0, believing: .zero) }
    }

    @Test(arguments: seeds)
    func `M6: what is remembered of a tree for long, absence too, is never older than a change made here`(
        seed: UInt64
    ) {
        var random = SeededGenerator(seed: seed)
        let steps = (0..<400).map { TreeModel.Step.random($0, &random) }.filter { !$0.isForeign }
        check(steps, seed: seed) { TreeModel.run($0, believing: .seconds(3600)) }
    }

    @Test func `a failure is made short`() {
        let steps = Array(0..<300)
        let shortest = Shrinking.shortest(steps) { $0.contains(17) && $0.contains(230) }
        #expect(shortest == [17, 230])
    }
}

/// What a model found to be different.
struct ModelFailure: Error {
    let note: String
    init(_ note: String) { self.note = note }
}

extension ModelFailure {
    /// Runs steps from nothing until one fails.
    ///
    /// - Returns: How; `nil` if none does.
    static func note(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch let failure as ModelFailure {
            return failure.note
        } catch {
            return "\(error)"
        }
    }
}

// MARK: One file

/// One file that is written, cut, read, synchronized and opened again, and that another client replaces or deletes.
private struct FileModel {
    enum Step: CustomStringConvertible {
        /// Writes at an offset, or where the file ends.
        case write(at: Int?, [UInt8])
        case cut(Int)
        case synchronize
        case reopen(OpenFlags)
        case read(Int, Int)
        case foreignPut([UInt8])
        case foreignDelete

        var description: String {
            switch self {
            case .write(let offset, let bytes): "write \(bytes.count) bytes at \(offset.map(String.init) ?? "the end")"
            case .cut(let size): "cut to \(size)"
            case .synchronize: "fsync"
            case .reopen(let flags): "open again\(flags.contains(.reading) ? "" : " to write only")"
            case .read(let start, let count): "read \(count) bytes at \(start)"
            case .foreignPut(let bytes): "another client puts \(bytes.count) bytes"
            case .foreignDelete: "another client deletes it"
            }
        }

        static func random(_ random: inout SeededGenerator) -> Step {
            func bytes(_ most: Int) -> [UInt8] {
                (0..<Int.random(in: 1..<most, using: &random)).map { _ in UInt8.random(in: 1...255, using: &random) }
            }
            switch Int.random(in: 0..<40, using: &random) {
            case 0..<16:
                let offset = Int.random(in: 0..<2000, using: &random)
                return .write(at: Bool.random(using: &random) ? nil : offset, bytes(300))
            case 16..<20: return .cut(Int.random(in: 0..<2000, using: &random))
            case 20..<24: return .synchronize
            case 24..<28: return .reopen(Bool.random(using: &random) ? [.reading, .writing] : [.writing])
            case 28: return .foreignPut(bytes(1500))
            case 29: return .foreignDelete
            default:
                return .read(Int.random(in: 0..<2200, using: &random), Int.random(in: 1..<900, using: &random))
            }
        }
    }

    static func run(_ steps: [Step]) -> String? {
        ModelFailure.note {
            var model = try FileModel()
            for (number, step) in steps.enumerated() {
                do {
                    try model.take(step)
                } catch {
                    throw ModelFailure("step \(number): \((error as? ModelFailure)?.note ?? "\(error)")")
                }
            }
            try model.finish()
        }
    }

    private let files: WritableStore
    private var content: [UInt8] = []
    private var handle: FileHandle
    /// The file that is open; the name may be that of another by now.
    private var inode: VFS.Inode
    /// What the bucket has; `nil` if nothing.
    private var stored: [UInt8]?
    private var isDirty = true
    /// Which version the bucket has, and which the file was opened with; `nil` for none.
    private var version: Int?
    private var opened: Int?
    private var versions = 0
    /// Whether another client has changed the object since it was opened.
    private var isStale: Bool { version != opened }
    /// How many files the journal keeps because they could not be stored.
    private var kept = 0

    private init() throws {
        files = try WritableStore(tellsVersions: false, options: { $0.metadataTTL = .zero })
        handle = try files.open("f")
        inode = try files.mount.lookup("f").inode
    }

    private func expect(_ condition: Bool, _ note: @autoclosure () -> String) throws {
        guard condition else { throw ModelFailure(note()) }
    }

    private mutating func take(_ step: Step) throws {
        switch step {
        case .write(let offset, let bytes):
            let offset = offset ?? content.count
            try files.engine.write(handle, at: Int64(offset), ByteSlice(bytes))
            if content.count < offset + bytes.count {
                content += Array(repeating: 0, count: offset + bytes.count - content.count)
            }
            content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            isDirty = true
        case .cut(let size):
            var change = AttributeChange()
            change.size = Int64(size)
            let (engine, inode, handle) = (files.engine, inode, handle)
            let failure = Errno.thrown { () throws(Errno) in
                _ = try engine.setAttributes(of: inode, change, handle: handle)
            }
            if let failure {
                // Nothing was written to a version that is known to be gone.
                return try expect(isStale && !isDirty && failure == .staleNFSFileHandle, "cutting failed: \(failure)")
            }
            if size != content.count || size == 0 { isDirty = true }
            content = Array(content.prefix(size)) + Array(repeating: 0, count: max(size - content.count, 0))
        case .synchronize:
            let engine = files.engine
            let handle = handle
            try store { () throws(Errno) in try engine.synchronize(handle, dataOnly: false) }
        case .reopen(let flags): try reopen(flags)
        case .read(let start, let count): try read(start, count)
        case .foreignPut(let bytes):
            try files.mount.memory.write("f", bytes)
            stored = bytes
            versions += 1
            version = versions
        case .foreignDelete:
            guard stored != nil else { return }
            try files.mount.memory.delete("f")
            stored = nil
            version = nil
        }
        // The name is that of what another client wrote, as soon as that was seen.
        if !isStale {
            let size = try files.mount.lookup("f").size
            try expect(size == Int64(content.count), "the size is \(size), not \(content.count)")
        }
        let found = try? files.mount.memory.read("f")
        try expect(found == stored, "the bucket has \(found?.count ?? -1) bytes, and not \(stored?.count ?? -1)")
    }

    /// Brings what was written to the store, which must fail if and only if another client came before.
    private mutating func store(_ body: () throws(Errno) -> Void) throws {
        if let failure = Errno.thrown(body) {
            try expect(isStale && isDirty, "storing failed: \(failure)")
            try expect(failure == .staleNFSFileHandle, "\(failure) for an object that has changed")
        } else {
            try expect(!isStale || !isDirty, "what another client wrote was replaced, or nothing was said")
            guard isDirty else { return }
            stored = content
            versions += 1
            version = versions
            opened = version
            isDirty = false
        }
    }

    private mutating func reopen(_ flags: OpenFlags) throws {
        let files = files
        let handle = handle
        try store { () throws(Errno) in try files.engine.flush(handle, by: WritableStore.caller) }
        if isDirty { kept += 1 }
        files.engine.release(handle)
        content = stored ?? []
        opened = version
        isDirty = stored == nil
        self.handle = try files.open("f", flags)
        inode = try files.mount.lookup("f").inode
    }

    private func read(_ start: Int, _ count: Int) throws {
        var bytes: [UInt8] = []
        let failure = Errno.thrown { () throws(Errno) in
            bytes = try files.engine.read(handle, at: Int64(start), count: count).flatMap(\.array)
        }
        if let failure {
            // What was not staged of the version that was opened is gone with it.
            try expect(isStale && failure == .staleNFSFileHandle, "reading failed: \(failure)")
        } else {
            try expect(bytes == Array(content.dropFirst(start).prefix(count)), "other bytes at \(start)")
        }
    }

    private mutating func finish() throws {
        let files = files
        let handle = handle
        try store { () throws(Errno) in try files.engine.flush(handle, by: WritableStore.caller) }
        if isDirty { kept += 1 }
        files.engine.release(handle)
        files.engine.unmounted()
        try expect((try? files.mount.memory.read("f")) == stored, "the bucket is wrong at the end")
        try expect(files.journal.count == 2 * kept, "the journal has \(files.journal.count) files, not \(2 * kept)")
        try expect(try files.mount.memory.uploads(prefix: "").isEmpty, "uploads are left")
    }
}

// MARK: A tree

/// Files and folders that are made, renamed and removed, and that another client changes as well.
private struct TreeModel {
    enum Step {
        case put(String, String)
        case makeFolder(String)
        case unlink(String)
        case removeFolder(String)
        case rename(String, String)
        case mode(String, UInt32)
        case foreignPut(String, String)
        case foreignDelete(String)
        case foreignMode(String, UInt32)

        /// Whether another client does it, if it can be done.
        var isForeign: Bool {
            switch self {
            case .foreignPut, .foreignDelete, .foreignMode: true
            case .put, .makeFolder, .unlink, .removeFolder, .rename, .mode: false
            }
        }

        private static let paths = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "x", "x/a"]

        static func random(_ number: Int, _ random: inout SeededGenerator) -> Step {
            let path = paths.randomElement(using: &random) ?? "a"
            let other = paths.randomElement(using: &random) ?? "b"
            let mode: UInt32 = [0o600, 0o644, 0o755].randomElement(using: &random) ?? 0o600
            switch Int.random(in: 0..<17, using: &random) {
            case 0..<4: return .put(path, "\(number)")
            case 4, 5: return .makeFolder(path)
            case 6, 7: return .unlink(path)
            case 8, 9: return .removeFolder(path)
            case 10, 11: return .rename(path, other)
            case 12, 13: return .mode(path, mode)
            case 14: return .foreignPut(path, "foreign \(number)")
            case 15: return .foreignDelete(path)
            default: return .foreignMode(path, mode)
            }
        }
    }

    /// - Parameter ttl: For how long names are believed, and that there are none.
    static func run(_ steps: [Step], believing ttl: Duration) -> String? {
        ModelFailure.note {
            let files = try WritableStore(
                tellsVersions: false,
                options: { options in
                    options.metadataTTL = ttl
                    options.absenceTTL = ttl
                })
            var model = TreeModel()
            for (number, step) in steps.enumerated() {
                do {
                    let expected = model.take(step)
                    let actual: Errno?
                    if step.isForeign {
                        actual = expected
                        if expected == nil { try Self.performForeign(step, files.mount.memory) }
                    } else {
                        actual = Self.perform(step, files)
                    }
                    // Which of two reasons is told first is the file system's choice.
                    guard (actual == nil) == (expected == nil) else {
                        throw ModelFailure("\(actual.map { "\($0)" } ?? "no error") for \(expected as Any)")
                    }
                    try model.compare(files)
                } catch {
                    throw ModelFailure("step \(number) \(step): \((error as? ModelFailure)?.note ?? "\(error)")")
                }
            }
        }
    }

    private struct File {
        var text: String
        /// `nil` for a file that another client wrote, which says nothing of it: objfs need not ask.
        var mode: UInt32?
    }

    private var files: [String: File] = [:]
    private var folders: Set<String> = [""]

    private static func parent(_ path: String) -> String {
        path.split(separator: "/").dropLast().joined(separator: "/")
    }

    private func isEmpty(_ folder: String) -> Bool {
        !files.keys.contains { $0.hasPrefix(folder + "/") } && !folders.contains { $0.hasPrefix(folder + "/") }
    }

    /// Changes the model; the reason why it can't be done.
    private mutating func take(_ step: Step) -> Errno? {
        switch step {
        case .put(let path, let text):
            if let reason = missing(path) { return reason }
            guard !folders.contains(path) else { return .isDirectory }
            files[path] = File(text: text, mode: files[path].map(\.mode) ?? 0o644)
        case .makeFolder(let path):
            if let reason = missing(path) { return reason }
            guard !folders.contains(path), files[path] == nil else { return .fileExists }
            folders.insert(path)
        case .unlink(let path):
            if let reason = missing(path) { return reason }
            guard !folders.contains(path) else { return .isDirectory }
            guard files.removeValue(forKey: path) != nil else { return .noSuchFileOrDirectory }
        case .removeFolder(let path):
            if let reason = missing(path) { return reason }
            guard files[path] == nil else { return .notDirectory }
            guard folders.contains(path) else { return .noSuchFileOrDirectory }
            guard isEmpty(path) else { return .directoryNotEmpty }
            folders.remove(path)
        case .rename(let old, let new): return rename(old, new)
        case .mode(let path, let mode):
            if let reason = missing(path) { return reason }
            if folders.contains(path) { return nil }
            guard files[path] != nil else { return .noSuchFileOrDirectory }
            files[path]?.mode = mode
        case .foreignPut(let path, let text):
            guard missing(path) == nil, !folders.contains(path) else { return .notSupported }
            files[path] = File(text: text, mode: nil)
        case .foreignDelete(let path):
            guard files.removeValue(forKey: path) != nil else { return .notSupported }
        case .foreignMode(let path, let mode):
            guard files[path]?.mode != nil else { return .notSupported }
            files[path]?.mode = mode
        }
        return nil
    }

    /// Why nothing can have this path.
    private func missing(_ path: String) -> Errno? {
        let parent = Self.parent(path)
        if files[parent] != nil { return .notDirectory }
        return folders.contains(parent) ? nil : .noSuchFileOrDirectory
    }

    private mutating func rename(_ old: String, _ new: String) -> Errno? {
        if let reason = missing(old) ?? missing(new) { return reason }
        if let file = files[old] {
            if old == new { return nil }
            if folders.contains(new) { return .isDirectory }
            files[old] = nil
            files[new] = file
            return nil
        }
        guard folders.contains(old) else { return .noSuchFileOrDirectory }
        if old == new { return nil }
        if new.hasPrefix(old + "/") { return .invalidArgument }
        if files[new] != nil { return .notDirectory }
        if folders.contains(new), !isEmpty(new) { return .directoryNotEmpty }
        for (path, file) in files where path.hasPrefix(old + "/") {
            files[path] = nil
            files[new + path.dropFirst(old.count)] = file
        }
        for path in folders where path == old || path.hasPrefix(old + "/") {
            folders.remove(path)
            folders.insert(new + path.dropFirst(old.count))
        }
        return nil
    }

    private static func perform(_ step: Step, _ files: WritableStore) -> Errno? {
        do throws(Errno) {
            switch step {
            case .put(let path, let text): try files.put(path, text)
            case .makeFolder(let path): try files.makeFolder(path)
            case .unlink(let path): try files.unlink(path)
            case .removeFolder(let path): try files.removeFolder(path)
            case .rename(let old, let new): try files.rename(old, new)
            case .mode(let path, let mode):
                let attributes = try files.mount.lookup(path)
                guard attributes.type == .regular else { return nil }
                var change = AttributeChange()
                change.permissions = mode
                _ = try files.engine.setAttributes(of: attributes.inode, change, handle: nil)
            case .foreignPut, .foreignDelete, .foreignMode: break
            }
        } catch {
            return error
        }
        return nil
    }

    /// What another client does beside the mount.
    private static func performForeign(_ step: Step, _ memory: InMemoryStore) throws {
        switch step {
        case .foreignPut(let path, let text): try memory.write(ObjectKey(path), text.utf8)
        case .foreignDelete(let path): try memory.delete(ObjectKey(path))
        case .foreignMode(let path, let mode):
            let key = ObjectKey(path)
            var attributes = try memory.info(key).attributes ?? ObjectAttributes()
            attributes.metadata["mode"] = String(0o100000 | mode)
            try memory.copy(key, ifVersion: nil, to: key, attributes: attributes)
        case .put, .makeFolder, .unlink, .removeFolder, .rename, .mode: break
        }
    }

    private func compare(_ store: WritableStore) throws {
        for (path, file) in files {
            let text = try store.mount.text(path)
            guard text == file.text else { throw ModelFailure("\(path) is '\(text)', not '\(file.text)'") }
            let mode = try store.mount.lookup(path).permissions
            guard mode == file.mode ?? mode else {
                throw ModelFailure("\(path) has mode \(String(mode, radix: 8)), not \(file.mode ?? 0) (decimal)")
            }
        }
        for folder in folders {
            let paths = Array(files.keys) + Array(folders)
            let names = Set(
                paths.filter { !$0.isEmpty && Self.parent($0) == folder }
                    .map { String($0.split(separator: "/").last ?? "") })
            let found = Set(try store.mount.names(folder))
            guard found == names else { throw ModelFailure("folder '\(folder)' has \(found), not \(names)") }
        }
        let stored = Set(try store.mount.memory.list(ListingRequest()).objects.map(\.key.string))
            .filter { !$0.hasSuffix("/") }
        guard stored == Set(files.keys) else { throw ModelFailure("the bucket has \(stored)") }
    }
}
