import Bytes
import CLinux
import Glibc
import ObjfsTesting
import Storage
import Testing
import Threads

@Suite struct StoreTests {
    @Test func `the store in memory keeps the promises of a store`() throws {
        try StoreConformance(InMemoryStore()).check()
    }

    @Test func `a folder keeps the promises of a store`() throws {
        let folder = TemporaryFolder()
        try StoreConformance(DirectoryStore(path: folder.path), limits: [.isFileSystem]).check()
    }
}

@Suite struct DirectoryStoreTests {
    @Test func `X3: no key leads out of the folder, and no link`() throws {
        let folder = TemporaryFolder()
        folder.write("secret", [1])
        let bucket = folder.makeFolder("bucket")
        symlink("../secret", bucket + "/link")
        symlink("..", bucket + "/up")
        let store = DirectoryStore(path: bucket)
        for key: ObjectKey in [
            "../secret", "/etc/passwd", "a/../../secret", "link", "up/secret", "", ".", "a//b", "a\0b",
        ] {
            #expect(throws: StorageError.self, "\(key)") { try store.read(key) }
            #expect(throws: StorageError.self, "\(key)") {
                guard key != "link" else { throw StorageError.notFound() }
                try store.write(key, [2])
            }
        }
        #expect(folder.read("secret") == [1])
        #expect(try store.list(ListingRequest()).objects.isEmpty)
    }

    @Test func `X3: a slash counts as one whatever stands beside it`() throws {
        let folder = TemporaryFolder()
        folder.write("secret", [1])
        let bucket = folder.makeFolder("a/bucket")
        let outside = folder.makeFolder("outside")
        symlink(outside, bucket + "/link")
        let store = DirectoryStore(path: bucket)
        // An accent belongs to the slash before it, and some signs to what comes after them.
        for key: ObjectKey in [
            "../\u{301}x", "d/../../\u{301}x", "\u{600}/../../../secret", "link/\u{301}x", "d/\u{600}/../../../x",
        ] {
            #expect(throws: StorageError.self, "\(key)") { try store.write(key, [2]) }
            #expect(throws: StorageError.self, "\(key)") {
                try DirectoryDrafts(store).draft(key).finish(permissions: nil, modified: nil)
            }
            try? store.delete(key)
        }
        #expect(TemporaryFolder.names(in: folder.path).sorted() == ["a", "outside", "secret"])
        #expect(TemporaryFolder.names(in: folder.path + "/a") == ["bucket"])
        #expect(TemporaryFolder.names(in: outside).isEmpty && folder.read("secret") == [1])
        let keys: [ObjectKey] = ["d/\u{301}x", "d\u{600}/y", "e\u{600}/"]
        for key in keys { try store.write(key, key.endsInSlash ? [] : [3]) }
        #expect(TemporaryFolder.names(in: bucket + "/d") == ["\u{301}x"])
        #expect(TemporaryFolder.names(in: bucket + "/d\u{600}") == ["y"])
        #expect(try store.list(ListingRequest()).objects.map(\.key) == keys)
    }

    @Test func `W8: what is listed after the first page is what is there, not what another listing saw`() throws {
        let folder = TemporaryFolder()
        let bucket = folder.makeFolder("bucket")
        for number in 0..<1200 { folder.write("bucket/a/\(number + 10_000)", []) }
        for number in 0..<1000 { folder.write("bucket/b/\(number + 10_000)", []) }
        let store = DirectoryStore(path: bucket)
        var seen = 0
        try store.eachPage(ListingRequest(prefix: "b/")) { page in
            seen += page.objects.count
            return true
        }
        folder.write("bucket/b/new", [])
        unlink(bucket + "/b/10000")
        var keys: [ObjectKey] = []
        try store.eachPage(ListingRequest()) { page in
            keys += page.objects.map(\.key)
            return true
        }
        #expect(seen == 1000 && keys.count == 2200 && keys.contains("b/new") && !keys.contains("b/10000"))
    }

    @Test func `what replaces a private file is as private`() throws {
        let folder = TemporaryFolder()
        let bucket = folder.makeFolder("bucket")
        let path = folder.write("bucket/a", [1])
        chmod(path, 0o640)
        let value: [UInt8] = [0, 1, 0xFE, 0xFF]
        setxattr(path, "user.other", value, 4, 0)
        let store = DirectoryStore(path: bucket)
        try store.write("a", [2])
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0o640)
        var kept: [UInt8] = [9, 9, 9, 9, 9]
        #expect(
            folder.read("bucket/a") == [2] && getxattr(path, "user.other", &kept, 5) == 4
                && kept.prefix(4) == value[...])
        chmod(path, 0)
        try store.write("a", [3])
        #expect(stat(path, &status) == 0 && status.st_mode & 0o7777 == 0)
    }

    @Test func `two that walk through one large folder read its names once each`() throws {
        let folder = TemporaryFolder()
        for number in 0..<3000 { folder.write("bucket/\(number + 10_000)", []) }
        let store = DirectoryStore(path: folder.path + "/bucket")
        var walks = [ListingRequest(limit: 700), ListingRequest(limit: 500)]
        var seen = [0, 0]
        for _ in 0..<6 {
            for index in walks.indices {
                guard seen[index] == 0 || walks[index].token != nil else { continue }
                let page = try store.list(walks[index])
                seen[index] += page.objects.count
                walks[index].token = page.next
                // What is added at the end is in neither walk that has begun before.
                if seen == [700, 500] { folder.write("bucket/z", []) }
            }
        }
        #expect(seen == [3000, 3000])
    }

    @Test func `a folder with something in it that is no object is not called removed`() throws {
        let folder = TemporaryFolder()
        let bucket = folder.makeFolder("bucket")
        let store = DirectoryStore(path: bucket)
        mkfifo(folder.makeFolder("bucket/pipe") + "/p", 0o600)
        let left = folder.write("bucket/left/.objfs-new-1-2", [1])
        for key: ObjectKey in ["pipe/", "left/"] {
            let failure = #expect(throws: StorageError.self) { try store.delete(key) }
            #expect(failure?.code == .preconditionFailed)
        }
        // What a writer has left that ended long ago does not keep its folder.
        let old = timespec(tv_sec: time(nil) - 100_000, tv_nsec: 0)
        utimensat(AT_FDCWD, left, [old, old], 0)
        try store.delete("left/")
        try store.write("full/a", [1])
        try store.delete("full/")
        #expect(TemporaryFolder.names(in: bucket).sorted() == ["full", "pipe"])
    }

    @Test func `M7: what a folder carries stays, whatever is in it`() throws {
        let folder = TemporaryFolder()
        let store = DirectoryStore(path: folder.makeFolder("bucket"))
        func write(_ mode: String?, _ condition: WriteCondition) throws -> ObjectInfo {
            let attributes = ObjectAttributes(metadata: mode.map { ["mode": $0] } ?? [:])
            return try store.write("d/", .empty, attributes: attributes, condition: condition)
        }
        let made = try write("1", .absent)
        #expect(throws: StorageError.self) { try write("2", .absent) }
        try store.write("d/a", [1])
        // Who copies a folder is not shown it beside what is in it; who renames it is.
        var request = ListingRequest()
        #expect(try store.list(request).objects.map(\.key) == ["d/a"])
        request.showsFolders = true
        #expect(try store.list(request).objects.map(\.key) == ["d/", "d/a"])
        #expect(try store.info("d/").attributes?.metadata == ["mode": "1"])
        _ = try write("3", .unchanged(made.etag))
        #expect(throws: StorageError.self) { try write("4", .unchanged(ETag("other"))) }
        #expect(try store.info("d/").attributes?.metadata == ["mode": "3"])
        try store.copy("d/", ifVersion: nil, to: "e/", attributes: nil)
        #expect(try store.info("e/").attributes?.metadata == ["mode": "3"])
        _ = try write(nil, .always)
        #expect(try store.info("d/").attributes?.metadata == [:])
        #expect(try store.list(request).objects.map(\.key) == ["d/a", "e/"])
    }

    @Test(arguments: [1, SeededGenerator.freshSeed])
    func `bytes that come in pieces of any size are written where they belong`(seed: UInt64) throws {
        let folder = TemporaryFolder()
        var random = SeededGenerator(seed: seed)
        let bytes = (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let draft = try DirectoryDrafts(DirectoryStore(path: folder.path)).draft("f")
        for range in [200_000..<300_000, 100..<200_000, 0..<100, 7..<7] {
            let stretch = DraftStretch(of: draft, from: Int64(range.lowerBound), count: Int64(range.count))
            var rest = bytes[range]
            while !rest.isEmpty {
                let most = Bool.random(using: &random) ? 100 : 50_000
                let next = rest.prefix(Int.random(in: 0...most, using: &random))
                try next.withUnsafeBytes { try stretch.add($0) }
                rest = rest.dropFirst(next.count)
                #expect(stretch.end == Int64(range.upperBound - rest.count))
            }
            try stretch.write()
        }
        try draft.finish(permissions: nil, modified: nil)
        #expect(folder.read("f") == bytes)
    }

    @Test func `a folder that is not there is no bucket`() {
        let store = DirectoryStore(path: "/nonexistent/bucket")
        for body in [{ _ = try store.info("k") }, { _ = try store.list(ListingRequest()) }] as [() throws -> Void] {
            let error = #expect(throws: StorageError.self) { try body() }
            #expect(error?.code == .noSuchBucket)
        }
    }

    @Test func `M4: a file that is overwritten while it is read is never read as a mixture`() throws {
        let folder = TemporaryFolder()
        folder.write("k", [UInt8](repeating: 1, count: 2 << 20))
        let store = DirectoryStore(path: folder.path)
        var seen: [UInt8] = []
        let error = #expect(throws: StorageError.self) {
            try store.read("k", range: nil, ifVersion: nil) { part in
                seen += part
                folder.write("k", [UInt8](repeating: 2, count: 2 << 20))
                return true
            }
        }
        #expect(error?.code == .changed)
        #expect(!seen.contains(2))
    }

    @Test func `an empty folder is listed as a key that ends in a slash, and named pipes not at all`() throws {
        let folder = TemporaryFolder()
        folder.makeFolder("empty")
        folder.write("full/x", [])
        mkfifo(folder.path + "/pipe", 0o600)
        let store = DirectoryStore(path: folder.path)
        let page = try store.list(ListingRequest())
        #expect(page.objects.map(\.key) == ["empty/", "full/x"])
        #expect(try store.list(ListingRequest(isDelimited: true)).prefixes == ["empty/", "full/"])
        #expect(throws: StorageError.self) { try store.read("pipe") }
    }

    @Test func `a write that fails leaves nothing behind`() throws {
        let folder = TemporaryFolder()
        folder.write("a/b", [])
        let store = DirectoryStore(path: folder.path)
        #expect(throws: StorageError.self) { try store.write("a", [1]) }
        #expect(throws: StorageError.self) { try store.write("a/b/c", [1]) }
        #expect(folder.names() == ["a"])
    }

    @Test func `more files than a page holds are listed in order, a thousand at a time`() throws {
        let folder = TemporaryFolder()
        for number in 0..<2_500 { folder.write("f\(number)", []) }
        var keys: [ObjectKey] = []
        var pages = 0
        try DirectoryStore(path: folder.path).eachPage(ListingRequest()) { page in
            keys += page.objects.map(\.key)
            pages += 1
            return true
        }
        #expect(pages == 3)
        #expect(keys == (0..<2_500).map { ObjectKey("f\($0)") }.sorted())
    }
}

@Suite struct ObjectURLTests {
    @Test(arguments: [
        ("s3:", "", ""), ("s3://b", "b", ""), ("s3://b/", "b", ""), ("s3://b/k/l", "b", "k/l"),
        ("s3://b//k", "b", "/k"),
        ("s3://b/k?x#y%20", "b", "k?x#y%20"), ("file:///d/k", "/d/k", ""),
    ])
    func `a URL names a bucket and a key, byte for byte`(text: String, bucket: String, key: String) throws {
        let url = try ObjectURL(text)
        #expect(url.bucket == bucket)
        #expect(url.key == key)
    }

    @Test(arguments: ["az://c/k", "s3:///k", "file://host/d", "file:", "plain", "/a/b", "http://x", "s3:b"])
    func `what is no URL of a store is refused with a hint`(text: String) {
        let error = #expect(throws: StorageError.self) { try ObjectURL(text) }
        #expect(error?.code == .invalid)
        #expect(error?.hint != nil)
    }
}
