import Bytes
import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import Testing
import Threads
import VFS

/// Files of a folder that are read one after another.
@Suite struct FilesAheadTests {
    /// A folder of so many small files, which was listed.
    private func folder(of count: Int, ttl: Duration = .seconds(600)) throws -> (MountedStore, names: [String]) {
        let names = (0..<count).map { "f" + String(1000 + $0) }
        let contents = names.map { ("d/" + $0, "content of " + $0) }
        let mount = try MountedStore(Dictionary(uniqueKeysWithValues: contents), options: { $0.metadataTTL = ttl })
        #expect(try mount.names("d") == names)
        return (mount, names)
    }

    private func waitForReads(_ count: Int, of mount: MountedStore) {
        let state = Monitor(())
        for _ in 0..<500 where mount.counter.counts.reads < count {
            state.wait(atMost: .milliseconds(10)) { _ -> Void? in nil }
        }
    }

    @Test func `small files that are read as they are listed are fetched before they are opened, and once`() throws {
        let (mount, names) = try folder(of: 60)
        for (index, name) in names.enumerated() {
            #expect(try mount.text("d/" + name) == "content of " + name)
            // What is fetched ahead grows from file to file, to sixteen.
            if index == 20 { waitForReads(37, of: mount) }
            if index == 20 { #expect(mount.counter.counts.reads == 37) }
        }
        #expect(mount.counter.counts.reads == 60)
    }

    @Test func `who has gone through a folder is expected to go through the next, but not through each`() throws {
        var contents: [String: String] = [:]
        for folder in ["a", "b", "c", "d"] {
            for number in 10..<40 { contents["\(folder)/f\(number)"] = "\(folder) \(number)" }
        }
        let mount = try MountedStore(contents, options: { $0.metadataTTL = .seconds(600) })
        for folder in ["a", "b", "c", "d"] { #expect(try mount.names(folder).count == 30) }
        for number in 10..<40 { #expect(try mount.text("a/f\(number)") == "a \(number)") }
        #expect(mount.counter.counts.reads == 30)
        // The first file of the next folder lets sixteen more be fetched.
        #expect(try mount.text("b/f10") == "b 10")
        waitForReads(47, of: mount)
        #expect(mount.counter.counts.reads == 47)
        // Who then goes to another folder at once goes through none.
        #expect(try mount.text("c/f10") == "c 10")
        #expect(try mount.text("d/f11") == "d 11")
        #expect(mount.counter.counts.reads == 49)
        for number in 10..<40 { #expect(try mount.text("b/f\(number)") == "b \(number)") }
    }

    @Test(arguments: [1, SeededGenerator.freshSeed])
    func `files that are read in any other order are read alone, and are what they are`(seed: UInt64) throws {
        let (mount, names) = try folder(of: 60)
        var random = SeededGenerator(seed: seed)
        for name in names.reversed() { #expect(try mount.text("d/" + name) == "content of " + name) }
        #expect(mount.counter.counts.reads == 60)
        for name in names where Bool.random(using: &random) {
            #expect(try mount.text("d/" + name) == "content of " + name)
        }
        for name in names.shuffled(using: &random) { #expect(try mount.text("d/" + name) == "content of " + name) }
    }

    @Test func `M4: a file that was fetched and then replaced is read anew`() throws {
        let (mount, names) = try folder(of: 30, ttl: .milliseconds(300))
        for name in names.prefix(10) { #expect(try mount.text("d/" + name) == "content of " + name) }
        waitForReads(26, of: mount)
        try mount.memory.write(ObjectKey("d/" + names[10]), "theirs".utf8)
        // From then on the listing is not believed any more.
        Monitor(()).wait(atMost: .milliseconds(400)) { _ -> Void? in nil }
        #expect(try mount.text("d/" + names[10]) == "theirs")
        #expect(try mount.text("d/" + names[11]) == "content of " + names[11])
    }

    @Test func `M8: what was fetched ahead of files is given up where memory is needed`() throws {
        let large = [UInt8](repeating: 7, count: 120 << 10)
        let mount = try MountedStore(options: { $0.memoryLimit = 16 << 20 })
        let names = (0..<40).map { "f" + String(1000 + $0) }
        for name in names { try mount.memory.write(ObjectKey("d/" + name), large) }
        try mount.memory.write("whole", [UInt8](repeating: 8, count: 14 << 20))
        #expect(try mount.names("d") == names)
        for name in names.prefix(10) { #expect(try mount.read("d/" + name) == large) }
        let file = try mount.engine.open(try mount.lookup("whole").inode, .reading)
        #expect(try mount.engine.read(file.handle, at: 0, count: 14 << 20).reduce(0) { $0 + $1.count } == 14 << 20)
        mount.engine.release(file.handle)
        for name in names { #expect(try mount.read("d/" + name) == large) }
    }
}
