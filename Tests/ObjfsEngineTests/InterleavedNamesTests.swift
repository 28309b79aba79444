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

/// What happens to names while others use them, here or from elsewhere.
@Suite struct InterleavedNamesTests {
    private let text = String(repeating: "0123456789", count: 50)

    private func read(_ files: WritableStore, _ handle: FileHandle, at offset: Int64 = 0) throws(Errno) -> String {
        String(decoding: try files.engine.read(handle, at: offset, count: 1000).flatMap(\.array), as: UTF8.self)
    }

    /// A store whose names are believed for no time.
    private func impatient(_ objects: [String: String]) throws -> WritableStore {
        try WritableStore(objects) { $0.metadataTTL = .zero }
    }

    private func setForeign(_ files: WritableStore, _ key: ObjectKey, _ text: String) {
        _ = try? files.mount.memory.write(key, text.utf8)
    }

    // MARK: Folders

    @Test func `W1, W8: what is stored below a folder while that is renamed is under its new name`() throws {
        let files = try WritableStore(["dir/a": "old", "dir/b": "other"])
        let handle = try files.open("dir/a", [.reading, .writing])
        let gate = files.mount.counter.hold(.delete)
        let rename = files.renameBeside("dir", "new")
        #expect(gate.waitForArrivals())
        try files.write(handle, "more", at: 3)
        let flush = files.flushBeside(handle)
        _ = flush.isOver(within: .milliseconds(100))
        gate.open()
        #expect(flush.value == .some(nil) && rename.value == .some(nil))
        #expect(files.stored("new/a") == "oldmore" && files.stored("new/b") == "other")
        #expect(files.stored("dir/a") == nil && files.stored("dir/b") == nil)
        try files.close(handle)
        #expect(try files.remains() == [])
    }

    @Test func `W1, W8: names that are changed below a folder while that is renamed are changed in it`() throws {
        let files = try WritableStore([
            "dir/a": "a", "dir/file": "old", "dir/saved": "new", "dir/live": "live", "dir/sub/x": "x",
        ])
        let engine = files.engine
        let folder = try files.mount.lookup("dir").inode
        let sub = try files.mount.lookup("dir/sub").inode
        let live = try files.open("dir/live", [.reading, .writing])
        try files.write(live, "LIVE")
        let gate = files.mount.counter.hold(.copy)
        let rename = files.renameBeside("dir", "new")
        #expect(gate.waitForArrivals())
        let changes = [
            Beside { Errno.thrown { () throws(Errno) in try engine.unlink("a", in: folder) } },
            Beside { Errno.thrown { () throws(Errno) in try engine.unlink("live", in: folder) } },
            Beside {
                Errno.thrown { () throws(Errno) in
                    try engine.rename("saved", in: folder, to: "file", in: folder, flags: 0)
                }
            },
            Beside {
                Errno.thrown { () throws(Errno) in
                    _ = try engine.makeSymbolicLink("link", in: folder, to: "file", by: WritableStore.caller)
                }
            },
            Beside {
                Errno.thrown { () throws(Errno) in
                    _ = try engine.makeDirectory("empty", in: sub, mode: 0o755, by: WritableStore.caller)
                }
            },
            Beside {
                Errno.thrown { () throws(Errno) in
                    let made = try engine.create("made", in: sub, mode: 0o644, [.writing], by: WritableStore.caller)
                    try engine.write(made.file.handle, at: 0, ByteSlice("made".utf8))
                    try engine.flush(made.file.handle, by: WritableStore.caller)
                    engine.release(made.file.handle)
                }
            },
        ]
        _ = changes[0].isOver(within: .milliseconds(50))
        gate.open()
        #expect(rename.value == .some(nil))
        for change in changes { #expect(change.value == .some(nil)) }
        #expect(try files.mount.names("") == ["new"])
        #expect(try files.mount.names("new") == ["file", "link", "sub"])
        #expect(try files.mount.names("new/sub") == ["empty", "made", "x"])
        #expect(files.stored("new/file") == "new" && files.stored("new/sub/made") == "made")
        try files.close(live)
        #expect(try files.remains() == [])
    }

    @Test func `W8: what was there in a folder is there while that is renamed`() throws {
        let files = try WritableStore(["dir/sub/a": "a", "dir/sub/b": "b", "dir/sub/c": "c"])
        let folder = try files.mount.lookup("dir/sub").inode
        let deleted = Monitor(0)
        let gate = Gate()
        files.mount.counter.before(.delete) {
            if deleted.update({ number in
                number += 1; return number
            }) > 1 {
                gate.pass()
            }
            return nil
        }
        let rename = files.renameBeside("dir", "new")
        #expect(gate.waitForArrivals(2))
        let lookups = ["a", "b", "c"].map { name in
            Beside { [engine = files.engine] in try? engine.lookup(name, in: folder).attributes.size }
        }
        _ = lookups[0].isOver(within: .milliseconds(50))
        gate.open()
        #expect(rename.value == .some(nil))
        for lookup in lookups { #expect(lookup.value == .some(1)) }
    }

    @Test func `W8: a folder is renamed although others change names in it all the time`() throws {
        var objects: [String: String] = [:]
        for number in 0..<400 { objects["dir/\(number)"] = "" }
        let files = try WritableStore(objects)
        let folder = try files.mount.lookup("dir").inode
        files.mount.counter.before(.delete) {
            usleep(2000)
            return nil
        }
        let removed = Monitor(0)
        let removals = (0..<4).map { first in
            Beside { [engine = files.engine] in
                for number in stride(from: first, to: 400, by: 4) {
                    guard (try? engine.unlink(String(number), in: folder)) != nil else { return false }
                    removed.update { $0 += 1 }
                }
                return true
            }
        }
        let before = removed.wait { $0 > 4 ? $0 : nil }
        try files.rename("dir", "new")
        #expect(removed.withLock { $0 } - before < 200)
        for removal in removals { #expect(removal.value == true) }
        #expect(try files.mount.memory.list(ListingRequest()).objects.isEmpty)
    }

    @Test func `W8: a folder of which something can't be copied is left as it was, and can be renamed then`() throws {
        let files = try WritableStore(["dir/a": "a", "dir/b": "b", "dir/c": "c"])
        let count = Atomic(0)
        files.mount.counter.before(.copy) {
            count.add(1, ordering: .relaxed).newValue == 2 ? StorageError(.unavailable, "gone") : nil
        }
        #expect(throws: Errno.ioError) { try files.rename("dir", "new") }
        #expect(try files.mount.memory.list(ListingRequest()).objects.map(\.key.string) == ["dir/a", "dir/b", "dir/c"])
        try files.rename("dir", "new")
        #expect(try files.mount.memory.list(ListingRequest()).objects.map(\.key.string) == ["new/a", "new/b", "new/c"])
    }

    @Test func `W8: a folder that is renamed keeps its number, and so do those below it`() throws {
        let files = try WritableStore(["dir/sub/a": "a"])
        let numbers = (try files.mount.lookup("dir").inode, try files.mount.lookup("dir/sub").inode)
        for (old, new) in [("dir", "new"), ("new", "third"), ("third", "dir")] {
            try files.rename(old, new)
            #expect(try files.mount.lookup(new).inode == numbers.0)
            #expect(try files.mount.lookup(new + "/sub").inode == numbers.1)
        }
    }

    @Test func `M4, W8: who reads below a folder reads on while that is renamed`() throws {
        let files = try WritableStore(["dir/a": text, "dir/b": text])
        let written = try files.open("dir/a", [.reading, .writing])
        try files.write(written, "x")
        try files.engine.flush(written, by: WritableStore.caller)
        let handles = [written, try files.open("dir/b", [.reading])]
        let gate = files.mount.counter.hold(.delete)
        let rename = files.renameBeside("dir", "new")
        #expect(gate.waitForArrivals(2))
        setGone(files, ["dir/a", "dir/b"])
        for handle in handles { #expect(try read(files, handle, at: 200) == text.dropFirst(200)) }
        gate.open()
        #expect(rename.value == .some(nil))
        for handle in handles { #expect(try read(files, handle, at: 200) == text.dropFirst(200)) }
    }

    private func setGone(_ files: WritableStore, _ keys: [ObjectKey]) {
        for key in keys { try? files.mount.memory.delete(key) }
    }

    @Test func `W8: a folder that can't be deleted is as it was to who has its files open`() throws {
        let files = try WritableStore(["dir/a": "old", "dir/b": "other"])
        let handle = try files.open("dir/a", [.reading, .writing])
        files.mount.counter.before(.delete) { StorageError(.accessDenied, "no") }
        #expect(throws: Errno.permissionDenied) { try files.rename("dir", "new") }
        files.mount.counter.before(.delete) { nil }
        try files.write(handle, "more", at: 3)
        try files.close(handle)
        #expect(files.stored("dir/a") == "oldmore")
        #expect(files.stored("dir/b") == "other")
    }

    // MARK: Readers

    @Test func `W9: a file whose old version somebody reads can be removed, and renamed over`() throws {
        for isRenamed in [false, true] {
            let files = try impatient(["x": "old", "y": "renamed"])
            let reader = try files.open("x", [.reading])
            setForeign(files, "x", "foreign")
            #expect(try files.mount.text("x") == "foreign")
            if isRenamed { try files.rename("y", "x") } else { try files.unlink("x") }
            #expect(files.stored("x") == (isRenamed ? "renamed" : nil))
            #expect(throws: Errno.staleNFSFileHandle) { try read(files, reader) }
            files.engine.release(reader)
            #expect(try files.remains() == [])
        }
    }

    @Test func `W9: a reader of an old version is not in the way of who writes the new one`() throws {
        let files = try impatient(["x": "old"])
        let reader = try files.open("x", [.reading])
        setForeign(files, "x", "foreign")
        let writer = try files.open("x", [.reading, .writing])
        try files.write(writer, "more", at: 7)
        try files.unlink("x")
        #expect(try read(files, writer) == "foreignmore")
        try files.close(writer)
        #expect(files.stored("x") == nil)
        files.engine.release(reader)
        #expect(try files.remains() == [])
    }

    @Test func `M4: who reads a file while a change of it is stored reads what it was, or what it is`() throws {
        let files = try WritableStore(["file": text], tellsVersions: true)
        let writer = try files.open("file", [.reading, .writing])
        let reader = try files.open("file", [.reading])
        try files.write(writer, "x")
        let gate = files.mount.counter.hold(.completed)
        let flush = files.flushBeside(writer)
        #expect(gate.waitForArrivals())
        // The store has the new version, and nobody here knows yet which that is.
        let bytes = Beside { [engine = files.engine] in
            (try? engine.read(reader, at: 200, count: 1000))?.flatMap(\.array)
        }
        _ = bytes.isOver(within: .milliseconds(50))
        gate.open()
        #expect(bytes.value == .some(Array(text.utf8.dropFirst(200))))
        #expect(flush.value == .some(nil))
    }

    @Test func `W9: who begins to read a file just before it is removed reads it`() throws {
        let files = try WritableStore(["file": text])
        let reader = try files.open("file", [.reading])
        let gate = Gate()
        let isFirst = Atomic(true)
        files.mount.counter.before(.read) {
            if isFirst.exchange(false, ordering: .relaxed) { gate.pass() }
            return nil
        }
        let bytes = Beside { [engine = files.engine] in
            (try? engine.read(reader, at: 200, count: 1000))?.flatMap(\.array)
        }
        #expect(gate.waitForArrivals())
        try files.unlink("file")
        gate.open()
        #expect(bytes.value == .some(Array(text.utf8.dropFirst(200))))
        files.engine.release(reader)
        #expect(try files.remains() == [])
    }

    // MARK: One file

    @Test func `W1, W8: what is opened under its old name while it is renamed is not lost`() throws {
        for isLive in [false, true] {
            let files = try WritableStore(["x": "old"])
            if isLive { try files.put("x", "old") }
            let gate = files.mount.counter.hold(.delete)
            let rename = files.renameBeside("x", "y")
            #expect(gate.waitForArrivals())
            let written = Beside { [files = Unchecked(files)] in
                Errno.thrown { () throws(Errno) in
                    let handle = try files.value.open("x", [.writing])
                    try files.value.write(handle, "more", at: 3)
                    try files.value.close(handle)
                }
            }
            _ = written.isOver(within: .milliseconds(50))
            gate.open()
            #expect(rename.value == .some(nil))
            let failure = try #require(written.value)
            #expect(files.stored("y") == "old")
            // Opened after it was renamed, it is a new file.
            #expect(failure == nil && files.stored("x") == "\0\0\0more")
        }
    }

    /// Opens a number beside, while something is done that is held at a gate; says what the opening came to.
    private func opening(
        _ inode: VFS.Inode, _ flags: OpenFlags, of files: WritableStore, while change: Beside<Errno?>, _ gate: Gate
    ) -> Errno?? {
        guard gate.waitForArrivals() else { return nil }
        let opened = Beside { [engine = files.engine] in
            Errno.thrown { () throws(Errno) in engine.release(try engine.open(inode, flags).handle) }
        }
        _ = opened.isOver(within: .milliseconds(50))
        gate.open()
        guard change.value == .some(nil) else { return nil }
        return opened.value
    }

    @Test(arguments: [OpenFlags.reading, [.reading, .writing]], [false, true])
    func `W9: what is opened while it is removed is not there any more`(flags: OpenFlags, isLive: Bool) throws {
        let files = try WritableStore(["x": "old"])
        if isLive { try files.put("x", "old") }
        let inode = try files.mount.lookup("x").inode
        let gate = files.mount.counter.hold(.delete)
        let unlink = Beside { [engine = files.engine] in
            Errno.thrown { () throws(Errno) in try engine.unlink("x", in: VFS.Inode.root) }
        }
        // The kernel looks the name up again.
        #expect(opening(inode, flags, of: files, while: unlink, gate) == .some(.staleNFSFileHandle))
        #expect(throws: Errno.noSuchFileOrDirectory) { try files.mount.lookup("x") }
        #expect(try files.remains() == [])
    }

    @Test(arguments: [OpenFlags.reading, [.reading, .writing]], 0..<4)
    func `M6, W8: what is opened while another is renamed over it is looked up anew`(flags: OpenFlags, live: Int) throws
    {
        let files = try WritableStore(["x": "new content", "y": "old"])
        if live & 1 != 0 { try files.put("x", "new content") }
        if live & 2 != 0 { try files.put("y", "old") }
        let inode = try files.mount.lookup("y").inode
        let gate = files.mount.counter.hold(.delete)
        let rename = files.renameBeside("x", "y")
        #expect(opening(inode, flags, of: files, while: rename, gate) == .some(.staleNFSFileHandle))
        #expect(try files.mount.text("y") == "new content")
        try files.rename("y", "z")
        #expect(try files.mount.text("z") == "new content")
        #expect(try files.remains() == [])
    }

    @Test(arguments: [false, true], [false, true])
    func `W8, W9: who waited to open what is replaced has it as it was`(isLive: Bool, isWritten: Bool) throws {
        let files = try WritableStore(["x": "new content", "y": text])
        if isLive { try files.put("y", text) }
        let inode = try files.mount.lookup("y").inode
        let gate = files.mount.counter.hold(.list)
        let rename = files.renameBeside("x", "y")
        #expect(gate.waitForArrivals())
        let flags: OpenFlags = isWritten ? [.reading, .writing] : .reading
        let isBegun = Monitor(false)
        let opened = Beside { [engine = files.engine] in
            isBegun.update { $0 = true }
            return try? engine.open(inode, flags).handle
        }
        isBegun.wait { $0 ? () : nil }
        #expect(!opened.isOver(within: .milliseconds(200)))
        gate.open()
        #expect(rename.value == .some(nil))
        let handle = try #require(opened.value ?? nil)
        #expect(try read(files, handle) == text)
        #expect(try files.mount.text("y") == "new content")
        if isWritten { try files.write(handle, "lost") }
        try files.close(handle)
        #expect(files.stored("y") == "new content" && files.stored("x") == nil)
        #expect(try files.remains() == [])
    }

    @Test func `W8: a file that is replaced by one of the same content can be read and written`() throws {
        for isOpen in [false, true] {
            let files = try WritableStore(["y": "same"], namesContent: true)
            let old = try files.mount.lookup("y").inode
            let handle = try files.open("tmp", [.writing])
            try files.write(handle, "same")
            if !isOpen { try files.close(handle) }
            try files.rename("tmp", "y")
            if isOpen { try files.close(handle) }
            #expect(try files.mount.text("y") == "same")
            // Its version is the same, so this may be believed to be the file.
            if let again = try? files.engine.open(old, [.reading]) { files.engine.release(again.handle) }
            let writer = try files.open("y", [.writing])
            try files.write(writer, "more", at: 4)
            try files.close(writer)
            #expect(files.stored("y") == "samemore")
            #expect(try files.remains() == [])
        }
    }

    @Test func `W1: what is removed and made again with the same content is there`() throws {
        let files = try WritableStore(["link": "target", "file": "same", "moved": "moved"], namesContent: true)
        try files.unlink("link")
        try files.link("link", to: "target")
        #expect(try files.mount.lookup("link").type == .symbolicLink)
        try files.unlink("file")
        try files.put("file", "same")
        #expect(try files.mount.text("file") == "same")
        for _ in 0..<2 {
            try files.rename("moved", "there")
            try files.rename("there", "moved")
        }
        #expect(try files.mount.text("moved") == "moved")
        try files.unlink("moved")
        _ = try files.mount.memory.write("moved", "moved".utf8)
        #expect(try files.mount.text("moved") == "moved")
    }

    @Test func `M6, W2: a file that is looked up while another begins to write it is one file`() throws {
        let files = try impatient(["x": "old"])
        let inode = try files.mount.lookup("x").inode
        let opened = Mutex<FileHandle?>(nil)
        files.mount.counter.before(.list) { [engine = files.engine] in
            guard opened.withLock({ $0 }) == nil, let handle = try? engine.open(inode, [.writing]).handle else {
                return nil
            }
            opened.withLock { $0 = handle }
            try? engine.write(handle, at: 3, ByteSlice("more".utf8))
            return nil
        }
        let found = try files.mount.lookup("x")
        #expect(found.size == 7 && found.inode == inode)
        let handle = try #require(opened.withLock { $0 })
        try files.close(handle)
        #expect(try files.mount.text("x") == "oldmore")
    }

    @Test func `W1: what was copied from a file is stored before that goes, moves or changes`() throws {
        for change in 0..<5 {
            let files = try WritableStore(["dir/a": text, "other": "other"])
            let source = try files.open("dir/a", [.reading])
            let target = try files.open("b", [.writing])
            #expect(try files.engine.copyRange(source, at: 0, to: target, at: 0, count: 1000) == 500)
            files.engine.release(source)
            switch change {
            case 0: try files.unlink("dir/a")
            case 1: try files.rename("dir/a", "c")
            case 2: try files.rename("other", "dir/a")
            case 3: try files.rename("dir", "new")
            default: try files.put("dir/a", "changed")
            }
            try files.close(target)
            #expect(files.stored("b") == text, "change \(change)")
            #expect(try files.remains() == [])
        }
    }

    @Test func `W1: what is copied from a file while its folder is renamed is not lost`() throws {
        let files = try WritableStore(["dir/a": text, "dir/b": "b"])
        let source = try files.open("dir/a", [.reading])
        let target = try files.open("copy", [.writing])
        let gate = files.mount.counter.hold(.copy)
        let rename = files.renameBeside("dir", "new")
        #expect(gate.waitForArrivals())
        let copied = Beside { [engine = files.engine] in
            Errno.thrown { () throws(Errno) in
                _ = try engine.copyRange(source, at: 0, to: target, at: 0, count: 1000)
            }
        }
        _ = copied.isOver(within: .milliseconds(50))
        gate.open()
        #expect(rename.value == .some(nil))
        // The kernel does it by reading and writing if this is refused.
        if try #require(copied.value) != nil { try files.write(target, try read(files, source)) }
        try files.close(target)
        #expect(files.stored("copy") == text)
    }

    @Test func `W1: what is copied from a file while that is changed is stored`() throws {
        for isOpen in [false, true] {
            let files = try WritableStore(["a": text])
            let source = try files.open("a", isOpen ? [.reading, .writing] : [.reading])
            let target = try files.open("copy", [.writing])
            let gate = files.mount.counter.hold(.copy)
            let setting = try files.setBeside("a", permissions: 0o600)
            #expect(gate.waitForArrivals())
            // The kernel does it by reading and writing if this is refused.
            if (try? files.engine.copyRange(source, at: 0, to: target, at: 0, count: 1000)) == nil {
                try files.write(target, text)
            }
            gate.open()
            #expect(setting.value == .some(nil))
            try files.close(target)
            #expect(files.stored("copy") == text)
            try files.close(source)
            #expect(try files.remains() == [])
        }
    }

    @Test func `W1: what is written instead of a copy is stored, whatever becomes of the source`() throws {
        let files = try WritableStore(["a": text])
        let source = try files.open("a", [.reading])
        let target = try files.open("copy", [.writing])
        let inode = try files.mount.lookup("copy").inode
        #expect(try files.engine.copyRange(source, at: 0, to: target, at: 0, count: 1000) == 500)
        var change = AttributeChange()
        change.size = 0
        _ = try files.engine.setAttributes(of: inode, change, handle: target)
        setForeign(files, "a", "changed")
        let large = String(repeating: text, count: 4)
        try files.write(target, large)
        try files.close(target)
        #expect(files.stored("copy") == large)
        files.engine.release(source)
        #expect(try files.remains() == [])
    }

    @Test func `W1: a copy that can't be stored is no matter of the file that it was copied from`() throws {
        for isRemoved in [false, true] {
            let files = try WritableStore(["a": text])
            let source = try files.open("a", [.reading])
            let target = try files.open("b", [.reading, .writing])
            _ = try files.engine.copyRange(source, at: 0, to: target, at: 0, count: 1000)
            files.engine.release(source)
            setForeign(files, "b", "foreign")
            if isRemoved { try files.unlink("a") } else { try files.put("a", "changed") }
            #expect(files.stored("a") == (isRemoved ? nil : "changed"))
            #expect(try read(files, target) == text)
            #expect(throws: Errno.staleNFSFileHandle) { try files.close(target) }
            #expect(files.stored("b") == "foreign")
            let copy = try files.copyOfJournal()
            for file in LeftBehind.all(in: copy.path) { try file.upload(to: files.mount.memory, replacing: true) }
            #expect(files.stored("b") == text)
        }
    }

    @Test func `M6: a name is looked up although folders elsewhere are renamed all the time`() throws {
        let files = try impatient(["x": "x", "p/a": "a"])
        let isBusy = Atomic(false)
        files.mount.counter.before(.list) { [engine = files.engine] in
            guard !isBusy.exchange(true, ordering: .relaxed) else { return nil }
            defer { isBusy.store(false, ordering: .relaxed) }
            for (old, new) in [("p", "q"), ("q", "p")] {
                try? engine.rename(old, in: VFS.Inode.root, to: new, in: VFS.Inode.root, flags: 0)
            }
            return nil
        }
        #expect(try files.mount.lookup("x").size == 1)
    }

    @Test func `W1: a new file that could not be stored is looked up anew by who opens it again`() throws {
        let files = try WritableStore()
        let handle = try files.open("x", [.writing])
        let inode = try files.mount.lookup("x").inode
        try files.write(handle, "content")
        files.mount.counter.before(.write) { StorageError(.accessDenied, "no") }
        #expect(throws: Errno.permissionDenied) { try files.close(handle) }
        files.mount.counter.before(.write) { nil }
        #expect(throws: Errno.staleNFSFileHandle) { try files.engine.open(inode, [.writing, .truncating]) }
        try files.put("x", "again")
        #expect(files.stored("x") == "again")
    }

    @Test func `W7: what was sent and not kept for a full disk survives that the file is renamed`() throws {
        for isBelow in [false, true] {
            let files = try WritableStore(isBelow ? ["dir/x": "x"] : [:], reserve: .max)
            let large = String(repeating: "0123456789", count: 200)
            let (old, new) = isBelow ? ("dir/large", "new/large") : ("large", "new")
            let handle = try files.open(old, [.writing, .truncating])
            for start in stride(from: 0, to: 2000, by: 10) {
                try files.write(handle, String(large.dropFirst(start).prefix(10)), at: Int64(start))
            }
            try files.rename(isBelow ? "dir" : old, isBelow ? "new" : new)
            try files.close(handle)
            #expect(files.stored(new) == large && files.stored(old) == nil)
            #expect(try files.remains() == [])
        }
    }

    @Test func `W1: what is written while its folder is renamed is stored although the disk is full`() throws {
        let files = try WritableStore(["dir/x": "old"], reserve: .max)
        let large = String(repeating: "0123456789", count: 200)
        let handle = try files.open("dir/x", [.writing, .truncating])
        let gate = files.mount.counter.hold(.copy)
        let rename = files.renameBeside("dir", "new")
        #expect(gate.waitForArrivals())
        for start in stride(from: 0, to: 2000, by: 10) {
            if start == 1000 {
                gate.open()
                #expect(rename.value == .some(nil))
            }
            try files.write(handle, String(large.dropFirst(start).prefix(10)), at: Int64(start))
        }
        try files.close(handle)
        #expect(files.stored("new/x") == large && files.stored("dir/x") == nil)
        #expect(try files.remains() == [])
    }

    @Test func `W1: a file that could not be stored is renamed with who reads it`() throws {
        let files = try WritableStore(["x": text])
        let reader = try files.open("x", [.reading])
        let writer = try files.open("x", [.writing])
        try files.write(writer, "mine")
        files.mount.counter.before(.beginUpload) { StorageError(.unavailable, "gone") }
        #expect(throws: Errno.ioError) { try files.close(writer) }
        files.mount.counter.before(.beginUpload) { nil }
        try files.rename("x", "y")
        #expect(try read(files, reader, at: 200) == text.dropFirst(200))
    }

    @Test func `W1: a new file that was stored without an answer is removed, and moved, with its name`() throws {
        for isRenamed in [false, true] {
            let files = try WritableStore()
            let handle = try files.open("x", [.writing])
            try files.write(handle, "content")
            files.mount.counter.before(.write) { [memory = files.mount.memory] in
                _ = try? memory.write("x", "content".utf8)
                return StorageError(.unavailable, "no answer")
            }
            #expect(throws: Errno.ioError) { try files.engine.synchronize(handle, dataOnly: false) }
            files.mount.counter.before(.write) { nil }
            if isRenamed { try files.rename("x", "y") } else { try files.unlink("x") }
            try files.close(handle)
            #expect(files.stored("x") == nil && files.stored("y") == (isRenamed ? "content" : nil))
        }
    }

    // MARK: What fails

    @Test func `W8: a new file whose renaming fails keeps its name, and the other its content`() throws {
        for hasTarget in [true, false] {
            let files = try WritableStore(hasTarget ? ["target": "old"] : [:])
            if hasTarget { try files.put("target", "old") }
            let handle = try files.open("new", [.writing, .exclusive])
            try files.write(handle, "content")
            files.mount.counter.before(.write) { StorageError(.unavailable, "gone") }
            #expect(throws: Errno.ioError) { try files.rename("new", "target") }
            files.mount.counter.before(.write) { nil }
            #expect(try files.mount.names("") == (hasTarget ? ["new", "target"] : ["new"]))
            try files.close(handle)
            #expect(files.stored("target") == (hasTarget ? "old" : nil))
            #expect(files.stored("new") == "content")
            if hasTarget { #expect(try files.mount.text("target") == "old") }
            #expect(try files.remains() == [])
        }
    }

    @Test func `W6: a new file that is not to replace another does not`() throws {
        let files = try WritableStore()
        let handle = try files.open("new", [.writing])
        try files.write(handle, "content")
        files.mount.counter.before(.write) { [memory = files.mount.memory] in
            _ = try? memory.write("target", "foreign".utf8)
            return nil
        }
        #expect(throws: Errno.fileExists) { try files.rename("new", "target", flags: 1) }
        files.mount.counter.before(.write) { nil }
        try files.close(handle)
        #expect(files.stored("target") == "foreign" && files.stored("new") == "content")
    }

    @Test func `W9: a file that could not be removed is as it was`() throws {
        let files = try impatient(["x": "old"])
        let reader = try files.open("x", [.reading])
        files.mount.counter.before(.delete) { StorageError(.accessDenied, "no") }
        #expect(throws: Errno.permissionDenied) { try files.unlink("x") }
        files.mount.counter.before(.delete) { nil }
        #expect(try read(files, reader) == "old")
        setForeign(files, "x", "foreign")
        #expect(try files.mount.text("x") == "foreign")
        #expect(files.journal.isEmpty)
        files.engine.release(reader)
    }

    // MARK: Looking up and listing

    @Test func `M6: a page that was asked for before a name was changed does not tell what that is`() throws {
        let files = try WritableStore(["a": "a", "b": "b", "c": "c", "d": "d"])
        let handle = try files.engine.openDirectory(VFS.Inode.root)
        defer { files.engine.releaseDirectory(handle) }
        var entries: [DirectoryEntry] = []
        func next(_ count: Int) throws {
            var room = count
            try files.engine.readDirectory(handle, after: entries.last?.cookie ?? 0, withAttributes: true) { entry in
                guard room > 0 else { return false }
                room -= 1
                entries.append(entry)
                return true
            }
        }
        // With `.` and `..`.
        try next(3)
        try files.put("b", "longer")
        try files.unlink("c")
        try next(10)
        let sizes = entries.dropFirst(2).map { ($0.name, $0.entry?.attributes.size) }
        for (name, size) in sizes where name == "b" || name == "c" {
            #expect(size == nil || name == "b" && size == 6, "\(name): \(String(describing: size))")
        }
        #expect(sizes.contains { $0.0 == "d" && $0.1 == 1 })
    }

    @Test func `M6: who looks a file up while it is written and stored sees what was stored`() throws {
        var objects = ["x": "old"]
        // So many names go on from this one that the store is asked twice.
        for number in 0..<120 { objects["x!\(1000 + number)"] = "other" }
        let files = try impatient(objects)
        let inode = try files.mount.lookup("x").inode
        let lists = Atomic(0)
        files.mount.counter.before(.list) { [engine = files.engine] in
            guard lists.add(1, ordering: .relaxed).newValue == 2 else { return nil }
            guard let handle = try? engine.open(inode, [.writing]).handle else { return nil }
            try? engine.write(handle, at: 3, ByteSlice("more".utf8))
            try? engine.flush(handle, by: WritableStore.caller)
            engine.release(handle)
            return nil
        }
        #expect(try files.mount.lookup("x").size == 7)
        #expect(files.stored("x") == "oldmore")
        #expect(try files.mount.lookup("x").inode == inode)
    }

    @Test func `W1: a file that is forgotten while it is looked up has its name`() throws {
        let files = try impatient([:])
        try files.put("file", "content")
        let inode = try files.mount.lookup("file").inode
        files.mount.counter.before(.list) { [engine = files.engine] in
            engine.forget(inode, references: 1000)
            return nil
        }
        let found = try files.mount.lookup("file").inode
        files.mount.counter.before(.list) { nil }
        let handle = try files.engine.open(found, [.reading, .writing]).handle
        try files.write(handle, "more", at: 7)
        try files.unlink("file")
        try files.close(handle)
        #expect(files.stored("file") == nil)
        #expect(try files.remains() == [])
    }
}

/// Something of which a test knows that one thread at a time uses it.
private struct Unchecked<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
