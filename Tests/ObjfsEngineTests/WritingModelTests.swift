import Bytes
import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import Testing
import VFS

/// Random operations, compared with what plain dictionaries say.
@Suite struct WritingModelTests {
    static var seeds: [UInt64] { [1] + (0..<7).map { _ in SeededGenerator.freshSeed } }

    @Test(arguments: seeds)
    func `W2: one file under random operations is what an array of bytes is`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let files = try WritableStore()
        var model: [UInt8] = []
        var handle = try files.open("f")
        for step in 0..<400 {
            let note = "seed \(seed) step \(step)"
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                // Half of the writes go on where the last byte is.
                let offset = Bool.random(using: &random) ? model.count : Int.random(in: 0..<2000, using: &random)
                let bytes = (0..<Int.random(in: 1..<300, using: &random)).map { _ in
                    UInt8.random(in: 1...255, using: &random)
                }
                try files.engine.write(handle, at: Int64(offset), ByteSlice(bytes))
                if model.count < offset + bytes.count {
                    model += Array(repeating: 0, count: offset + bytes.count - model.count)
                }
                model.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            case 4:
                let size = Int.random(in: 0..<2000, using: &random)
                var change = AttributeChange()
                change.size = Int64(size)
                _ = try files.engine.setAttributes(of: try files.mount.lookup("f").inode, change, handle: handle)
                model = Array(model.prefix(size)) + Array(repeating: 0, count: max(size - model.count, 0))
            case 5:
                try files.engine.synchronize(handle, dataOnly: false)
                #expect(try files.mount.memory.read("f") == model, "\(note)")
            case 6:
                try files.close(handle)
                #expect(try files.mount.memory.read("f") == model, "\(note)")
                handle = try files.open("f", Bool.random(using: &random) ? [.reading, .writing] : [.writing])
            default:
                let start = Int.random(in: 0..<2200, using: &random)
                let count = Int.random(in: 1..<900, using: &random)
                let bytes = try files.engine.read(handle, at: Int64(start), count: count).flatMap(\.array)
                #expect(bytes == Array(model.dropFirst(start).prefix(count)), "\(note)")
            }
            #expect(try files.mount.lookup("f").size == Int64(model.count), "\(note)")
        }
        try files.close(handle)
        #expect(try files.mount.memory.read("f") == model, "seed \(seed)")
        #expect(files.journal.isEmpty, "seed \(seed)")
        #expect(try files.mount.memory.uploads(prefix: "").isEmpty, "seed \(seed)")
    }

    /// What the tree should be.
    private struct Tree {
        var files: [String: String] = [:]
        var folders: Set<String> = [""]

        func parent(_ path: String) -> String { path.split(separator: "/").dropLast().joined(separator: "/") }
        func isEmpty(_ folder: String) -> Bool {
            !files.keys.contains { $0.hasPrefix(folder + "/") } && !folders.contains { $0.hasPrefix(folder + "/") }
        }

        mutating func rename(_ old: String, _ new: String) -> Errno? {
            guard folders.contains(parent(old)) else { return .noSuchFileOrDirectory }
            guard folders.contains(parent(new)) else { return .noSuchFileOrDirectory }
            if let text = files[old] {
                if old == new { return nil }
                if folders.contains(new) { return .isDirectory }
                files[old] = nil
                files[new] = text
                return nil
            }
            guard folders.contains(old) else { return .noSuchFileOrDirectory }
            if old == new { return nil }
            if new.hasPrefix(old + "/") { return .invalidArgument }
            if files[new] != nil { return .notDirectory }
            if folders.contains(new), !isEmpty(new) { return .directoryNotEmpty }
            for (path, text) in files where path.hasPrefix(old + "/") {
                files[path] = nil
                files[new + path.dropFirst(old.count)] = text
            }
            for path in folders where path == old || path.hasPrefix(old + "/") {
                folders.remove(path)
                folders.insert(new + path.dropFirst(old.count))
            }
            return nil
        }
    }

    @Test(arguments: seeds)
    func `W8: a tree under random operations is what a dictionary is`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let files = try WritableStore(options: { $0.metadataTTL = .seconds(3600) })
        var tree = Tree()
        let paths = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "x", "x/a"]
        for step in 0..<300 {
            let path = paths.randomElement(using: &random) ?? "a"
            let other = paths.randomElement(using: &random) ?? "b"
            let note = "seed \(seed) step \(step): \(path) \(other)"
            let hasParent = tree.folders.contains(tree.parent(path))
            let parentIsFile = tree.files[tree.parent(path)] != nil
            var expected: Errno? = hasParent ? nil : parentIsFile ? .notDirectory : .noSuchFileOrDirectory
            var actual: Errno?
            do throws(Errno) {
                switch Int.random(in: 0..<6, using: &random) {
                case 0, 1:
                    if expected == nil, tree.folders.contains(path) { expected = .isDirectory }
                    if expected == nil { tree.files[path] = "\(step)" }
                    try files.put(path, "\(step)")
                case 2:
                    if expected == nil, tree.folders.contains(path) || tree.files[path] != nil {
                        expected = .fileExists
                    }
                    if expected == nil { tree.folders.insert(path) }
                    try files.makeFolder(path)
                case 3:
                    if expected == nil {
                        expected =
                            tree.folders.contains(path)
                            ? .isDirectory : tree.files[path] == nil ? .noSuchFileOrDirectory : nil
                    }
                    if expected == nil { tree.files[path] = nil }
                    try files.unlink(path)
                case 4:
                    if expected == nil {
                        if tree.files[path] != nil {
                            expected = .notDirectory
                        } else if !tree.folders.contains(path) {
                            expected = .noSuchFileOrDirectory
                        } else if !tree.isEmpty(path) {
                            expected = .directoryNotEmpty
                        }
                    }
                    if expected == nil { tree.folders.remove(path) }
                    try files.removeFolder(path)
                default:
                    let isUnder = tree.files[tree.parent(path)] != nil || tree.files[tree.parent(other)] != nil
                    expected = isUnder ? .notDirectory : tree.rename(path, other)
                    try files.rename(path, other)
                }
            } catch {
                actual = error
            }
            // Which of two reasons is told first is the file system's choice.
            #expect((actual == nil) == (expected == nil), "\(note): \(actual as Any) for \(expected as Any)")
            for (path, text) in tree.files { #expect(try files.mount.text(path) == text, "\(note): \(path)") }
            for folder in tree.folders {
                let names = Set(
                    (Array(tree.files.keys) + Array(tree.folders)).filter { !$0.isEmpty && tree.parent($0) == folder }
                        .map { String($0.split(separator: "/").last ?? "") })
                #expect(Set(try files.mount.names(folder)) == names, "\(note): folder '\(folder)'")
            }
            let stored = Set(try files.mount.memory.list(ListingRequest()).objects.map(\.key.string))
                .filter { !$0.hasSuffix("/") }
            #expect(stored == Set(tree.files.keys), "\(note)")
        }
    }
}
