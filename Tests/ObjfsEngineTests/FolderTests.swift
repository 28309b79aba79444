import ObjfsEngine
import ObjfsTesting
import Storage
import SystemPackage
import Testing
import VFS

@Suite struct FolderTests {
    @Test func `M1: a slash in a key makes folders, and so does a marker`() throws {
        let mount = try MountedStore(["a/b/c": "1", "marker/": "", "top": "22"])
        #expect(try mount.names("") == ["a", "marker", "top"])
        #expect(try mount.names("a") == ["b"])
        #expect(try mount.names("a/b") == ["c"])
        #expect(try mount.names("marker") == [])
        #expect(try mount.lookup("marker").type == .directory)
        #expect(try mount.lookup("a/b").type == .directory)
        #expect(try mount.lookup("top").size == 2)
        #expect(try mount.text("a/b/c") == "1")
    }

    @Test func `M2: where an object and a folder have one name, the folder is shown`() throws {
        var objects = ["a": "file", "a/b": "inside", "a-": "x", "a.txt": "y"]
        for number in 0..<2500 { objects["a-\(number)"] = "" }
        let mount = try MountedStore(objects)
        let entries = try mount.list("")
        #expect(entries.count == 2503)
        #expect(entries.filter { $0.name == "a" }.map(\.type) == [.directory])
        #expect(try mount.lookup("a").type == .directory)
        #expect(try mount.text("a/b") == "inside")
    }

    @Test func `M2: keys that no file can be named after are hidden`() throws {
        let long = String(repeating: "n", count: 256)
        let mount = try MountedStore([
            "a//b": "", "/c": "", "d/../e": "", "./f": "", "nul\0": "", long: "", "ok": "1", "a/fine": "",
        ])
        #expect(try mount.names("") == ["a", "d", "ok"])
        #expect(try mount.names("a") == ["fine"])
        #expect(try mount.names("d") == [])
        #expect(throws: Errno.noSuchFileOrDirectory) { try mount.engine.lookup("..", in: VFS.Inode.root) }
        #expect(throws: Errno.fileNameTooLong) { try mount.lookup(long) }
    }

    @Test func `M2: a key that is not UTF-8 hides no other, and its folder is not empty`() throws {
        let store = try WritableStore(["a/": "", "a/fine": "1"])
        store.mount.counter.add(illegible: "a/b%FFd")
        #expect(try store.mount.names("a") == ["fine"])
        try store.unlink("a/fine")
        #expect(throws: Errno.directoryNotEmpty) { try store.removeFolder("a") }
    }

    @Test func `names that Swift takes for the same are different files`() throws {
        let mount = try MountedStore(["caf\u{E9}": "one"])
        try mount.memory.write("cafe\u{301}", "two!".utf8)
        #expect(try mount.list("").count == 2)
        #expect(try mount.text("caf\u{E9}") == "one")
        #expect(try mount.text("cafe\u{301}") == "two!")
    }

    @Test func `M3: what is not there is ENOENT, and a store that fails is something else`() throws {
        let mount = try MountedStore(["a": ""])
        #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("b") }
        #expect(throws: Errno.notDirectory) { try mount.lookup("a/b") }
        for code in StorageError.Code.allCases where code != .notFound {
            #expect(Errno(StorageError(code, "x")) != .noSuchFileOrDirectory)
        }
    }

    @Test func `M5: a listing with attributes costs a request for a thousand names`() throws {
        var objects: [String: String] = [:]
        for number in 0..<10_000 { objects["d/object-\(number)"] = "x" }
        let mount = try MountedStore(objects, options: { $0.metadataTTL = .seconds(600) })
        let entries = try mount.list("d", withAttributes: true)
        #expect(entries.count == 10_000)
        #expect(entries.allSatisfy { $0.entry?.attributes.size == 1 })
        for entry in entries { _ = try mount.lookup("d/" + entry.name) }
        #expect(mount.counter.counts.lists <= 11)
        // The object written last is asked whether file systems note anything here, and the folder what it carries.
        #expect(mount.counter.counts.infos == 2)
    }

    @Test func `M5: names asked for one by one cost far fewer requests than there are names`() throws {
        var objects: [String: String] = [:]
        for number in 0..<5_000 { objects["d/object-\(number)"] = "x" }
        let mount = try MountedStore(objects, options: { $0.metadataTTL = .seconds(600) })
        for number in 0..<5_000 { #expect(try mount.lookup("d/object-\(number)").size == 1) }
        #expect(mount.counter.counts.lists < 100)
        #expect(mount.counter.counts.infos < 10)
    }

    @Test func `a name costs two requests at most, and one for what it carries`() throws {
        var objects = ["name": "x"]
        for number in 0..<300 { objects["name-\(number)"] = "" }
        let mount = try MountedStore(objects, options: { $0.metadataTTL = .zero })
        for (name, requests) in [("name", 2), ("name-7", 1), ("absent", 1)] {
            mount.counter.reset()
            _ = try? mount.lookup(name)
            #expect(mount.counter.counts.lists <= requests)
            #expect(mount.counter.counts.infos == (name == "absent" ? 0 : 1))
        }
    }

    @Test func `M6: names are believed for their time, and what is absent is asked for again`() throws {
        let mount = try MountedStore(["a": "1"], options: { $0.metadataTTL = .seconds(600) })
        #expect(try mount.names("") == ["a"])
        #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("b") }
        try mount.memory.write("a", "longer".utf8)
        try mount.memory.write("b", "new".utf8)
        #expect(try mount.lookup("a").size == 1)
        #expect(try mount.lookup("b").size == 3)
        let entry = try mount.engine.lookup("a", in: VFS.Inode.root)
        #expect(entry.timeout > .seconds(300) && entry.timeout <= .seconds(600))
    }

    @Test func `M6: that a name is absent is remembered for as long as is asked for`() throws {
        for ttl in [Duration.seconds(600), .zero] {
            let mount = try MountedStore(
                ["a": "1"],
                options: { options in
                    options.metadataTTL = ttl
                    options.absenceTTL = .seconds(3600)
                })
            #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("b") }
            try mount.memory.write("b", "new".utf8)
            mount.counter.reset()
            #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("b") }
            #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("b-too") }
            #expect(mount.counter.counts.lists == 0)
            // It says nothing of what is there.
            #expect(try mount.lookup("a").size == 1)
            #expect(throws: Errno.noSuchFileOrDirectory) { try mount.lookup("b") }
            // Who lists the folder sees it, if the listing is new.
            guard ttl == .zero else { continue }
            #expect(try mount.names("") == ["a", "b"])
            #expect(try mount.lookup("b").size == 3)
        }
    }

    @Test func `M6: without a time to believe in, everything is asked for again`() throws {
        let mount = try MountedStore(["a": "1"], options: { $0.metadataTTL = .zero })
        let first = try mount.lookup("a")
        try mount.memory.write("a", "longer".utf8)
        let second = try mount.lookup("a")
        #expect(second.size == 6)
        #expect(first.inode != second.inode)
        #expect(try mount.lookup("a").inode == second.inode)
    }

    @Test func `numbers are forgotten as often as they were handed out`() throws {
        let mount = try MountedStore(["a/b": "1"])
        let folder = try mount.lookup("a").inode
        _ = try mount.lookup("a")
        mount.engine.forget(folder, references: 1)
        #expect(try mount.engine.lookup("b", in: folder).attributes.size == 1)
        mount.engine.forget(folder, references: 7)
        #expect(throws: Errno.staleNFSFileHandle) { try mount.engine.attributes(of: folder) }
        mount.engine.forget(VFS.Inode.root, references: 100)
        #expect(try mount.engine.attributes(of: VFS.Inode.root).type == .directory)
    }

    @Test func `the mount is for reading only`() throws {
        let mount = try MountedStore(["a": "1"])
        let file = try mount.lookup("a")
        #expect(throws: Errno.readOnlyFileSystem) { try mount.engine.open(file.inode, [.reading, .writing]) }
        #expect(throws: Errno.isDirectory) { try mount.engine.open(VFS.Inode.root, .reading) }
        #expect(file.permissions == 0o644)
        #expect(file.owner == 1000)
        #expect(file.group == 100)
    }

    @Test func `extended attributes tell the version and the type`() throws {
        let mount = try MountedStore(["a": "1"])
        let inode = try mount.lookup("a").inode
        let names = try mount.engine.extendedAttributeNames(of: inode)
        // Whoever copies a file with its attributes must not take these along.
        #expect(names.isEmpty)
        let etag = try mount.engine.extendedAttribute("user.objfs.etag", of: inode)
        #expect(String(decoding: etag, as: UTF8.self) == (try mount.memory.info("a").etag.string))
        #expect(throws: Errno.noData) { try mount.engine.extendedAttribute("security.selinux", of: inode) }
    }
}
