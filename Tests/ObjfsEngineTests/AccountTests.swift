import Logging
import ObjfsEngine
import ObjfsTesting
import Storage
import Synchronization
import SystemPackage
import Testing
import VFS

/// Buckets in memory, which count how often one was opened.
private final class MemoryAccount: StoreAccount {
    let name = "memory:"
    let stores: [String: InMemoryStore]
    let mayList: Bool
    private let openings = Mutex<[String]>([])

    init(_ names: [String], mayList: Bool = true) {
        stores = Dictionary(uniqueKeysWithValues: names.map { ($0, InMemoryStore(name: "memory://\($0)")) })
        self.mayList = mayList
    }

    var opened: [String] { openings.withLock { $0 } }

    func buckets() throws(StorageError) -> [BucketInfo] {
        guard mayList else { throw StorageError(.accessDenied, "access denied (403)") }
        return stores.keys.sorted().map { BucketInfo(name: $0, created: Timestamp(seconds: 0)) }
    }

    func bucket(_ name: String) throws(StorageError) -> any ObjectStore {
        openings.withLock { $0.append(name) }
        guard let store = stores[name] else { throw StorageError(.noSuchBucket, "no such bucket") }
        return store
    }
}

@Suite struct AccountTests {
    private func engine(_ account: MemoryAccount) -> Engine {
        Engine(
            .account(account), options: EngineOptions(owner: 0, group: 0),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func `an account shows its buckets, and opens one when something is asked of it`() throws {
        let account = MemoryAccount(["empty", "full"])
        try account.stores["full"]?.write("a/b", "content".utf8)
        let engine = engine(account)
        let handle = try engine.openDirectory(VFS.Inode.root)
        var names: [String] = []
        try engine.readDirectory(handle, after: 0, withAttributes: true) {
            names.append($0.name)
            return true
        }
        engine.releaseDirectory(handle)
        #expect(names == [".", "..", "empty", "full"])
        #expect(account.opened == [])
        var inode = VFS.Inode.root
        for name in ["full", "a", "b"] { inode = try engine.lookup(name, in: inode).attributes.inode }
        #expect(try engine.attributes(of: inode).size == 7)
        #expect(account.opened == ["full"])
        #expect(try engine.lookup("empty", in: VFS.Inode.root).attributes.type == .directory)
        #expect(throws: Errno.noSuchFileOrDirectory) { try engine.lookup("none", in: VFS.Inode.root) }
    }

    @Test func `a bucket is found by its name where the list of buckets is refused`() throws {
        let account = MemoryAccount(["known"], mayList: false)
        let engine = engine(account)
        #expect(try engine.lookup("known", in: VFS.Inode.root).attributes.type == .directory)
        let handle = try engine.openDirectory(VFS.Inode.root)
        defer { engine.releaseDirectory(handle) }
        #expect(throws: Errno.permissionDenied) {
            try engine.readDirectory(handle, after: 0, withAttributes: false) { _ in true }
        }
    }
}
