import Bytes
package import Storage

/// The promises of an ``ObjectStore`` as checks that every store runs.
///
/// Each check works on keys of its own below a prefix, so a bucket can be used again.
package struct StoreConformance {
    /// What a store is known to lack; the checks hold it to the rest.
    package struct Limits: OptionSet, Sendable {
        package let rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }

        /// It does not check the conditions of a write.
        package static let ignoresWriteConditions = Limits(rawValue: 1)
        /// It can't have both `a` and `a/b`, nor keys that no path can be.
        package static let isFileSystem = Limits(rawValue: 2)
        /// It forgets metadata, or changes it.
        package static let losesMetadata = Limits(rawValue: 4)
        /// It lists keys in another order than that of their bytes.
        package static let listsUnsorted = Limits(rawValue: 8)
        /// It answers a read of another version than asked for with the version that is there.
        package static let ignoresReadConditions = Limits(rawValue: 16)
        /// It can't copy a part inside the store.
        package static let copiesNoParts = Limits(rawValue: 32)
        /// It copies a part of whatever version is there.
        package static let ignoresCopyConditions = Limits(rawValue: 128)
        /// It can't replace a part that it has.
        package static let replacesNoParts = Limits(rawValue: 64)
    }

    /// A promise that was not kept.
    package struct Broken: Error, CustomStringConvertible {
        package let description: String
    }

    private let store: any ObjectStore
    private let limits: Limits
    private let prefix: String
    /// Another bucket of the same service, if it has several.
    private let neighbour: (any ObjectStore)?

    package init(
        _ store: any ObjectStore, limits: Limits = [], prefix: String = "conformance/",
        neighbour: (any ObjectStore)? = nil
    ) {
        self.store = store
        self.limits = limits
        self.prefix = prefix
        self.neighbour = neighbour
    }

    /// Runs every check; throws the first promise that is broken.
    package func check() throws {
        try reading()
        try absence()
        try versions()
        try metadata()
        try conditions()
        try copying()
        try copyingFromNeighbour()
        try deletingMany()
        try uploads()
        try strangeKeys()
        try listing()
        try stopping()
    }

    private func key(_ name: String) -> ObjectKey { ObjectKey(prefix + name) }

    private func expect(_ holds: Bool, _ promise: String) throws {
        guard holds else { throw Broken(description: "\(store.name): \(promise)") }
    }

    private func expect(_ code: StorageError.Code, _ promise: String, _ body: () throws(StorageError) -> Void) throws {
        do {
            try body()
        } catch {
            return try expect(error.code == code, "\(promise), but it throws \(error.code): \(error.message)")
        }
        throw Broken(description: "\(store.name): \(promise), but it throws nothing")
    }

    private func reading() throws {
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let written = try store.write(key("object"), bytes)
        try expect(try store.read(key("object")) == bytes, "what is read is what was written")
        for range: Range<Int64> in [0..<1, 5..<10, 9_999..<10_000, 0..<10_000, 9_000..<20_000, 10_000..<10_001, 3..<3] {
            let inside = range.clamped(to: 0..<10_000)
            let expected = bytes[Int(inside.lowerBound)..<Int(inside.upperBound)]
            try expect(
                try store.read(key("object"), range: range) == Array(expected), "a range is read exactly: \(range)")
        }
        try expect(try store.read(key("object"), range: 50_000..<50_010).isEmpty, "past the end there is nothing")
        let info = try store.info(key("object"))
        try expect(info.size == 10_000 && info.key == key("object"), "info tells key and size")
        try expect(info.etag == written.etag, "a write tells the version that info tells")
        try expect(info.modified.nanoseconds > 0, "info tells when it was written")
        try store.write(key("empty"), [])
        try expect(try store.info(key("empty")).size == 0, "an object may be empty")
        try expect(try store.read(key("empty")).isEmpty, "an empty object reads as nothing")
        try expect(try store.read(key("empty"), range: 0..<10).isEmpty, "a range of an empty object reads as nothing")
    }

    private func absence() throws {
        try expect(.notFound, "info of no object is notFound") { () throws(StorageError) in
            _ = try store.info(key("absent"))
        }
        try expect(.notFound, "a read of no object is notFound") { () throws(StorageError) in
            _ = try store.read(key("absent"))
        }
        try store.write(key("gone"), [1])
        try store.delete(key("gone"))
        try store.delete(key("gone"))
        try expect(.notFound, "a deleted object is not found") { () throws(StorageError) in
            _ = try store.info(key("gone"))
        }
    }

    private func versions() throws {
        let first = try store.write(key("versioned"), Array("one".utf8))
        try expect(
            try store.read(key("versioned"), ifVersion: first.etag) == Array("one".utf8), "a version reads as itself")
        let second = try store.write(key("versioned"), Array("two!".utf8))
        try expect(first.etag != second.etag, "another content is another version")
        try expect(.changed, "a version that is no more is changed") { () throws(StorageError) in
            _ = try store.read(key("versioned"), range: 0..<2, ifVersion: first.etag)
        }
    }

    private func metadata() throws {
        guard !limits.contains(.losesMetadata) else { return }
        let attributes = ObjectAttributes(contentType: "text/x-test", metadata: ["mode": "33188", "mtime": "17.5"])
        try store.write(key("attributes"), ByteSlice([1]), attributes: attributes, condition: .always)
        let kept = try store.info(key("attributes")).attributes
        try expect(kept?.contentType == "text/x-test", "the media type is kept")
        try expect(kept?.metadata["mode"] == "33188" && kept?.metadata["mtime"] == "17.5", "metadata is kept")
    }

    private func conditions() throws {
        guard !limits.contains(.ignoresWriteConditions) else { return }
        let absent = key("condition")
        try store.delete(absent)
        let first = try store.write(absent, ByteSlice([1]), attributes: ObjectAttributes(), condition: .absent)
        try expect(.preconditionFailed, "what is there is not absent") { () throws(StorageError) in
            _ = try store.write(absent, ByteSlice([2]), attributes: ObjectAttributes(), condition: .absent)
        }
        try store.write(absent, ByteSlice([3]), attributes: ObjectAttributes(), condition: .unchanged(first.etag))
        try expect(.preconditionFailed, "what has changed is not unchanged") { () throws(StorageError) in
            _ = try store.write(
                absent, ByteSlice([4]), attributes: ObjectAttributes(), condition: .unchanged(first.etag))
        }
        try expect(try store.read(absent) == [3], "a write whose condition fails writes nothing")
    }

    private func uploads() throws {
        let smallest = Int(store.uploadLimits.smallestPart)
        let first = [UInt8](repeating: 7, count: smallest)
        let attributes = ObjectAttributes(contentType: "text/x-parts")
        let upload = try store.beginUpload(key("parts"), attributes: attributes)
        if !limits.contains(.replacesNoParts) { _ = try store.writePart(1, of: upload, ByteSlice([1])) }
        let replaced = try store.writePart(1, of: upload, ByteSlice(first))
        let second = try store.writePart(2, of: upload, ByteSlice([9, 9]))
        try expect(
            try store.uploads(prefix: prefix).contains { $0.key == upload.key }, "an upload that was begun is listed")
        try expect(.notFound, "an upload shows nothing before it is complete") { () throws(StorageError) in
            _ = try store.info(key("parts"))
        }
        let completed = try store.complete(upload, [replaced, second], condition: .always)
        let info = try completed.object ?? store.info(key("parts"))
        try expect(info.size == Int64(smallest) + 2, "a complete upload tells its size")
        try expect(try store.read(key("parts")) == first + [9, 9], "parts are put together in order")
        if !limits.contains(.losesMetadata) {
            let kept = try store.info(key("parts")).attributes?.contentType
            try expect(kept == "text/x-parts", "an upload carries its attributes")
        }
        try expect(
            try !store.uploads(prefix: prefix).contains { $0.key == upload.key }, "a complete upload is over")
        try copyingParts(of: info, smallest)
        let abandoned = try store.beginUpload(key("abandoned"), attributes: ObjectAttributes())
        _ = try store.writePart(1, of: abandoned, ByteSlice([1]))
        try store.abort(abandoned)
        try store.abort(abandoned)
        try expect(
            try !store.uploads(prefix: prefix).contains { $0.key == abandoned.key }, "an aborted upload is gone")
    }

    private func copyingParts(of source: ObjectInfo, _ smallest: Int) throws {
        guard !limits.contains(.copiesNoParts) else { return }
        let upload = try store.beginUpload(key("patched"), attributes: ObjectAttributes())
        let copied = try store.copyPart(
            1, of: upload, from: source.key, range: 0..<Int64(smallest), ifVersion: source.etag)
        let rest = try store.writePart(2, of: upload, ByteSlice([5]))
        try store.complete(upload, [copied, rest], condition: .always)
        let bytes = try store.read(key("patched"))
        try expect(
            bytes.count == smallest + 1 && bytes.last == 5 && bytes.first == 7, "a part can be copied in the store")
        guard !limits.contains(.ignoresCopyConditions) else { return }
        let other = try store.beginUpload(key("patched"), attributes: ObjectAttributes())
        defer { try? store.abort(other) }
        try expect(.changed, "a part is copied of the version that was asked for") { () throws(StorageError) in
            _ = try store.copyPart(1, of: other, from: source.key, range: 0..<10, ifVersion: ETag("other"))
        }
    }

    private func copying() throws {
        let attributes = ObjectAttributes(contentType: "text/x-source")
        let source = try store.write(
            key("source"), ByteSlice([1, 2, 3]), attributes: limits.contains(.losesMetadata) ? .init() : attributes,
            condition: .always)
        let copy = try store.copy(key("source"), ifVersion: source.etag, to: key("copies/target"), attributes: nil)
        try expect(try store.read(key("copies/target")) == [1, 2, 3], "a copy has the content")
        try expect(copy.key == key("copies/target"), "a copy tells what it made")
        if !limits.contains(.losesMetadata) {
            let kept = try store.info(key("copies/target")).attributes?.contentType
            try expect(kept == "text/x-source", "a copy keeps what the source carries")
        }
        try expect(.notFound, "a copy of nothing is notFound") { () throws(StorageError) in
            _ = try store.copy(key("absent"), ifVersion: nil, to: key("x"), attributes: nil)
        }
    }

    private func copyingFromNeighbour() throws {
        let elsewhere = BucketReference(service: Stranger(), bucket: "elsewhere")
        try expect(.unsupported, "nothing is copied from another service") { () throws(StorageError) in
            _ = try store.copy(key("x"), of: elsewhere, ifVersion: ETag("1"), to: key("y"))
        }
        guard let neighbour else { return }
        guard let reference = neighbour.reference else {
            throw Broken(description: "\(neighbour.name): a bucket with neighbours has a reference")
        }
        let attributes = ObjectAttributes(contentType: "text/x-neighbour")
        let name = key("neighbour/ü +%&")
        let source = try neighbour.write(name, ByteSlice([1, 2, 3]), attributes: attributes, condition: .always)
        let copy = try store.copy(name, of: reference, ifVersion: source.etag, to: key("from neighbour"))
        try expect(copy.key == key("from neighbour") && copy.size == 3, "a copy from a neighbour tells what it made")
        try expect(try store.read(copy.key) == [1, 2, 3], "a copy from a neighbour has the content")
        if !limits.contains(.losesMetadata) {
            let kept = try store.info(copy.key).attributes?.contentType
            try expect(kept == "text/x-neighbour", "a copy from a neighbour keeps what the source carries")
        }
        try expect(.notFound, "a copy of nothing is notFound") { () throws(StorageError) in
            _ = try store.copy(key("absent"), of: reference, ifVersion: source.etag, to: key("x"))
        }
        guard !limits.contains(.ignoresCopyConditions) else { return }
        try expect(.changed, "a copy is one of the version that was asked for") { () throws(StorageError) in
            _ = try store.copy(name, of: reference, ifVersion: ETag("other"), to: key("x"))
        }
    }

    private final class Stranger {}

    private func deletingMany() throws {
        let names = ["a", "b<&>\"'", "c\r\td", "e\u{1}f", "g h+i%", "ü東京"].map { key("many/" + $0) }
        for name in names { try store.write(name, [1]) }
        try store.write(key("many stay"), [1])
        let undeleted = try store.delete(names + [key("many/absent")])
        try expect(undeleted.isEmpty, "many are deleted, and one that is not there: \(undeleted)")
        // A folder that is a bucket tells of a folder that has become empty.
        let left = try store.list(ListingRequest(prefix: prefix + "many")).objects.map(\.key)
            .filter { !$0.string.hasSuffix("/") }
        try expect(left == [key("many stay")], "those are deleted that were named, and no others: \(left)")
        try expect(try store.delete([ObjectKey]()).isEmpty, "none is deleted at once")
    }

    private func strangeKeys() throws {
        var names = [
            "with space", "plus+and&and=and%20and?and#", "quote'\"<>", "ünï/çödé/東京/🦉", "e\u{301}", "\u{E9}",
            "~!@$^*()[]{}|\\;:,",
            "tab\there", "control\u{1}\u{2}\u{1F}", "a/b/c/d/e", String(repeating: "l", count: 200), "-rf", "%2F", "%",
        ]
        if !limits.contains(.isFileSystem) { names += ["both", "both/below"] }
        for name in names { try store.write(key("strange/" + name), Array(name.utf8)) }
        for name in names {
            try expect(try store.read(key("strange/" + name)) == Array(name.utf8), "the key '\(name)' is a key")
        }
        var listed: [ObjectKey] = []
        try store.eachPage(ListingRequest(prefix: prefix + "strange/")) { page in
            listed += page.objects.map(\.key)
            return true
        }
        let expected = names.map { key("strange/" + $0) }.sorted()
        try expect(
            limits.contains(.listsUnsorted) ? listed.sorted() == expected : listed == expected,
            "keys are listed as they are, in order: \(listed)")
        for name in names { try store.delete(key("strange/" + name)) }
    }

    private func listing() throws {
        let names = ["a-b", "a/1", "a/2", "a/3/x", "a0", "b", "c/x", "c/y", "d"].map { "listing/" + $0 }
        for name in names { try store.write(key(name), Array(name.utf8)) }
        for limit in 1...10 {
            for isDelimited in [false, true] {
                for inner in ["listing/", "listing/a", "listing/a/", "listing/zzz", "listing/c/"] {
                    try compareListing(names, inner: inner, isDelimited: isDelimited, limit: limit)
                }
            }
        }
        let after = ListingRequest(prefix: prefix + "listing/", startAfter: key("listing/a/2"))
        try expect(
            try store.list(after).objects.map(\.key)
                == ["a/3/x", "a0", "b", "c/x", "c/y", "d"].map { key("listing/" + $0) },
            "a listing may start after a key")
    }

    private func compareListing(_ names: [String], inner: String, isDelimited: Bool, limit: Int) throws {
        var objects: [ObjectKey] = []
        var prefixes: [String] = []
        var request = ListingRequest(prefix: prefix + inner, isDelimited: isDelimited, limit: limit)
        for _ in 0..<100 {
            let page = try store.list(request)
            objects += page.objects.map(\.key)
            prefixes += page.prefixes
            guard let next = page.next else { break }
            request.token = next
        }
        var roll = ListingRoll(ListingRequest(prefix: prefix + inner, isDelimited: isDelimited))
        for name in names.map({ key($0) }).sorted() {
            _ = roll.add(ObjectInfo(key: name, size: 0, etag: ETag(""), modified: Timestamp(nanoseconds: 0)))
        }
        try expect(
            objects == roll.page.objects.map(\.key) && prefixes == roll.page.prefixes,
            "'\(inner)' is listed \(limit) at a time, delimited \(isDelimited): \(objects) \(prefixes)")
    }

    private func stopping() throws {
        try store.write(key("long"), [UInt8](repeating: 7, count: 3_000_000))
        try expect(.cancelled, "a sink may end a read") { () throws(StorageError) in
            _ = try store.read(key("long"), range: nil, ifVersion: nil) { _ in false }
        }
    }
}
