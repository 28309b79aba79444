import ArgumentParser
import ObjfsConfiguration
import S3
import Storage

/// The options of the commands that copy.
struct TransferArguments: ParsableArguments {
    @Flag(name: [.customShort("a"), .long], help: "Keep times and permissions, as s3fs does")
    var preserve = false

    @Flag(help: "Keep what was copied of a large object when it fails, and go on with what was kept")
    var resume = false

    @Flag(help: "Check large objects that come down by their MD5 too, where the store tells it")
    var verify = false

    @Flag(name: [.customShort("q"), .long], help: "Show no progress and no summary")
    var quiet = false
}

/// Copies what plans say, many objects at a time.
struct TransferSession {
    let report: TransferReport
    private let keeping: Transfer.Keeping
    private let resumes: Bool
    private let verifies: Bool
    private let team = TransferTeam()
    private let leftovers = Leftovers()

    init(_ command: String, _ arguments: TransferArguments, keeping: Transfer.Keeping? = nil) {
        report = TransferReport(command, isQuiet: arguments.quiet)
        self.keeping = arguments.preserve ? .all : keeping ?? .content
        resumes = arguments.resume
        verifies = arguments.verify
        leftovers.watch()
    }

    /// A way from one place to another.
    ///
    /// - Parameter isMove: Whether the source is deleted afterwards; what comes down is checked all the more then.
    func transfer(
        _ source: Location, _ target: Location, _ stores: StoreFactory, isMove: Bool = false
    ) throws(StorageError) -> Transfer {
        let isProtected = try isProtected(source, stores)
        return Transfer(
            source: source.store, target: target.store, sourceFolder: source.isLocal ? try source.localFolder() : nil,
            drafts: target.isLocal ? DirectoryDrafts(try target.localFolder()) : nil, keeping: keeping,
            resumes: resumes, verifies: verifies || isMove || !isProtected, team: team, report: report,
            leftovers: leftovers)
    }

    /// Whether nothing can change what comes from a place on its way: TLS sees to that, and this machine.
    private func isProtected(_ source: Location, _ stores: StoreFactory) throws(StorageError) -> Bool {
        guard !source.isLocal else { return true }
        let endpoint = try stores.service().endpoint
        return endpoint.scheme == "https" || endpoint.isLoopback
    }

    /// Copies one object when its turn comes.
    ///
    /// - Parameter then: What is done when it was copied.
    func copy(
        _ item: CopyPlan.Item, _ transfer: Transfer, name: String,
        then: @escaping @Sendable () throws(StorageError) -> Void = { () throws(StorageError) in }
    ) {
        report.find()
        let report = report
        team.submit {
            do throws(StorageError) {
                guard !report.isHopeless else { throw StorageError(.cancelled, "given up") }
                try transfer.copy(item.object, to: item.key)
                try then()
                report.finish()
            } catch {
                report.fail(name, error)
            }
        }
    }

    /// Does something else when its turn comes.
    func submit(_ job: @escaping @Sendable () -> Void) { team.submit(job) }

    /// Waits for all.
    func finish() { team.finish() }
}
