import Bytes
import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import Testing

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
}
