import Bytes
import Glibc
import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import Testing
import VFS

/// What the journal tells of files that nobody stored.
@Suite struct JournalTests {
    private let text = String(repeating: "0123456789", count: 50)

    /// The bytes of the one log, or of the one data file, that a daemon left.
    private func file(_ ending: String, in journal: borrowing TemporaryFolder) throws -> (path: String, bytes: [UInt8])
    {
        let names = TemporaryFolder.names(in: journal.path + "/1-dead").filter { $0.hasSuffix(ending) }
        let name = try #require(names.count == 1 ? names.first : nil)
        return ("1-dead/" + name, TemporaryFolder.bytes(of: journal.path + "/1-dead/" + name))
    }

    @Test(arguments: [false, true], [false, true])
    func `W7: what the disk had not yet when the machine ended is not recovered as zeros`(
        isRestarted: Bool, isCut: Bool
    ) throws {
        let files = try WritableStore(["a": "old"])
        let handle = try files.open("a")
        let large = String(repeating: "0123456789", count: 1000)
        try files.write(handle, large)
        let journal = try files.copyOfJournal()
        if isRestarted {
            let log = try file(".log", in: journal)
            let lines = String(decoding: log.bytes, as: UTF8.self).split(separator: "\n").map(String.init)
            #expect(lines.count { $0.hasPrefix("boot ") && $0.utf8.count > 30 } == 1)
            let other = lines.map { $0.hasPrefix("boot ") ? "boot another" : $0 }
            journal.write(log.path, Array((other.joined(separator: "\n") + "\n").utf8))
        }
        if isCut {
            let data = try file(".data", in: journal)
            #expect(data.bytes.count == 10_000)
            journal.write(data.path, Array(data.bytes.prefix(4096)))
        }
        let left = try #require(LeftBehind.all(in: journal.path).first)
        if isRestarted && isCut {
            let failure = #expect(throws: StorageError.self) {
                try left.upload(to: files.mount.memory, replacing: true)
            }
            #expect(failure?.message == "some of what was written is no longer in the journal")
            #expect(files.stored("a") == "old")
            #expect(LeftBehind.all(in: journal.path).count == 1)
        } else if !isCut {
            try left.upload(to: files.mount.memory, replacing: false)
            #expect(files.stored("a") == large)
        }
    }

    @Test func `W7: what an object carries is recovered, also where there is nothing in it`() throws {
        let files = try WritableStore()
        let carried = ["note": "", "mode": String(0o100640), "-": "-", "z": "a b%", "uid": "7"]
        try files.mount.memory.write(
            "a", ByteSlice("old".utf8), attributes: ObjectAttributes(contentType: "text/x-odd; a=b", metadata: carried),
            condition: .always)
        let handle = try files.open("a")
        try files.write(handle, "new")
        let journal = try files.copyOfJournal()
        let left = try #require(LeftBehind.all(in: journal.path).first)
        try left.upload(to: files.mount.memory, replacing: false)
        let attributes = try files.mount.memory.info("a").attributes
        #expect(files.stored("a") == "new" && attributes?.contentType == "text/x-odd; a=b")
        #expect(attributes?.metadata == carried)
    }

    @Test(arguments: [false, true])
    func `W7: the log of a file that is written for long stays short, and says all`(isNew: Bool) throws {
        let files = try WritableStore(isNew ? [:] : ["a": text], service: "http://127.0.0.1:9000")
        let handle = try files.open("a")
        var random = SeededGenerator(seed: SeededGenerator.freshSeed)
        var content = Array((isNew ? "" : text).utf8)
        // Without a shorter one, the log would have three megabytes.
        for number in 0..<60_000 {
            let offset = Int.random(in: 0..<400, using: &random) * 3
            let byte = UInt8.random(in: 97...122, using: &random)
            if content.count <= offset { content += [UInt8](repeating: 0, count: offset + 1 - content.count) }
            content[offset] = byte
            try files.engine.write(handle, at: Int64(offset), ByteSlice([byte]))
            if number % 20_000 == 19_999 { try files.engine.synchronize(handle, dataOnly: false) }
            if number == 50_000 { try files.truncate("a", to: 100) }
            if number == 50_000 { content = Array(content.prefix(100)) }
        }
        let offset = Int64(content.count + 50)
        try files.write(handle, "end", at: offset)
        content += [UInt8](repeating: 0, count: 50) + Array("end".utf8)
        let journal = try files.copyOfJournal()
        let log = try file(".log", in: journal).bytes
        #expect(log.count < 1_200_000)
        #expect(String(decoding: log, as: UTF8.self).split(separator: "\n").count { $0.hasPrefix("boot ") } == 1)
        let left = try #require(LeftBehind.all(in: journal.path).first)
        #expect(left.service == "http://127.0.0.1:9000")
        try left.upload(to: files.mount.memory, replacing: false)
        #expect(try files.mount.memory.read("a") == content)
    }

    @Test func `W7: what was left behind names the service that it was for`() throws {
        for service in ["", "http://127.0.0.1:9000"] {
            let files = try WritableStore(service: service)
            let handle = try files.open("a")
            try files.write(handle, "x")
            let left = try #require(try files.leftByKill().first)
            #expect(left.service == service)
        }
    }

    @Test func `W7: what an object is to carry is recovered as it was when the daemon ended`() throws {
        let files = try WritableStore()
        var carried = ObjectAttributes(metadata: ["mtime": "1000000000.000000000", "mode": String(0o100644)])
        carried.headers = ["content-encoding": "gzip", "cache-control": "no-cache"]
        try files.mount.memory.write("a", ByteSlice("packed".utf8), attributes: carried, condition: .always)
        let handle = try files.open("a", [.writing, .truncating])
        try files.write(handle, "plain")
        try files.setPermissions("a", to: 0o600)
        let journal = try files.copyOfJournal()
        let left = try #require(LeftBehind.all(in: journal.path).first)
        // Nobody has changed the object, so nothing must be forced.
        try left.upload(to: files.mount.memory, replacing: false)
        let attributes = try files.mount.memory.info("a").attributes
        #expect(files.stored("a") == "plain")
        #expect(attributes?.headers == ["cache-control": "no-cache"])
        #expect(attributes?.metadata["mode"] == String(0o100600))
        #expect(attributes?.metadata["mtime"] != "1000000000.000000000")
    }

    @Test func `W7: an object that was emptied and written anew is recovered unless it has changed since`() throws {
        for hasChanged in [false, true] {
            let files = try WritableStore(["a": "old"])
            let handle = try files.open("a", [.writing, .truncating])
            try files.write(handle, "new")
            let journal = try files.copyOfJournal()
            let left = try #require(LeftBehind.all(in: journal.path).first)
            if hasChanged { try files.mount.memory.write("a", "other".utf8) }
            if hasChanged {
                #expect(throws: StorageError.self) { try left.upload(to: files.mount.memory, replacing: false) }
                #expect(files.stored("a") == "other")
                try left.upload(to: files.mount.memory, replacing: true)
            } else {
                try left.upload(to: files.mount.memory, replacing: false)
            }
            #expect(files.stored("a") == "new")
        }
    }

    @Test(arguments: ["", "objfs 1\nsto", "missing"])
    func `W7: what has no log that can be read is told of, and can be discarded`(log: String) throws {
        let files = try WritableStore()
        let handle = try files.open("a")
        try files.write(handle, text)
        let journal = try files.copyOfJournal()
        let path = try file(".log", in: journal).path
        if log == "missing" {
            unlink(journal.path + "/" + path)
        } else {
            journal.write(path, Array(log.utf8))
        }
        let left = try #require(LeftBehind.all(in: journal.path).first)
        #expect(!left.isReadable && left.size == Int64(text.utf8.count))
        #expect(TemporaryFolder.bytes(of: left.data) == Array(text.utf8))
        #expect(LeftBehind.count(in: journal.path + "/1-dead") == 1)
        #expect(throws: StorageError.self) { try left.upload(to: files.mount.memory, replacing: true) }
        left.discard()
        #expect(LeftBehind.all(in: journal.path).isEmpty)
        _ = LeftBehind.all(in: journal.path)
        #expect(TemporaryFolder.names(in: journal.path).isEmpty)
    }

    @Test func `W7: a file with a damaged line in its log is stored only if that is forced`() throws {
        let files = try WritableStore(["a": "old"])
        let handle = try files.open("a", [.writing, .truncating])
        try files.write(handle, "new")
        let journal = try files.copyOfJournal()
        let log = try file(".log", in: journal)
        journal.write(
            log.path, log.bytes + Array("metadata ".utf8) + [0xFF, 0xFE, 0x20, 0x20] + Array("x\nsize 3\nsi".utf8))
        let left = try #require(LeftBehind.all(in: journal.path).first)
        #expect(left.isReadable && left.size == 3)
        #expect(throws: StorageError.self) { try left.upload(to: files.mount.memory, replacing: false) }
        #expect(files.stored("a") == "old")
        try left.upload(to: files.mount.memory, replacing: true)
        #expect(files.stored("a") == "new")
    }

    @Test func `W7: a line that was cut short is not taken for one with what is added`() throws {
        let files = try WritableStore()
        let large = String(repeating: "0123456789", count: 200)
        let handle = try files.open("a", [.writing])
        try files.write(handle, String(large.prefix(200)))
        try files.write(handle, String(large.dropFirst(200)), at: 200)
        let journal = try files.copyOfJournal()
        let log = try file(".log", in: journal)
        journal.write(log.path, log.bytes + Array("upload u1\nwrite 0000000000000000000 00000".utf8))
        try #require(LeftBehind.all(in: journal.path).first).abort(in: files.mount.memory)
        let left = try #require(LeftBehind.all(in: journal.path).first)
        #expect(!left.mayHaveUpload && left.size == 2000)
        try left.upload(to: files.mount.memory, replacing: false)
        #expect(files.stored("a") == large)
        try files.mount.memory.delete("a")
        try files.close(handle)
    }

    @Test func `W7: what lies in a journal that can't be written is not taken for a dead daemon's`() throws {
        let files = try WritableStore()
        let handle = try files.open("a")
        try files.write(handle, text)
        for daemon in TemporaryFolder.names(in: files.folder.path) {
            chmod(files.folder.path + "/" + daemon + "/lock", 0o400)
        }
        #expect(LeftBehind.all(in: files.folder.path).isEmpty)
        try files.close(handle)
        #expect(files.stored("a") == text)
    }

    @Test func `W7: what is no journal's is neither touched nor listed`() throws {
        let folder = TemporaryFolder()
        let names = [
            "projects/build.log", "projects/empty.data", "projects/real.data", "1-dead/1.log", "1-dead/2.data",
            "2-dead/lock", "2-dead/notes.log", "2-dead/table.data", "2-dead/x.log.new", "word-dead/lock",
            "word-dead/1.log", "7.log",
        ]
        for name in names { folder.write(name, name.contains("empty") ? [] : Array("precious".utf8)) }
        #expect(LeftBehind.all(in: folder.path).isEmpty)
        #expect(LeftBehind.count(in: folder.path + "/projects") == 0)
        for name in names where name != "2-dead/lock" {
            #expect(folder.read(name) == (name.contains("empty") ? [] : Array("precious".utf8)), "\(name)")
        }
    }
}
