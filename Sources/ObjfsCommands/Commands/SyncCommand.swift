import ArgumentParser
import ObjfsConfiguration
import Storage
import Synchronization

/// `objfs sync`: makes one place hold what another holds.
struct SyncCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Copy what is new or different", discussion: "The manual page is objfs-sync(1).")

    @Flag(help: "Delete in the target what the source has not")
    var delete = false

    @Flag(help: "Compare contents rather than times, where the store tells a digest")
    var checksum = false

    @Flag(help: "Only tell what would be copied and deleted")
    var dryRun = false

    @Flag(help: "With --dry-run, print one JSON object for each")
    var json = false

    @OptionGroup var transfer: TransferArguments

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The folder or prefix that is copied", valueName: "source"))
    var source: String

    @Argument(help: ArgumentHelp("The folder or prefix that will be like it", valueName: "target"))
    var target: String

    func validate() throws {
        if json, !dryRun { throw ValidationError("--json goes with --dry-run") }
    }

    func run() throws {
        let session = TransferSession("sync", transfer, keeping: .time)
        let factory = stores.factory
        do throws(StorageError) {
            let from = try Location.find(source, factory)
            let to = try Location.find(target, factory)
            let (first, second) = (from.address(ObjectKey(from.folder)), to.address(ObjectKey(to.folder)))
            guard !first.utf8.starts(with: second.utf8), !second.utf8.starts(with: first.utf8) else {
                throw StorageError(.invalid, "source and target are inside each other")
            }
            try SyncRun(
                from: from, to: to, session: session, transfer: session.transfer(from, to, factory), deletes: delete,
                byDigest: checksum, plan: dryRun ? SyncPlan(isJSON: json) : nil
            ).run()
        } catch {
            session.finish()
            session.report.fail(source, error)
        }
        session.report.end(isMany: !dryRun)
        try session.report.exit()
    }
}

/// What would be done, for a person or a program to read.
final class SyncPlan: Sendable {
    private let isJSON: Bool
    private let lines = Mutex<[(name: String, action: String)]>([])

    init(isJSON: Bool) { self.isJSON = isJSON }

    func add(_ action: String, _ name: String) { lines.withLock { $0.append((name, action)) } }

    func write() {
        let output = LineWriter()
        let sorted = lines.withLock { $0.sorted { ObjectKey($0.name) < ObjectKey($1.name) } }
        for (name, action) in sorted {
            output.line(
                isJSON ? JSONText.object([("action", .string(action)), ("name", .string(name))]) : "\(action) \(name)")
        }
        output.flush()
    }
}

/// One run of `objfs sync`: walks through both listings side by side.
private struct SyncRun {
    let from: Location
    let to: Location
    let session: TransferSession
    let transfer: Transfer
    let deletes: Bool
    let byDigest: Bool
    let plan: SyncPlan?

    func run() throws(StorageError) {
        let same = Sameness(
            source: from.store, target: to.store, sourceFolder: from.isLocal ? try from.localFolder() : nil,
            targetFolder: to.isLocal ? try to.localFolder() : nil, byDigest: byDigest)
        var sources = ListingCursor(from)
        var targets = ListingCursor(to)
        var extra: [ObjectKey] = []
        var here = try sources.next()
        var there = try targets.next()
        while here != nil || there != nil {
            if let source = here, let target = there, source.name.utf8.elementsEqual(target.name.utf8) {
                compare(source, target.info, same)
                (here, there) = (try sources.next(), try targets.next())
            } else if let source = here, there.map({ ObjectKey(source.name) < ObjectKey($0.name) }) ?? true {
                copy(source)
                here = try sources.next()
            } else if let target = there {
                if deletes { extra.append(target.info.key) }
                there = try targets.next()
            }
        }
        session.finish()
        try refuseMissing(sources.found)
        if let plan {
            for key in extra { plan.add("delete", to.name(key)) }
            plan.write()
        } else {
            remove(extra)
        }
    }

    private func name(_ source: (name: String, info: ObjectInfo)) -> ObjectKey { ObjectKey(to.folder + source.name) }

    private func copy(_ source: (name: String, info: ObjectInfo)) {
        let key = name(source)
        if let plan { return plan.add("copy", to.name(key)) }
        session.copy(CopyPlan.Item(object: source.info, key: key), transfer, name: from.name(source.info.key))
    }

    private func compare(_ source: (name: String, info: ObjectInfo), _ target: ObjectInfo, _ same: Sameness) {
        let (key, transfer, report, plan) = (name(source), transfer, session.report, plan)
        let (shown, told) = (from.name(source.info.key), to.name(key))
        session.submit {
            do throws(StorageError) {
                guard try !same.holds(source.info, target) else { return }
                if let plan { return plan.add("copy", told) }
                report.find()
                try transfer.copy(source.info, to: key)
                report.finish()
            } catch {
                report.fail(shown, error)
            }
        }
    }

    /// A source in which there was nothing may be a wrong name: only a folder or a bucket that is there is empty.
    private func refuseMissing(_ found: Int) throws(StorageError) {
        guard found == 0, !from.folder.isEmpty else { return }
        throw .notFound()
    }

    /// Deletes what the source has not, unless something failed: then nobody knows what the source has.
    private func remove(_ keys: [ObjectKey]) {
        guard !keys.isEmpty else { return }
        guard session.report.failed == 0 else {
            return Messages.warn("sync: nothing was deleted, as some could not be copied")
        }
        do throws(StorageError) {
            let undeleted = try RemoveCommand.delete(keys, to.store)
            for one in undeleted { session.report.fail(to.name(one.key), one.error) }
            session.report.delete(keys.count - undeleted.count)
        } catch {
            session.report.fail(to.name(ObjectKey(to.folder)), error)
        }
    }
}
