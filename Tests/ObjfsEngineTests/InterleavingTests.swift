import Bytes
import Glibc
import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import Testing
import Threads
import VFS

/// What happens to a file while the store has not answered yet what it was asked for the same file.
@Suite struct InterleavingTests {
    /// More than is written by one request.
    private let large = String(repeating: "0123456789", count: 200)

    private func bytes(_ files: WritableStore, _ handle: FileHandle, _ count: Int = 10_000) throws -> [UInt8] {
        try files.engine.read(handle, at: 0, count: count).flatMap(\.array)
    }

    /// Writes some bytes of what is large, a few at a time.
    private func writeInOrder(_ files: WritableStore, _ handle: FileHandle, _ range: Range<Int>) throws {
        let text = String(large.dropFirst(range.lowerBound).prefix(range.count))
        try write(files, handle, text, from: range.lowerBound, by: 10)
    }

    // MARK: The version of what was stored

    @Test func `W1: what is written while a version is asked for that can't be learned is not called stored`() throws {
        let files = try WritableStore(tellsVersions: false)
        let gate = files.mount.counter.hold(.info, answering: StorageError(.unavailable, "gone"))
        let handle = try files.open("large", [.writing, .truncating])
        try files.write(handle, large)
        // As when a shell's child ends that has inherited the file.
        try files.engine.flush(handle, by: WritableStore.caller)
        try files.write(handle, "more", at: 2000)
        gate.open()
        #expect(throws: Errno.staleNFSFileHandle) { try files.close(handle) }
        #expect(files.stored("large") == large)
        let left = LeftBehind.all(in: files.folder.path)
        #expect(left.map(\.size) == [2004])
        for file in left { try file.upload(to: files.mount.memory, replacing: true) }
        #expect(files.stored("large") == large + "more")
    }

    @Test func `W1: metadata that are set while a version is asked for that can't be learned are not called stored`()
        throws
    {
        let files = try WritableStore(tellsVersions: false)
        let gate = files.mount.counter.hold(.info, answering: StorageError(.unavailable, "gone"))
        let handle = try files.open("large", [.writing, .truncating])
        try files.write(handle, large)
        let inode = try files.mount.lookup("large").inode
        try files.engine.flush(handle, by: WritableStore.caller)
        let name = "user.colour"
        try files.engine.setExtendedAttribute(name, of: inode, to: Array("blue".utf8), flags: 0)
        gate.open()
        #expect(throws: Errno.staleNFSFileHandle) { try files.close(handle) }
    }

    @Test(arguments: [2000, 3000])
    func `M4: who has a file open reads no other client's bytes after a version could not be learned`(size: Int) throws
    {
        let files = try WritableStore(tellsVersions: false)
        // From then on it is known that the store names at the end of an upload the version that it has.
        try files.put("before", large)
        _ = try files.mount.lookup("before")
        let gate = files.mount.counter.hold(.info)
        let handle = try files.open("large", [.writing, .truncating])
        try files.write(handle, large)
        let reader = try files.open("large", [.reading])
        try files.close(handle)
        try files.mount.memory.write("large", Array(repeating: UInt8(ascii: "f"), count: size))
        gate.open()
        #expect(throws: Errno.staleNFSFileHandle) { try bytes(files, reader) }
        files.engine.release(reader)
        #expect(try files.mount.text("large") == String(repeating: "f", count: size))
        files.engine.unmounted()
        #expect(files.journal.isEmpty)
    }

    @Test func `M6: a file that is closed while another asks for its version is let go`() throws {
        let files = try WritableStore(tellsVersions: false)
        let handle = try files.open("large", [.writing, .truncating])
        try files.write(handle, large)
        let gate = files.mount.counter.hold(.info)
        let synchronized = Beside { [engine = files.engine] in
            Errno.thrown { () throws(Errno) in try engine.synchronize(handle, dataOnly: false) }
        }
        #expect(gate.waitForArrivals())
        try files.close(handle)
        gate.open()
        #expect(synchronized.value == .some(nil))
        files.engine.unmounted()
        #expect(files.journal.isEmpty)
        try files.mount.memory.write("large", "other".utf8)
        let isSeen = Beside { [mount = files.mount] in
            for _ in 0..<400 where (try? mount.text("large")) != "other" { usleep(10_000) }
            return (try? mount.text("large")) == "other"
        }
        #expect(isSeen.value == true)
    }

    @Test func `W6: attributes are not put on what another client wrote`() throws {
        let files = try WritableStore(tellsVersions: false)
        let handle = try files.open("large", [.writing, .truncating])
        try files.write(handle, String(large.prefix(600)))
        try files.write(handle, String(large.dropFirst(600)), at: 600)
        let inode = try files.mount.lookup("large").inode
        var change = AttributeChange()
        change.permissions = 0o600
        _ = try files.engine.setAttributes(of: inode, change, handle: handle)
        files.mount.counter.before(.completed) { [memory = files.mount.memory] in
            _ = try? memory.write("large", "foreign".utf8)
            return nil
        }
        #expect(throws: Errno.staleNFSFileHandle) { try files.close(handle) }
        #expect(files.stored("large") == "foreign")
        #expect(try files.mount.memory.info("large").attributes?.metadata["mode"] == nil)
    }

    // MARK: Writing while a commit runs

    @Test func `W1: writing goes on while what was written so far is stored by one request`() throws {
        let files = try WritableStore()
        let stored = files.mount.counter.hold(.write)
        let handle = try files.open("large", [.writing, .truncating])
        // Opening has asked whether the store takes uploads.
        let begun = files.mount.counter.hold(.beginUpload)
        try files.write(handle, String(large.prefix(10)))
        let flush = files.flushBeside(handle)
        #expect(stored.waitForArrivals())
        // Parts are 64 bytes here, and nothing is sent ahead below two of them.
        try writeInOrder(files, handle, 10..<500)
        stored.open()
        #expect(flush.value == .some(nil))
        begun.open()
        try writeInOrder(files, handle, 500..<1000)
        let close = files.flushBeside(handle)
        #expect(close.value == .some(nil))
        #expect(files.stored("large") == String(large.prefix(1000)))
        files.engine.release(handle)
        #expect(try files.mount.memory.uploads(prefix: "").isEmpty)
    }

    @Test func `W1: writing goes on while an upload is completed`() throws {
        for tellsVersions in [true, false] {
            let files = try WritableStore(tellsVersions: tellsVersions)
            let gate = files.mount.counter.hold(.complete)
            let handle = try files.open("large", [.writing, .truncating])
            try writeInOrder(files, handle, 0..<500)
            let flush = files.flushBeside(handle)
            #expect(gate.waitForArrivals())
            try writeInOrder(files, handle, 500..<1000)
            gate.open()
            #expect(flush.value == .some(nil))
            try writeInOrder(files, handle, 1000..<2000)
            try files.close(handle)
            #expect(files.stored("large") == large)
            #expect(try files.mount.memory.uploads(prefix: "").isEmpty)
        }
    }

    @Test func `W1: an empty file that becomes the copy of another while it is stored is stored as that`() throws {
        let files = try WritableStore(["source": String(large.prefix(100))])
        let source = try files.open("source", [.reading])
        let target = try files.open("target", [.writing, .truncating])
        let gate = files.mount.counter.hold(.write)
        let flush = files.flushBeside(target)
        #expect(gate.waitForArrivals())
        // The kernel does it by reading and writing if this is refused.
        let copied = Errno.thrown { () throws(Errno) in
            _ = try files.engine.copyRange(source, at: 0, to: target, at: 0, count: 100)
        }
        if copied != nil { try files.write(target, String(large.prefix(100))) }
        gate.open()
        #expect(flush.value == .some(nil))
        try files.close(target)
        #expect(files.stored("target") == String(large.prefix(100)))
    }

    @Test func `W1: an end that was sent to an upload that failed is sent anew if the file goes on`() throws {
        let mebibyte = 1 << 20
        let old = String(repeating: "old line\n", count: 22 * mebibyte / 9 + 1).prefix(22 * mebibyte)
        let files = try WritableStore(["log": String(old)], limits: .s3)
        let handle = try files.open("log", [.reading, .writing])
        let begun = files.mount.counter.hold(.beginUpload)
        let completed = files.mount.counter.hold(.complete, answering: StorageError(.unavailable, "gone"))
        // Between two parts that are sent, one is copied that is shorter than others.
        try files.write(handle, "x", at: Int64(9 * mebibyte))
        let first = String(repeating: "y", count: 2 * mebibyte)
        try files.write(handle, first, at: Int64(22 * mebibyte))
        let flush = files.flushBeside(handle)
        #expect(begun.waitForArrivals())
        let second = String(repeating: "z", count: 2 * mebibyte)
        try files.write(handle, second, at: Int64(24 * mebibyte))
        begun.open()
        completed.open()
        #expect(flush.value == .some(.ioError))
        files.mount.counter.before(.complete) { nil }
        try files.close(handle)
        let stored = try files.mount.memory.read("log")
        var expected = Array((old + first + second).utf8)
        expected[9 * mebibyte] = UInt8(ascii: "x")
        #expect(stored == expected)
    }

    @Test func `W7: what is written after attributes were stored can be recovered`() throws {
        let files = try WritableStore(["file": String(large.prefix(500))])
        let handle = try files.open("file", [.reading, .writing])
        try files.write(handle, "a")
        try files.engine.synchronize(handle, dataOnly: false)
        let inode = try files.mount.lookup("file").inode
        try files.engine.setExtendedAttribute("user.colour", of: inode, to: Array("blue".utf8), flags: 0)
        try files.engine.synchronize(handle, dataOnly: false)
        try files.write(handle, "b", at: 1)
        let copy = try files.copyOfJournal()
        let left = LeftBehind.all(in: copy.path)
        #expect(left.map(\.written) == [1])
        for file in left { try file.upload(to: files.mount.memory, replacing: false) }
        #expect(files.stored("file") == "ab" + large.dropFirst(2).prefix(498))
    }

    // MARK: Removing and renaming meanwhile

    @Test func `W9: a file that is removed while it is stored is gone, and readable to who has it open`() throws {
        let files = try WritableStore(["file": String(large.prefix(500))])
        let gate = files.mount.counter.hold(.complete)
        let handle = try files.open("file", [.reading, .writing])
        try files.write(handle, "HEAD")
        let flush = files.flushBeside(handle)
        #expect(gate.waitForArrivals())
        let unlink = Beside { [engine = files.engine] in
            Errno.thrown { () throws(Errno) in try engine.unlink("file", in: VFS.Inode.root) }
        }
        gate.open()
        #expect(flush.value == .some(nil) && unlink.value == .some(nil))
        #expect(files.stored("file") == nil)
        #expect(try bytes(files, handle) == Array(("HEAD" + large.dropFirst(4).prefix(496)).utf8))
        try files.close(handle)
        #expect(files.stored("file") == nil && files.journal.isEmpty)
    }

    @Test func `W8: what is renamed over a file that is just being stored is what the name has`() throws {
        let files = try WritableStore(["source": "renamed"])
        let gate = files.mount.counter.hold(.complete)
        let handle = try files.open("target", [.writing, .truncating])
        try files.write(handle, large)
        let flush = files.flushBeside(handle)
        #expect(gate.waitForArrivals())
        let rename = Beside { [engine = files.engine] in
            Errno.thrown { () throws(Errno) in
                try engine.rename("source", in: VFS.Inode.root, to: "target", in: VFS.Inode.root, flags: 0)
            }
        }
        #expect(!rename.isOver(within: .milliseconds(50)), "it would be lost when the upload ends")
        gate.open()
        #expect(flush.value == .some(nil) && rename.value == .some(nil))
        #expect(files.stored("target") == "renamed" && files.stored("source") == nil)
        try files.close(handle)
        #expect(files.stored("target") == "renamed")
    }

    @Test func `W7: the upload of a file that another is renamed over is ended`() throws {
        let files = try WritableStore(["source": "renamed"])
        let handle = try files.open("target", [.writing, .truncating])
        try writeInOrder(files, handle, 0..<1000)
        try files.rename("source", "target")
        #expect(try files.mount.memory.uploads(prefix: "").isEmpty)
        try files.close(handle)
        #expect(files.stored("target") == "renamed" && files.journal.isEmpty)
    }

    @Test func `W7: what is written to a file after it was renamed can be recovered`() throws {
        let files = try WritableStore(["log": String(large.prefix(500))])
        let handle = try files.open("log", [.writing])
        try files.write(handle, "a", at: 500)
        try files.rename("log", "log.1")
        try files.write(handle, "b", at: 501)
        let copy = try files.copyOfJournal()
        let left = LeftBehind.all(in: copy.path)
        #expect(left.map(\.key.string) == ["log.1"])
        for file in left { try file.upload(to: files.mount.memory, replacing: false) }
        #expect(files.stored("log.1") == large.prefix(500) + "ab")
        #expect(files.stored("log") == nil)
    }

    @Test func `W7, W9: a file that is removed while it is open is not offered after a crash`() throws {
        let files = try WritableStore(["old": String(large.prefix(500)), "replaced": "old", "source": "new"])
        let handles = [
            try files.open("old", [.reading, .writing]), try files.open("made", [.writing]),
            try files.open("replaced", [.reading]),
        ]
        for handle in handles.prefix(2) { try files.write(handle, "written") }
        try files.unlink("old")
        try files.unlink("made")
        try files.rename("source", "replaced")
        #expect(files.journal.count == 6)
        let copy = try files.copyOfJournal()
        #expect(LeftBehind.all(in: copy.path).isEmpty)
        #expect(TemporaryFolder.names(in: copy.path + "/1-dead") == ["lock"])
        #expect(try bytes(files, handles[0]) == Array(("written" + large.dropFirst(7).prefix(493)).utf8))
        for handle in handles { try files.close(handle) }
        #expect(files.journal.isEmpty)
    }

    // MARK: Several writers

    @Test func `W1, M7: what is cut and set while the last writer closes the file is in the store`() throws {
        let files = try WritableStore(["a": "old"])
        let writer = try files.open("a", [.writing])
        try files.write(writer, "content")
        let gate = files.mount.counter.hold(.write)
        // As where pages of a map come last: nothing asks after this.
        let released = Beside { [engine = files.engine] in engine.release(writer) }
        #expect(gate.waitForArrivals())
        #expect(try files.setBeside("a", size: 4).value == .some(nil))
        #expect(try files.setBeside("a", permissions: 0o600).value == .some(nil))
        gate.open()
        #expect(released.value != nil)
        #expect(files.stored("a") == "cont")
        #expect(try files.mount.memory.info("a").attributes?.metadata["mode"] == String(0o100600))
        #expect(try files.remains() == [])
    }

    @Test func `W1: who opens a file just when another stores its next version has that`() throws {
        let files = try WritableStore(["a": "old"])
        // What the older one carries is not asked for with the listing.
        try files.mount.memory.write("b", "newer".utf8)
        let inode = try #require(try files.mount.list("", withAttributes: true).first { $0.name == "a" }).inode
        let isFirst = Monitor(true)
        let gate = Gate()
        files.mount.counter.before(.info) {
            let waits = isFirst.update { first in
                defer { first = false }
                return first
            }
            if waits { gate.pass() }
            return nil
        }
        let opened = Beside { [engine = files.engine] in try? engine.open(inode, [.reading, .writing]).handle }
        #expect(gate.waitForArrivals())
        let other = try files.engine.open(inode, [.writing]).handle
        try files.write(other, "new")
        try files.close(other)
        gate.open()
        let handle = try #require(opened.value ?? nil)
        #expect(try bytes(files, handle) == Array("new".utf8))
        try files.write(handle, "er")
        try files.close(handle)
        #expect(files.stored("a") == "erw")
        #expect(try files.remains() == [])
    }

    @Test func `W7: what was written is kept when it can't be stored, nor what another has cut of it`() throws {
        let files = try WritableStore(["a": "old"])
        let gate = files.mount.counter.hold(.write, answering: StorageError(.unavailable, "gone"))
        let cut = try files.setBeside("a", size: 1)
        #expect(gate.waitForArrivals())
        let writer = try files.open("a", [.writing])
        try files.write(writer, "content")
        let flush = files.flushBeside(writer)
        _ = flush.isOver(within: .milliseconds(20))
        gate.open()
        #expect(flush.value == .some(.ioError))
        files.engine.release(writer)
        #expect(cut.value == .some(.ioError))
        #expect(files.stored("a") == "old")
        let left = try files.leftByKill()
        #expect(left.map(\.size) == [7])
        files.mount.counter.before(.write) { nil }
        #expect(try files.mount.text("a") == "old")
    }

    @Test func `M7: permissions that can't be stored are not shown, and do not undo what another has set`() throws {
        let files = try WritableStore(["a": "old"])
        let isFirst = Monitor(true)
        let gate = Gate()
        files.mount.counter.before(.copy) {
            gate.pass()
            defer { isFirst.update { $0 = false } }
            return isFirst.withLock { $0 } ? StorageError(.unavailable, "gone") : nil
        }
        let failing = try files.setBeside("a", permissions: 0o600)
        #expect(gate.waitForArrivals())
        let other = try files.setBeside("a", permissions: 0o640)
        _ = other.isOver(within: .milliseconds(20))
        gate.open()
        #expect(failing.value == .some(.ioError) && other.value == .some(nil))
        #expect(try files.mount.lookup("a").permissions == 0o640)
        isFirst.update { $0 = true }
        #expect(try files.setBeside("a", permissions: 0o666).value == .some(.ioError))
        #expect(try files.mount.memory.info("a").attributes?.metadata["mode"] == String(0o100640))
        #expect(try files.mount.lookup("a").permissions == 0o640)
    }

    // MARK: A full disk

    /// Writes text in order, so many bytes at a time.
    private func write(
        _ files: WritableStore, _ handle: VFS.FileHandle, _ text: String, from start: Int = 0, by step: Int = 32
    )
        throws
    {
        let bytes = Array(text.utf8)
        for offset in stride(from: 0, to: bytes.count, by: step) {
            let part = bytes[offset..<min(offset + step, bytes.count)]
            try files.engine.write(handle, at: Int64(start + offset), ByteSlice(part))
        }
    }

    @Test(arguments: [127, 128, 129, 160, 192, 500])
    func `W1, W3: with a full disk a file of any size is stored`(size: Int) throws {
        let text = String(String(repeating: "0123456789", count: 100).prefix(size))
        let files = try WritableStore(reserve: .max)
        let handle = try files.open("a", [.writing])
        try write(files, handle, text)
        try files.close(handle)
        #expect(files.stored("a") == text)
        #expect(try files.remains() == [])
    }

    @Test(arguments: [64, 100, 127, 128, 129, 191, 192, 300, 320, 499])
    func `W1, W3: with a full disk a file can be cut where it is kept, or says that it can't`(size: Int) throws {
        let text = String(repeating: "0123456789", count: 50)
        for written in [192, 200, 320, 500] where written >= size {
            let files = try WritableStore(reserve: .max)
            let handle = try files.open("a", [.writing])
            try write(files, handle, String(text.prefix(written)))
            // What was sent may go from the disk by then, or not.
            if Bool.random() { Monitor(()).wait(atMost: .milliseconds(5)) { _ -> Void? in nil } }
            let refusal = Errno.thrown { () throws(Errno) in try files.truncate("a", to: Int64(size)) }
            #expect(refusal == nil || refusal == .noSpace)
            try files.close(handle)
            #expect(files.stored("a") == String(text.prefix(refusal == nil ? size : written)), "\(written) to \(size)")
            #expect(try files.remains() == [])
        }
    }

    @Test func `W7: what was sent and could not be kept is not recovered as zeros`() throws {
        let files = try WritableStore(reserve: .max)
        let handle = try files.open("large", [.writing, .truncating])
        try writeInOrder(files, handle, 0..<2000)
        let copy = try files.copyOfJournal()
        let left = LeftBehind.all(in: copy.path)
        #expect(left.count == 1)
        for file in left {
            #expect(throws: StorageError.self) { try file.upload(to: files.mount.memory, replacing: true) }
        }
        #expect(files.stored("large") == nil)
        // Nothing is amiss for who goes on.
        try files.close(handle)
        #expect(files.stored("large") == large)
    }

    @Test(arguments: [64, 130, 500, 1000])
    func `W1, W3: with a full disk a file that is stored again and again takes no more room than is not stored`(
        interval: Int
    ) throws {
        let files = try WritableStore(["a": String(large.prefix(300))], reserve: .max)
        let handle = try files.open("a")
        for start in stride(from: 300, to: 2000, by: interval) {
            let end = min(start + interval, 2000)
            let part = Array(large.utf8)[start..<end]
            try write(files, handle, String(decoding: part, as: UTF8.self), from: start)
            try files.engine.synchronize(handle, dataOnly: false)
            #expect(files.stored("a") == String(large.prefix(end)))
            #expect(files.staged.isEmpty)
        }
        #expect(String(decoding: try files.mount.read("a"), as: UTF8.self) == large)
        // What the store has is no longer here, and is found all the same after a crash.
        try files.write(handle, "X", at: 7)
        let copy = try files.copyOfJournal()
        try #require(LeftBehind.all(in: copy.path).first).upload(to: files.mount.memory, replacing: false)
        #expect(files.stored("a") == large.prefix(7) + "X" + large.dropFirst(8))
    }

    @Test func `W3: what is appended to a large file is sent while it is written`() throws {
        for size in [10, 100, 300] {
            let files = try WritableStore(["a": String(large.prefix(size))], reserve: .max)
            let handle = try files.open("a", [.writing, .appending])
            try write(files, handle, String(large.dropFirst(size)), from: size)
            let counts = files.mount.counter.counts
            #expect(counts.bytesWritten >= 1600 && counts.bytesRead == 0 && counts.copiedParts == 0)
            try files.close(handle)
            #expect(files.stored("a") == large)
            #expect(files.mount.counter.counts.bytesRead <= 300)
            #expect(try files.remains() == [])
        }
    }

    @Test(arguments: [0, 100, 200, 500])
    func `W3: with a full disk what is written after the end of a file is sent while it is written`(tail: Int) throws {
        let files = try WritableStore(reserve: .max)
        let handle = try files.open("a", [.writing])
        try write(files, handle, String(large.suffix(tail)), from: 2000 - tail)
        try write(files, handle, String(large.prefix(2000 - tail)))
        #expect(files.mount.counter.counts.bytesWritten >= 1400)
        try files.close(handle)
        #expect(files.stored("a") == large)
        #expect(try files.remains() == [])
    }

    // MARK: What a large file carries

    /// A large file that is written and not closed, and that was given another mode after its upload had begun.
    private func openedLarge(_ files: WritableStore) throws -> VFS.FileHandle {
        let handle = try files.open("a", [.writing])
        try write(files, handle, large)
        try files.setPermissions("a", to: 0o600)
        return handle
    }

    @Test(arguments: [StorageError.Code.accessDenied, .unavailable, .invalid, .noSpace], [false, true])
    func `W1, M7: what a large file is to carry can be stored later, when its bytes are in the store already`(
        code: StorageError.Code, tellsVersions: Bool
    ) throws {
        let files = try WritableStore(tellsVersions: tellsVersions)
        let handle = try openedLarge(files)
        files.mount.counter.before(.copy) { StorageError(code, "no copies") }
        #expect(Errno.thrown { () throws(Errno) in try files.engine.synchronize(handle, dataOnly: false) } != nil)
        #expect(files.stored("a") == large)
        files.mount.counter.before(.copy) { nil }
        try files.engine.synchronize(handle, dataOnly: false)
        #expect(try files.mount.memory.info("a").attributes?.metadata["mode"] == String(0o100600))
        try files.close(handle)
        #expect(try files.remains() == [])
    }

    @Test(arguments: [false, true])
    func `W1, M7: a large file that can't be given what it is to carry leaves nothing in the journal`(
        tellsVersions: Bool
    ) throws {
        let files = try WritableStore(tellsVersions: tellsVersions)
        let handle = try openedLarge(files)
        files.mount.counter.before(.copy) { StorageError(.accessDenied, "no copies") }
        #expect(throws: Errno.permissionDenied) { try files.close(handle) }
        #expect(files.stored("a") == large)
        #expect(try files.mount.lookup("a").permissions == 0o644)
        #expect(try files.remains() == [])
    }
}
