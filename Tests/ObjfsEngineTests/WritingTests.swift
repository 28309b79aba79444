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

@Suite struct WritingTests {
    @Test func `W1: what close reports is in the store`() throws {
        let files = try WritableStore()
        let handle = try files.open("a")
        try files.write(handle, "hello")
        #expect(files.stored("a") == nil)
        try files.engine.flush(handle, by: WritableStore.caller)
        #expect(files.stored("a") == "hello")
        try files.write(handle, ", world", at: 5)
        try files.engine.synchronize(handle, dataOnly: true)
        #expect(files.stored("a") == "hello, world")
        try files.close(handle)
        #expect(files.journal.isEmpty)
    }

    @Test func `W1: a synchronous write is in the store when it returns`() throws {
        let files = try WritableStore()
        let handle = try files.open("a", [.writing, .synchronous])
        try files.write(handle, "now")
        #expect(files.stored("a") == "now")
        try files.close(handle)
    }

    @Test func `W2: writing, overwriting, appending, cutting and holes`() throws {
        let files = try WritableStore(["old": "0123456789"])
        let handle = try files.open("old")
        try files.write(handle, "AB", at: 4)
        try files.write(handle, "end", at: 14)
        #expect(try files.mount.text("old") == "0123AB6789\0\0\0\0end")
        try files.close(handle)
        #expect(files.stored("old") == "0123AB6789\0\0\0\0end")
        try files.truncate("old", to: 5)
        #expect(files.stored("old") == "0123A")
        try files.truncate("old", to: 7)
        #expect(files.stored("old") == "0123A\0\0")
        try files.put("old", "")
        #expect(files.stored("old") == "")
    }

    @Test func `W3: a file written in order is sent in parts while it is written`() throws {
        let files = try WritableStore()
        let text = String(repeating: "0123456789", count: 200)
        let handle = try files.open("large", [.writing])
        for (index, part) in stride(from: 0, to: 2000, by: 50).enumerated() {
            try files.write(handle, String(text.dropFirst(part).prefix(50)), at: Int64(index * 50))
        }
        #expect(files.mount.counter.counts.writes == 0)
        try files.close(handle)
        #expect(files.stored("large") == text)
        #expect(files.mount.counter.counts.parts == 32)
        #expect(files.mount.counter.counts.writes == 0)
        #expect(try files.mount.memory.uploads(prefix: "").isEmpty)
    }

    @Test func `W3: a file is sent while it is written though a shell closed a copy of its descriptor before`() throws {
        let text = String(repeating: "0123456789", count: 200)
        for start in ["", "a line\n"] {
            let files = try WritableStore(["large": "old"])
            // As of `(echo a line; cat large) > file`, whose children close it one after another.
            let handle = try files.open("large", [.writing, .truncating])
            try files.write(handle, start)
            try files.engine.flush(handle, by: WritableStore.caller)
            #expect(files.stored("large") == start)
            for offset in stride(from: 0, to: 2000, by: 50) {
                let next = String(text.dropFirst(offset).prefix(50))
                try files.write(handle, next, at: Int64(start.utf8.count + offset))
            }
            let pause = Monitor(())
            for _ in 0..<500 where files.mount.counter.counts.parts == 0 {
                pause.wait(atMost: .milliseconds(10)) { _ -> Void? in nil }
            }
            #expect(files.mount.counter.counts.parts > 0, "nothing was sent before the end")
            try files.close(handle)
            #expect(files.stored("large") == start + text)
            #expect(files.mount.counter.counts.bytesRead == 0 && files.mount.counter.counts.copiedParts == 0)
        }
    }

    @Test func `W2: a file that was sent in parts may still be changed anywhere`() throws {
        let files = try WritableStore()
        var text = Array(repeating: UInt8(ascii: "x"), count: 1000)
        let handle = try files.open("large")
        try files.engine.write(handle, at: 0, ByteSlice(text))
        try files.write(handle, "HEAD", at: 0)
        text.replaceSubrange(0..<4, with: "HEAD".utf8)
        #expect(try files.mount.read("large") == text)
        try files.close(handle)
        #expect(try files.mount.memory.read("large") == text)
    }

    @Test func `W4: a little change to a large object sends a little`() throws {
        let text = String(repeating: "0123456789", count: 1000)
        let files = try WritableStore(["large": text])
        let handle = try files.open("large")
        try files.write(handle, "tail", at: 10_000)
        try files.write(handle, "!", at: 5_000)
        try files.close(handle)
        #expect(files.stored("large") == text.prefix(5000) + "!" + text.dropFirst(5001) + "tail")
        #expect(files.mount.counter.counts.bytesWritten <= 200)
        #expect(files.mount.counter.counts.bytesRead <= 200)
    }

    @Test func `W4: appending sends what was appended, and nothing else`() throws {
        let text = String(repeating: "0123456789", count: 1000)
        let files = try WritableStore(["large": text])
        for round in 1...3 {
            files.mount.counter.reset()
            let handle = try files.open("large", [.writing, .appending])
            try files.write(handle, "tail", at: Int64(10_000 + (round - 1) * 4))
            try files.close(handle)
            #expect(files.stored("large") == text + String(repeating: "tail", count: round))
            #expect(files.mount.counter.counts.bytesWritten == 4)
            #expect(files.mount.counter.counts.bytesRead == 0)
        }
    }

    @Test(arguments: [1] + (0..<20).map { _ in SeededGenerator.freshSeed })
    func `W4: to an object of any size what was appended is sent, and of a changed place its part`(
        seed: UInt64
    ) throws {
        var random = SeededGenerator(seed: seed)
        let size = Int.random(in: 129..<20_000, using: &random)
        var content = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
        let files = try WritableStore()
        try files.mount.memory.write("large", content)
        for _ in 0..<3 {
            files.mount.counter.reset()
            let count = Int.random(in: 1..<100, using: &random)
            let more = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let handle = try files.open("large", [.writing, .appending])
            try files.engine.write(handle, at: Int64(content.count), ByteSlice(more))
            try files.close(handle)
            content += more
            #expect(try files.mount.memory.read("large") == content)
            // A piece that is larger than what is left of its part takes the part along.
            let isApart = content.count / 64 == (content.count - more.count) / 64
            #expect(files.mount.counter.counts.bytesWritten <= Int64(more.count) + (isApart ? 0 : 64))

            files.mount.counter.reset()
            let place = Int.random(in: 0..<content.count, using: &random)
            let other = try files.open("large", [.reading, .writing])
            try files.write(other, "!", at: Int64(place))
            try files.close(other)
            content[place] = UInt8(ascii: "!")
            #expect(try files.mount.memory.read("large") == content)
            #expect(files.mount.counter.counts.bytesWritten <= 64)
        }
    }

    @Test func `W5: a reader elsewhere sees the old object until the new one is whole`() throws {
        let files = try WritableStore(["a": "old"])
        let handle = try files.open("a", [.writing, .truncating])
        for number in 0..<100 { try files.write(handle, "0123456789", at: Int64(number * 10)) }
        #expect(files.stored("a") == "old")
        try files.close(handle)
        #expect(files.stored("a")?.count == 1000)
    }

    @Test func `W6: who writes learns that the object has changed`() throws {
        let files = try WritableStore(["a": "old"])
        let handle = try files.open("a")
        try files.write(handle, "mine")
        try files.mount.memory.write("a", "theirs".utf8)
        #expect(throws: Errno.staleNFSFileHandle) { try files.engine.flush(handle, by: WritableStore.caller) }
        #expect(files.stored("a") == "theirs")
        files.engine.release(handle)
        #expect(try files.mount.text("a") == "theirs")
        #expect(files.journal.count == 2)
    }

    @Test func `W6: a file that must be new is not put over one that came meanwhile`() throws {
        let files = try WritableStore()
        let handle = try files.open("a", [.writing, .exclusive])
        try files.mount.memory.write("a", "theirs".utf8)
        #expect(throws: Errno.fileExists) { try files.engine.flush(handle, by: WritableStore.caller) }
        files.engine.release(handle)
        #expect(files.stored("a") == "theirs")
    }

    @Test func `W9: a file that is unlinked while open stays readable`() throws {
        let files = try WritableStore(["a": "content"])
        let reader = try files.open("a", .reading)
        let writer = try files.open("new")
        try files.write(writer, "temporary")
        try files.unlink("a")
        try files.unlink("new")
        #expect(files.stored("a") == nil)
        #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("a") }
        let bytes = try files.engine.read(reader, at: 0, count: 100).flatMap(\.array)
        #expect(String(decoding: bytes, as: UTF8.self) == "content")
        try files.write(writer, "more", at: 9)
        #expect(try files.engine.read(writer, at: 0, count: 100).flatMap(\.array) == Array("temporarymore".utf8))
        try files.close(writer)
        files.engine.release(reader)
        #expect(files.stored("new") == nil)
        #expect(files.journal.isEmpty)
    }

    @Test func `W9: a file that another is renamed onto stays readable`() throws {
        let files = try WritableStore(["a": "old", "b": "new"])
        let reader = try files.open("a", .reading)
        try files.rename("b", "a")
        #expect(try files.engine.read(reader, at: 0, count: 100).flatMap(\.array) == Array("old".utf8))
        #expect(try files.mount.text("a") == "new")
        files.engine.release(reader)
    }

    @Test func `W8: files and folders are renamed by copies, with all that is in them`() throws {
        let files = try WritableStore(["d/a": "1", "d/e/b": "2", "f": "3"])
        try files.rename("d", "x")
        #expect(files.stored("x/a") == "1" && files.stored("x/e/b") == "2")
        #expect(files.stored("d/a") == nil && files.stored("d/e/b") == nil)
        #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("d") }
        try files.rename("f", "x/a")
        #expect(try files.mount.text("x/a") == "3")
        #expect(throws: Errno.directoryNotEmpty) { try files.rename("x/e", "x") }
        #expect(throws: Errno.invalidArgument) { try files.rename("x", "x/e/y") }
        #expect(throws: Errno.notDirectory) { try files.rename("x/e", "x/a") }
        #expect(throws: Errno.isDirectory) { try files.rename("x/a", "x/e") }
        #expect(throws: Errno.fileExists) { try files.rename("x/a", "x/e/b", flags: 1) }
        #expect(throws: Errno.invalidArgument) { try files.rename("x/a", "x/e/b", flags: 2) }
        try files.makeFolder("empty")
        try files.rename("x", "empty")
        #expect(try files.mount.text("empty/e/b") == "2")
        try files.rename("empty/a", "empty/a")
        #expect(try files.mount.text("empty/a") == "3")
    }

    @Test func `folders stay when they are emptied, and are removed only when empty`() throws {
        let files = try WritableStore(["d/a": "1"])
        #expect(throws: Errno.directoryNotEmpty) { try files.removeFolder("d") }
        try files.unlink("d/a")
        #expect(try files.mount.lookup("d").type == .directory)
        try files.removeFolder("d")
        #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("d") }
        try files.makeFolder("new")
        #expect(files.stored("new/") == "")
        #expect(throws: Errno.fileExists) { try files.makeFolder("new") }
        #expect(throws: Errno.isDirectory) { try files.unlink("new") }
        try files.removeFolder("new")
        #expect(files.stored("new/") == nil)
    }

    @Test func `M7: modes, owners, times and links are kept in the names of s3fs`() throws {
        let files = try WritableStore()
        let handle = try files.open("a")
        try files.write(handle, "x")
        var change = AttributeChange()
        change.permissions = 0o640
        change.owner = 7
        change.group = 8
        change.modified = FileTime(nanoseconds: 1_234_567_890_123_456_789)
        _ = try files.engine.setAttributes(of: try files.mount.lookup("a").inode, change, handle: handle)
        try files.close(handle)
        #expect(files.mount.counter.counts.copies == 0)
        let metadata = try files.mount.memory.info("a").attributes?.metadata ?? [:]
        #expect(metadata["mode"] == "33184" && metadata["uid"] == "7" && metadata["gid"] == "8")
        #expect(metadata["mtime"] == "1234567890.123456789")
        try files.link("l", to: "some/where")
        #expect(files.stored("l") == "some/where")
        #expect(try files.engine.readLink(try files.mount.lookup("l").inode) == "some/where")
        #expect(try files.mount.memory.info("l").attributes?.metadata["mode"] == "41471")
        change = AttributeChange()
        change.permissions = 0o600
        _ = try files.engine.setAttributes(of: try files.mount.lookup("a").inode, change, handle: nil)
        let other = try MountedStore()
        try other.memory.write(
            "a", ByteSlice("x".utf8), attributes: try files.mount.memory.info("a").attributes ?? ObjectAttributes(),
            condition: .always)
        let shown = try other.lookup("a")
        #expect(shown.permissions == 0o600 && shown.owner == 7 && shown.group == 8)
        #expect(shown.modified.nanoseconds == 1_234_567_890_123_456_789)
    }

    @Test func `M7: what is made in a folder with the set-group-ID bit belongs to its group`() throws {
        let files = try WritableStore()
        try files.makeFolder("d")
        var change = AttributeChange()
        change.permissions = 0o2775
        change.group = 77
        _ = try files.engine.setAttributes(of: try files.mount.lookup("d").inode, change, handle: nil)
        try files.put("d/f", "x")
        try files.makeFolder("d/e")
        try files.makeFolder("d/e/g")
        try files.link("d/l", to: "f")
        try files.put("other", "x")
        for path in ["d/f", "d/e", "d/e/g", "d/l"] { #expect(try files.mount.lookup(path).group == 77, "\(path)") }
        #expect(try files.mount.lookup("other").group == WritableStore.caller.group)
        #expect(try files.mount.lookup("d/e/g").permissions == 0o2755)
        #expect(try files.mount.lookup("d/f").permissions == 0o644)
    }

    @Test func `M7: what a folder carries already is not written again, what it does not any more is`() throws {
        for isChanged in [false, true] {
            let files = try WritableStore(options: { $0.metadataTTL = isChanged ? .zero : .seconds(600) })
            try files.makeFolder("d")
            let inode = try files.mount.lookup("d").inode
            var owner = AttributeChange()
            owner.owner = WritableStore.caller.user
            if isChanged { try files.mount.memory.write("d/", .empty, attributes: .init(), condition: .always) }
            let before = files.mount.counter.counts.writes
            _ = try files.engine.setAttributes(of: inode, owner, handle: nil)
            #expect(files.mount.counter.counts.writes == (isChanged ? before + 1 : before))
            #expect(try files.mount.memory.info("d/").attributes?.metadata["uid"] == "1000")
            owner.owner = 7
            _ = try files.engine.setAttributes(of: inode, owner, handle: nil)
            #expect(try files.mount.memory.info("d/").attributes?.metadata["uid"] == "7")
        }
    }

    @Test func `M7: what a folder's marker carries or holds stays when some of it is changed`() throws {
        for content in ["", "not by objfs"] {
            var names: [String: String] = [:]
            for number in 0..<20 { names["home/\(number)/x"] = "x" }
            let files = try WritableStore(names)
            let carried = ObjectAttributes(
                contentType: "text/plain", metadata: ["mode": String(0o40700), "note": "by another", "gid": "9"])
            for number in 0..<20 {
                try files.mount.memory.write(
                    ObjectKey("home/\(number)/"), ByteSlice(content.utf8), attributes: carried, condition: .always)
            }
            // Many names of a folder are not asked about one by one.
            var owner = AttributeChange()
            owner.owner = 7
            for number in 0..<20 {
                let inode = try files.mount.lookup("home/\(number)").inode
                _ = try files.engine.setAttributes(of: inode, owner, handle: nil)
            }
            var expected = carried.metadata
            expected["uid"] = "7"
            for number in 0..<20 {
                let key = ObjectKey("home/\(number)/")
                let attributes = try files.mount.memory.info(key).attributes
                #expect(attributes?.contentType == "text/plain")
                #expect(attributes?.metadata.filter { $0.key != "ctime" } == expected)
                #expect(files.stored(key.string) == content)
            }
            try files.unlink("home/1/x")
            if content.isEmpty {
                try files.removeFolder("home/1")
            } else {
                #expect(throws: Errno.directoryNotEmpty) { try files.removeFolder("home/1") }
                try files.rename("home/1", "home/new")
                #expect(files.stored("home/new/") == content)
            }
        }
    }

    @Test func `W8: folders that were emptied stay when what they are in is renamed`() throws {
        let files = try WritableStore(["d/sub/only": "x", "d/a": "a"])
        try files.unlink("d/sub/only")
        try files.rename("d", "e")
        #expect(try files.mount.lookup("e/sub").type == .directory)
        #expect(try files.mount.names("e") == ["a", "sub"])
        #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("d") }
    }

    @Test func `M7: what could not be stored is not shown, and not read from the kernel's pages`() throws {
        let files = try WritableStore(["a": "old"])
        let inode = try files.mount.lookup("a").inode
        let before = try files.mount.lookup("a")
        let handle = try files.open("a")
        try files.write(handle, "new")
        var change = AttributeChange()
        change.permissions = 0o600
        _ = try files.engine.setAttributes(of: inode, change, handle: handle)
        files.mount.counter.before(.write) { StorageError(.accessDenied, "no") }
        #expect(throws: Errno.permissionDenied) { try files.close(handle) }
        let after = try files.mount.lookup("a")
        #expect(after.permissions == before.permissions && after.modified == before.modified)
        let opened = try files.engine.open(after.inode, .reading)
        #expect(!opened.keepsCache)
        #expect(try files.mount.text("a") == "old")
    }

    @Test func `M1: a name whose version is not what it was is listed`() throws {
        let files = try WritableStore(["d/b": "other"], namesContent: true)
        try files.put("d/a", "text")
        let reader = try files.open("d/a", [.reading])
        try files.mount.memory.delete("d/a")
        #expect(throws: Errno.staleNFSFileHandle) { try files.engine.read(reader, at: 0, count: 10) }
        try files.mount.memory.write("d/a", ByteSlice("text".utf8), attributes: .init(), condition: .always)
        let names = try files.mount.list("d", withAttributes: true).map(\.name)
        #expect(names == ["a", "b"])
        #expect(try files.mount.text("d/a") == "text")
    }

    @Test func `W2: what is larger than the store takes is not opened to write it`() throws {
        var limits = WritableStore.small
        limits.largestObject = 100
        let files = try WritableStore(["a": String(repeating: "x", count: 101)], limits: limits)
        #expect(throws: Errno(rawValue: EFBIG)) { try files.open("a", [.writing]) }
        #expect(throws: Errno(rawValue: EFBIG)) { try files.truncate("a", to: 101_000) }
        #expect(try files.mount.text("a").utf8.count == 101)
        let reader = try files.open("a", [.reading])
        try files.unlink("a")
        #expect(try files.engine.read(reader, at: 0, count: 200).reduce(0) { $0 + $1.count } == 101)
        files.engine.release(reader)
        #expect(files.stored("a") == nil)
        #expect(try files.remains() == [])
    }

    @Test func `W2: in a part of a bucket a name may be as long as its whole key may be`() throws {
        let store = InMemoryStore(limits: .s3)
        let part = PrefixedStore(store, prefix: "part")
        #expect(part.uploadLimits.longestKey == store.uploadLimits.longestKey - 5)
        var limits = WritableStore.small
        limits.longestKey = 5
        let files = try WritableStore(limits: limits)
        try files.put("abcde", "x")
        #expect(throws: Errno.fileNameTooLong) { try files.put("abcdef", "x") }
        try files.makeFolder("abcd")
        #expect(throws: Errno.fileNameTooLong) { try files.makeFolder("abcde") }
        #expect(files.stored("abcdef") == nil)
    }

    @Test func `W2: what was written here and there is read as one, with few requests, and stored so`() throws {
        for isNew in [false, true] {
            let old = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 / 1000) }
            let files = try WritableStore(limits: .s3)
            if !isNew { try files.mount.memory.write("a", old) }
            let handle = try files.open("a", isNew ? [.reading, .writing, .truncating] : [.reading, .writing])
            var expected = isNew ? [UInt8](repeating: 0, count: 1 << 20) : old
            for offset in stride(from: 1, to: 1 << 20, by: 512) {
                try files.engine.write(handle, at: Int64(offset), ByteSlice([255]))
                expected[offset] = 255
            }
            if isNew { expected.removeLast(511 - 1) }
            files.mount.counter.reset()
            let slices = try files.engine.read(handle, at: 0, count: 1 << 20)
            #expect(slices.count == 1 && slices.flatMap(\.array) == expected)
            #expect(files.mount.counter.counts.reads <= 8)
            files.mount.counter.reset()
            try files.close(handle)
            #expect(files.mount.counter.counts.reads <= 8)
            #expect(try files.mount.memory.read("a") == expected)
            #expect(try files.remains() == [])
        }
    }

    @Test func `W4: a store that refuses one upload still copies parts`() throws {
        let large = String(repeating: "0123456789", count: 200)
        let files = try WritableStore(["a": large])
        let handle = try files.open("a", [.writing])
        let isFirst = Monitor(true)
        files.mount.counter.before(.beginUpload) {
            isFirst.update { first in
                defer { first = false }
                return first ? StorageError(.unsupported, "not this one") : nil
            }
        }
        try files.write(handle, "end", at: 2000)
        try files.close(handle)
        #expect(files.stored("a") == large + "end")
        #expect(files.mount.counter.counts.copiedParts > 0)
    }

    @Test func `making a folder asks no more than looking its name up has asked`() throws {
        let files = try WritableStore()
        #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("d") }
        let before = files.mount.counter.counts.lists
        try files.makeFolder("d")
        #expect(files.mount.counter.counts.lists == before)
        // Who makes one long after that, or without looking, asks.
        try files.makeFolder("e")
        #expect(files.mount.counter.counts.lists == before + 1)
    }

    @Test func `M6: new files of a folder cost one request each where absence may be remembered`() throws {
        for (isNew, most) in [(true, 0), (false, 10)] {
            let files = try WritableStore(["d/old": "x"], options: { $0.absenceTTL = .seconds(600) })
            if isNew {
                #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("e") }
                try files.makeFolder("e")
            }
            let folder = try files.mount.lookup(isNew ? "e" : "d").inode
            files.mount.counter.reset()
            for number in 0..<100 {
                #expect(throws: Errno.noSuchFileOrDirectory) { try files.engine.lookup("\(number)", in: folder) }
                let made = try files.engine.create(
                    "\(number)", in: folder, mode: 0o644, [.writing], by: WritableStore.caller)
                try files.write(made.file.handle, "text")
                try files.close(made.file.handle)
            }
            #expect(files.mount.counter.counts.lists <= most)
            #expect(files.mount.counter.counts.writes == 100)
        }
    }

    @Test func `W6: what another client wrote under a name that was thought to be free is not replaced`() async throws {
        let files = try WritableStore(options: { $0.absenceTTL = .seconds(600) })
        for name in ["file", "link", "folder", "moved"] {
            #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup(name) }
        }
        let foreign = ["file", "link", "folder", "moved"]
        // What was looked up a tenth of a second ago is taken for what the kernel was told just before.
        try await Task.sleep(for: .milliseconds(150))
        for name in foreign { try files.mount.memory.write(ObjectKey(name), "foreign".utf8) }
        let handle = try files.open("file")
        try files.write(handle, "mine")
        #expect(throws: Errno.staleNFSFileHandle) { try files.close(handle) }
        #expect(throws: Errno.fileExists) { try files.link("link", to: "file") }
        #expect(throws: Errno.fileExists) { try files.makeFolder("folder") }
        try files.put("new", "mine")
        #expect(throws: Errno.fileExists) { try files.rename("new", "moved", flags: 1) }
        for name in foreign { #expect(files.stored(name) == "foreign") }
    }

    @Test func `M7: extended attributes of users are kept`() throws {
        let files = try WritableStore(["a": "x"])
        let inode = try files.mount.lookup("a").inode
        try files.engine.setExtendedAttribute("user.colour", of: inode, to: Array("blau\0ü".utf8), flags: 0)
        #expect(try files.engine.extendedAttribute("user.colour", of: inode) == Array("blau\0ü".utf8))
        #expect(try files.engine.extendedAttributeNames(of: inode).contains("user.colour"))
        let kept = try files.mount.memory.info("a").attributes?.metadata["xattr"]
        #expect(kept == "%7B%22user.colour%22%3A%22YmxhdQDDvA%3D%3D%22%7D")
        #expect(throws: Errno.fileExists) {
            try files.engine.setExtendedAttribute("user.colour", of: inode, to: [], flags: 1)
        }
        try files.engine.removeExtendedAttribute("user.colour", of: inode)
        #expect(throws: Errno.noData) { try files.engine.extendedAttribute("user.colour", of: inode) }
        #expect(throws: Errno.notSupportedOnSocket) {
            try files.engine.setExtendedAttribute("trusted.x", of: inode, to: [], flags: 0)
        }
    }

    @Test
    func `M7: what HTTP says of an object stays when it is changed, but for how it was packed when it is emptied`()
        throws
    {
        let files = try WritableStore()
        var carried = ObjectAttributes(contentType: "text/css")
        carried.headers = ["cache-control": "max-age=3600", "content-encoding": "gzip"]
        try files.mount.memory.write("a", ByteSlice("packed".utf8), attributes: carried, condition: .always)
        let inode = try files.mount.lookup("a").inode
        func stored() throws -> [String: String]? { try files.mount.memory.info("a").attributes?.headers }
        var change = AttributeChange()
        change.permissions = 0o600
        _ = try files.engine.setAttributes(of: inode, change, handle: nil)
        #expect(try stored() == carried.headers)
        let handle = try files.open("a", [.writing])
        try files.write(handle, "more", at: 6)
        #expect(try files.leftByKill().count == 1)
        let journal = try files.copyOfJournal()
        let left = try #require(LeftBehind.all(in: journal.path).first)
        try left.upload(to: files.mount.memory, replacing: true)
        #expect(try stored() == carried.headers)
        #expect(throws: Errno.staleNFSFileHandle) { try files.close(handle) }
        let again = try files.open("a", [.writing])
        try files.write(again, "M", at: 6)
        try files.close(again)
        #expect(try stored() == carried.headers && files.stored("a") == "packedMore")
        try files.put("a", "plain")
        #expect(try stored() == ["cache-control": "max-age=3600"])
    }

    @Test func `M7: any time can be kept, and what it is kept by is asked for once`() throws {
        var random = SeededGenerator(seed: SeededGenerator.freshSeed)
        let edges: [Int64] = [.min, .min + 1, -1_000_000_000, -1, 0, 1, 999_999_999, .max - 1, .max]
        let files = try WritableStore(["a": "text"])
        let inode = try files.mount.lookup("a").inode
        for time in edges + (0..<100).map({ _ in Int64.random(in: .min ... .max, using: &random) }) {
            let copies = files.mount.counter.counts.copies
            var change = AttributeChange()
            change.accessed = FileTime(nanoseconds: time)
            change.modified = FileTime(nanoseconds: time)
            _ = try files.engine.setAttributes(of: inode, change, handle: nil)
            #expect(files.mount.counter.counts.copies == copies + 1)
            let other = try MountedStore()
            try other.memory.write(
                "a", .empty, attributes: try #require(try files.mount.memory.info("a").attributes), condition: .always)
            let shown = try other.lookup("a")
            #expect(shown.accessed.nanoseconds == time && shown.modified.nanoseconds == time)
        }
    }

    @Test func `W1: what was given up before the store had any of it can't be changed`() throws {
        let files = try WritableStore()
        let writer = try files.open("a", [.writing])
        let inode = try files.mount.lookup("a").inode
        let reader = try files.engine.open(inode, .reading).handle
        try files.write(writer, "text")
        files.mount.counter.before(.write) { StorageError(.accessDenied, "no") }
        #expect(throws: Errno.permissionDenied) { try files.close(writer) }
        files.mount.counter.before(.write) { nil }
        for isCut in [false, true] {
            var change = AttributeChange()
            if isCut { change.size = 1 } else { change.permissions = 0o600 }
            #expect(throws: Errno.staleNFSFileHandle) {
                try files.engine.setAttributes(of: inode, change, handle: reader)
            }
        }
        #expect(throws: Errno.staleNFSFileHandle) {
            try files.engine.setExtendedAttribute("user.a", of: inode, to: [], flags: 0)
        }
        files.engine.release(reader)
        #expect(files.stored("a") == nil)
    }

    @Test func `M7: what another program puts into a folder's marker meanwhile stays`() throws {
        let files = try WritableStore(options: { $0.metadataTTL = .seconds(600) })
        try files.makeFolder("d")
        let inode = try files.mount.lookup("d").inode
        var change = AttributeChange()
        change.permissions = 0o700
        try files.mount.memory.write("d/", ByteSlice("theirs".utf8), attributes: .init(), condition: .always)
        _ = try files.engine.setAttributes(of: inode, change, handle: nil)
        #expect(files.stored("d/") == "theirs")
        #expect(try files.mount.memory.info("d/").attributes?.metadata["mode"] == String(0o40700))
        change.permissions = 0o750
        try files.mount.memory.delete("d/")
        _ = try files.engine.setAttributes(of: inode, change, handle: nil)
        #expect(files.stored("d/") == "")
        #expect(try files.mount.memory.info("d/").attributes?.metadata["mode"] == String(0o40750))
        // And who makes a folder that another has just made is told.
        try files.mount.memory.write("e/", ByteSlice("theirs".utf8), attributes: .init(), condition: .always)
        #expect(throws: Errno.fileExists) { try files.makeFolder("e") }
        #expect(files.stored("e/") == "theirs")
    }

    @Test func `M7: no more extended attributes are taken than a file can be stored with`() throws {
        let files = try WritableStore()
        let handle = try files.open("a")
        let inode = try files.mount.lookup("a").inode
        var refusal: Errno?
        for number in 0..<100 where refusal == nil {
            refusal = Errno.thrown { () throws(Errno) in
                try files.engine.setExtendedAttribute(
                    "user.\(number)", of: inode, to: [UInt8](repeating: 251, count: 100), flags: 0)
            }
        }
        #expect(refusal == .noSpace)
        var change = AttributeChange()
        (change.owner, change.group) = (.max, .max)
        change.modified = FileTime(nanoseconds: .max)
        change.accessed = FileTime(nanoseconds: .max)
        _ = try files.engine.setAttributes(of: inode, change, handle: handle)
        try files.close(handle)
        let metadata = try files.mount.memory.info("a").attributes?.metadata ?? [:]
        #expect(metadata.count == 7)
        #expect(metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count } <= 2048)
        #expect(try files.engine.extendedAttributeNames(of: inode).count > 5)
    }

    @Test func `M6: a change made here is seen at once`() throws {
        let files = try WritableStore(["a": "1"], options: { $0.metadataTTL = .seconds(3600) })
        #expect(try files.mount.names("") == ["a"])
        try files.put("b", "2")
        #expect(try files.mount.names("") == ["a", "b"])
        try files.put("a", "other")
        #expect(try files.mount.text("a") == "other")
        try files.unlink("a")
        #expect(try files.mount.names("") == ["b"])
        let handle = try files.open("open")
        #expect(try files.mount.names("") == ["b", "open"])
        try files.close(handle)
    }

    @Test func `W5: what is half written is not stored for who asks for its chunks`() throws {
        let files = try WritableStore(["old": "one\ntwo\n"])
        let old = try files.open("old", [.writing, .truncating])
        try files.write(old, "th")
        let new = try files.open("new", [.writing])
        try files.write(new, "ne")
        #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("old@chunks@nonsense") }
        #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("new@chunks@2") }
        #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("new@plain") }
        #expect(try files.mount.text("old@chunks@2/chunk-0") == "one\n")
        #expect(files.stored("old") == "one\ntwo\n" && files.stored("new") == nil)
        for handle in [old, new] { try files.write(handle, "X\n", at: 2) }
        for handle in [old, new] { try files.engine.flush(handle, by: WritableStore.caller) }
        #expect(try files.mount.text("old@chunks@2/chunk-0") == "thX\n")
        #expect(try files.mount.text("new@chunks@1/chunk-0") == "neX\n")
        for handle in [old, new] { files.engine.release(handle) }
    }

    @Test func `M6: chunks of a file that was just written are those of the new version`() throws {
        let files = try WritableStore(["a": "1\n2\n"])
        #expect(try files.mount.text("a@chunks@2/chunk-1") == "2\n")
        try files.put("a", "3\n4\n5\n6\n")
        #expect(try files.mount.text("a@chunks@2/chunk-1") == "5\n6\n")
        let handle = try files.open("a@chunks@2/chunk-1", .reading)
        files.engine.release(handle)
        #expect(throws: Errno.readOnlyFileSystem) { try files.open("a@chunks@2/chunk-1", .writing) }
    }

    @Test func `W7: what could not be stored stays in the journal`() throws {
        let files = try WritableStore(["a": "old"])
        let handle = try files.open("a")
        try files.write(handle, "mine")
        try files.mount.memory.delete("a")
        #expect(throws: Errno.staleNFSFileHandle) { try files.close(handle) }
        #expect(files.journal.count == 2)
    }

    @Test func `names and keys that are too long are refused`() throws {
        let files = try WritableStore()
        #expect(throws: Errno.fileNameTooLong) { try files.put(String(repeating: "x", count: 256), "") }
        var path = ""
        for _ in 0..<4 {
            path += String(repeating: "y", count: 250) + "/"
            try files.makeFolder(path)
        }
        #expect(throws: Errno.fileNameTooLong) { try files.put(path + String(repeating: "z", count: 100), "") }
    }

    @Test func `a file that is copied as a whole is copied by the store`() throws {
        let text = String(repeating: "0123456789", count: 100)
        let files = try WritableStore(["a": text])
        let source = try files.open("a", .reading)
        let target = try files.open("b", [.writing])
        let count = try files.engine.copyRange(source, at: 0, to: target, at: 0, count: 1 << 30)
        #expect(count == 1000)
        #expect(throws: Errno.notSupportedOnSocket) {
            try files.engine.copyRange(source, at: 0, to: target, at: 1000, count: 1)
        }
        try files.close(target)
        files.engine.release(source)
        #expect(files.stored("b") == text)
        #expect(files.mount.counter.counts.bytesRead == 0 && files.mount.counter.counts.bytesWritten == 0)
    }

    @Test func `W7: the journal of a mount that begins is not taken for one that was left behind`() throws {
        let folder = TemporaryFolder()
        let isOver = Atomic(false)
        let scans = Beside { [path = folder.path] in
            while !isOver.load(ordering: .relaxed) { _ = LeftBehind.all(in: path) }
            return true
        }
        defer { isOver.store(true, ordering: .relaxed) }
        for _ in 0..<3000 {
            let journal = try Journal(root: folder.path)
            let folders = withExtendedLifetime(journal) { TemporaryFolder.names(in: folder.path) }
            guard folders.count == 1 else {
                Issue.record("the folder of the mount is gone")
                break
            }
        }
        isOver.store(true, ordering: .relaxed)
        #expect(scans.value == true)
        #expect(TemporaryFolder.names(in: folder.path).isEmpty)
    }

    @Test func `W7: what a daemon left behind is listed and stored`() throws {
        let files = try WritableStore(["old": String(repeating: "x", count: 500)])
        let old = try files.open("old")
        try files.write(old, "HEAD", at: 0)
        try files.write(old, "tail", at: 600)
        let new = try files.open("new")
        try files.write(new, "never closed")
        let gone = try files.open("gone")
        try files.write(gone, "closed")
        try files.close(gone)
        let copy = try files.copyOfJournal()
        #expect(LeftBehind.all(in: files.folder.path).isEmpty)
        let left = LeftBehind.all(in: copy.path).sorted { $0.key < $1.key }
        #expect(left.map(\.key.string) == ["new", "old"])
        #expect(left.map(\.size) == [12, 604] && left.map(\.written) == [12, 8])
        for file in left { try file.upload(to: files.mount.memory, replacing: false) }
        #expect(files.stored("new") == "never closed")
        let expected = "HEAD" + String(repeating: "x", count: 496) + String(repeating: "\0", count: 100) + "tail"
        #expect(files.stored("old") == expected)
        #expect(LeftBehind.all(in: copy.path).isEmpty)
    }

    @Test func `W1: close waits for the store to have a large file, and not for its name of the version`() throws {
        let files = try WritableStore(tellsVersions: false)
        let gate = files.mount.counter.hold(.info)
        let text = String(repeating: "0123456789", count: 200)
        try files.put("large", text)
        #expect(files.stored("large") == text)
        // What a daemon leaves that is killed now is all in the store.
        #expect(!files.journal.isEmpty)
        #expect(try files.leftByKill().isEmpty)
        let seen = Monitor(Attributes?.none)
        let look: @Sendable () -> Void = { [mount = files.mount] in
            let attributes = try? mount.lookup("large")
            seen.update { $0 = attributes }
        }
        let thread = try #require(Thread.start("look", look) as Thread?)
        #expect(seen.wait(atMost: .milliseconds(50)) { $0 } == nil, "whoever looks at it waits for the version")
        gate.open()
        thread.join()
        let modified = try files.mount.memory.info("large").modified
        let attributes = try #require(seen.withLock { $0 })
        #expect(attributes.size == 2000 && attributes.modified.nanoseconds == modified.nanoseconds)
        files.engine.unmounted()
        #expect(files.journal.isEmpty)
    }

    @Test func `W6: what is written on to a version that can't be learned is kept, and not put over it`() throws {
        let files = try WritableStore(tellsVersions: false)
        let text = String(repeating: "0123456789", count: 200)
        let handle = try files.open("large", [.writing, .truncating])
        try files.write(handle, text)
        files.mount.counter.before(.info) { StorageError(.unavailable, "gone") }
        // As when a shell's child ends that has inherited the file.
        try files.engine.flush(handle, by: WritableStore.caller)
        #expect(files.stored("large") == text)
        #expect(try files.mount.text("large") == text, "the name is looked up anew")
        files.mount.counter.before(.info) { nil }
        try files.write(handle, "more", at: 2000)
        #expect(throws: Errno.staleNFSFileHandle) { try files.close(handle) }
        #expect(files.stored("large") == text)
        let left = LeftBehind.all(in: files.folder.path)
        #expect(left.map(\.written) == [2004])
    }

    @Test func `W7: what is written while the version of what was stored is not known is kept`() throws {
        let files = try WritableStore(tellsVersions: false)
        let gate = files.mount.counter.hold(.info)
        let text = String(repeating: "0123456789", count: 200)
        let handle = try files.open("large", [.writing, .truncating])
        try files.write(handle, text)
        try files.engine.flush(handle, by: WritableStore.caller)
        #expect(try files.leftByKill().isEmpty)
        try files.write(handle, "HEAD", at: 0)
        #expect(try files.leftByKill().map(\.size) == [2000])
        gate.open()
        _ = try files.mount.lookup("large")
        let copy = try files.copyOfJournal()
        let left = LeftBehind.all(in: copy.path)
        #expect(left.map(\.size) == [2000] && left.map(\.written) == [4])
        for file in left { try file.upload(to: files.mount.memory, replacing: false) }
        #expect(files.stored("large") == "HEAD" + text.dropFirst(4))
        #expect(throws: Errno.staleNFSFileHandle) { try files.close(handle) }
    }

    @Test func `W7: what was left behind does not replace what has changed since`() throws {
        let files = try WritableStore(["a": "old"])
        let handle = try files.open("a")
        try files.write(handle, "mine")
        try files.mount.memory.write("a", "theirs".utf8)
        #expect(throws: Errno.staleNFSFileHandle) { try files.close(handle) }
        let left = try #require(LeftBehind.all(in: files.folder.path).first)
        #expect(left.failure == "the object has changed")
        #expect(throws: StorageError.self) { try left.upload(to: files.mount.memory, replacing: false) }
        #expect(files.stored("a") == "theirs")
        try left.upload(to: files.mount.memory, replacing: true)
        #expect(files.stored("a") == "mine")
    }

    @Test func `an object beyond the store's limit is refused before anything is lost`() throws {
        let files = try WritableStore()
        let handle = try files.open("a")
        try files.write(handle, "x")
        #expect(throws: Errno(rawValue: 27)) { try files.write(handle, "y", at: 1 << 30) }
        try files.close(handle)
        #expect(files.stored("a") == "x")
    }

    @Test func `a mount without a journal can't be written`() throws {
        let mount = try MountedStore(["a": "x"])
        #expect(throws: Errno.readOnlyFileSystem) { try mount.engine.open(try mount.lookup("a").inode, .writing) }
        #expect(throws: Errno.readOnlyFileSystem) { try mount.engine.unlink("a", in: .root) }
    }
}
