import Glibc
import ObjfsConfiguration
import ObjfsMount
import ObjfsRunner
import Storage

/// Where the folders of jobs are.
struct JobPlace {
    let store: any ObjectStore
    /// What the keys of all jobs begin with.
    let parent: String
    /// Whether jobs there are for this machine alone, and go away after a while.
    let isOwn: Bool

    /// How long a job that ended well is kept in the user's own folder, in seconds.
    private static let keptSeconds: Int64 = 7 * 86_400

    /// Finds the place.
    ///
    /// - Parameter name: A URL or a path; `nil` for the user's own folder.
    init(_ name: String?, _ stores: StoreFactory) throws(Failure) {
        guard let name else {
            guard let folder = CacheFolder.jobs else {
                throw Failure(
                    .impossible, "run: there is no folder for the job",
                    hint: "set XDG_STATE_HOME, or name one with --job-dir")
            }
            self.init(store: DirectoryStore(path: folder, keeping: .own), parent: "", isOwn: true)
            return
        }
        do throws(StorageError) {
            if ObjectURL.isURL(name), try ObjectURL(name).scheme == .s3 {
                let location = try Location.find(name, stores)
                self.init(store: location.store, parent: location.key, isOwn: false)
                return
            }
            let path = ObjectURL.isURL(name) ? try ObjectURL(name).bucket : AbsolutePath.of(name)
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw StorageError(.invalid, String(cString: strerror(errno)).lowercased())
            }
            self.init(store: DirectoryStore(path: path, keeping: .own), parent: "", isOwn: false)
        } catch {
            throw Failure("run", name, error)
        }
    }

    private init(store: any ObjectStore, parent: String, isOwn: Bool) {
        self.store = store
        self.parent = parent
        self.isOwn = isOwn
    }

    func folder(_ id: String) -> JobFolder { JobFolder(id, in: store, below: parent) }

    /// The folder of a job that is there.
    func find(_ id: String, _ command: String) throws(Failure) -> (folder: JobFolder, head: JobPlan.Head) {
        guard JobFolder.isID(id) else { throw Self.missing(id, command) }
        let folder = folder(id)
        do throws(StorageError) {
            return (folder, try folder.head())
        } catch {
            guard error.code == .notFound else { throw Failure(command, id, error) }
            throw Self.missing(id, command)
        }
    }

    private static func missing(_ id: String, _ command: String) -> Failure {
        Failure(.impossible, "\(command): \(id): no such job", hint: "objfs jobs list names those that are there")
    }

    /// The names of all jobs there, the oldest first.
    func ids() throws(StorageError) -> [String] {
        var ids: [String] = []
        let prefix = parent.isEmpty || parent.hasSuffix("/") ? parent : parent + "/"
        try store.eachPage(ListingRequest(prefix: prefix, isDelimited: true)) { (page) throws(StorageError) in
            ids += page.prefixes.map { String($0.dropFirst(prefix.count).dropLast()) }.filter(JobFolder.isID)
            return true
        }
        return ids
    }

    /// Removes jobs of the user's own folder that ended well some time ago.
    func tidy() {
        guard isOwn, let ids = try? ids() else { return }
        let limit = Timestamp(seconds: Timestamp.now.nanoseconds / 1_000_000_000 - Self.keptSeconds)
        for id in ids where id < limit.compact {
            let folder = folder(id)
            guard let bytes = try? folder.get("end"), let end = JobEnd(bytes), end.status == 0, end.time < limit
            else { continue }
            try? folder.remove()
        }
    }
}
