import ArgumentParser
import Bytes
import Chunks
import FUSE
import Glibc
import Logging
import ObjfsConfiguration
import ObjfsEngine
import ObjfsMount
import Records
import S3
import Storage
import SystemPackage
import Threads

/// `objfs mount`: mounts a bucket.
struct MountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Mount a bucket", discussion: "The manual page is objfs-mount(1).")

    @Flag(name: [.customShort("f"), .long], help: "Stay in the foreground")
    var foreground = false

    @Option(name: .customShort("o"), help: ArgumentHelp("Options as mount(8) spells them", valueName: "options"))
    var mountOptions: [String] = []

    @Flag(help: "Refuse to write")
    var readOnly = false

    @Option(
        help: ArgumentHelp(
            "What becomes of modes, owners and times: persist, ignore or refuse", valueName: "policy"))
    var permissions: String?

    @Option(help: ArgumentHelp("Where files are kept that are being written", valueName: "folder"))
    var journal: String?

    @Flag(help: "Let other users in")
    var allowOther = false

    @Option(help: ArgumentHelp("How large chunks are where a name does not say it", valueName: "size"))
    var chunkSize: String?

    @Option(
        help: ArgumentHelp("How objects divide into records where a name does not say it", valueName: "format"),
        completion: .list(ChunkParameters.formatNames))
    var format: String?

    @Option(help: ArgumentHelp("How long names and attributes are believed", valueName: "seconds"))
    var metadataTtl: Double?

    @Option(help: ArgumentHelp("How long it is remembered that a name is not there", valueName: "seconds"))
    var absenceTtl: Double?

    @Option(help: ArgumentHelp("How much memory file content may take", valueName: "size"))
    var memoryLimit: String?

    @Option(help: ArgumentHelp("Where the daemon logs to", valueName: "file"))
    var logFile: String?

    @Option(help: .private)
    var kernelOption: [String] = []

    @Option(help: .private)
    var readyDescriptor: Int32?

    @Option(help: .private)
    var execRoot: String?

    @Option(help: .private)
    var execPatience = 600

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The bucket, prefix, folder, or s3: for all buckets", valueName: "source"))
    var source: String

    @Argument(help: ArgumentHelp("Where to mount it", valueName: "directory"))
    var directory: String

    func run() throws {
        if !mountOptions.isEmpty { return try withMountOptions().run() }
        let options = try engineOptions()
        let readiness = Readiness(descriptor: readyDescriptor)
        do throws(MountError) {
            try checkMountPoint()
            if foreground { try serve(options, readiness) } else { try startInBackground() }
        } catch {
            readiness.tell(error)
            throw Failure(.impossible, "mount: \(error.message)", hint: error.hint)
        }
    }

    private func checkMountPoint() throws(MountError) {
        do throws(MountError) {
            try MountPoint.check(directory)
            let url = try? ObjectURL(sourceURL)
            try MountPoint.check(
                directory, isApartFrom: url?.scheme == .file ? url?.bucket : nil,
                and: [journal ?? CacheFolder.journal, CacheFolder.borders, logFile ?? CacheFolder.logs].compactMap(
                    \.self))
        } catch {
            throw MountError("\(directory): \(error.message)", hint: error.hint)
        }
    }

    /// The same command with the options behind `-o` as ordinary ones.
    private func withMountOptions() throws -> MountCommand {
        do {
            let words = try MountHelperArguments.options(mountOptions.joined(separator: ","))
            guard var command = try Objfs.parseAsRoot(["mount"] + words + ["--", source, directory]) as? MountCommand
            else {
                throw Failure(usage: "mount: the options '\(mountOptions.joined(separator: ","))' can't be used here")
            }
            command.foreground = command.foreground || foreground
            command.allowOther = command.allowOther || allowOther
            command.readOnly = command.readOnly || readOnly
            command.permissions = command.permissions ?? permissions
            command.journal = command.journal ?? journal
            command.chunkSize = command.chunkSize ?? chunkSize
            command.format = command.format ?? format
            command.metadataTtl = command.metadataTtl ?? metadataTtl
            command.absenceTtl = command.absenceTtl ?? absenceTtl
            command.memoryLimit = command.memoryLimit ?? memoryLimit
            command.logFile = command.logFile ?? logFile
            command.readyDescriptor = readyDescriptor
            command.stores.take(stores)
            return command
        } catch let error as MountError {
            throw Failure(usage: "mount: \(error.message)", hint: error.hint)
        }
    }

    private func engineOptions() throws(Failure) -> EngineOptions {
        var options = EngineOptions(owner: getuid(), group: getgid())
        var cut = ChunkArguments()
        cut.chunkSize = chunkSize
        cut.chunks = nil
        cut.format = format
        cut.separator = nil
        cut.recordSize = nil
        cut.quote = nil
        cut.escape = nil
        cut.noQuotedNewlines = false
        cut.recordStart = nil
        cut.header = false
        options.chunks = try cut.parameters("mount")
        if let metadataTtl { options.metadataTTL = try duration(metadataTtl) }
        if let absenceTtl { options.absenceTTL = try duration(absenceTtl) }
        if let memoryLimit {
            guard let size = ByteCount(memoryLimit), size.bytes >= 16 << 20, let bytes = Int(exactly: size.bytes) else {
                throw Failure(usage: "mount: '\(memoryLimit)' is no limit of memory: it must be 16M or more")
            }
            options.memoryLimit = bytes
        }
        if let permissions {
            guard let policy = PermissionsPolicy(rawValue: permissions) else {
                throw Failure(usage: "mount: '\(permissions)' is no policy: it must be persist, ignore or refuse")
            }
            options.permissions = policy
        }
        options.borders = BorderCache(folder: CacheFolder.borders)
        return options
    }

    private func duration(_ seconds: Double) throws(Failure) -> Duration {
        guard seconds >= 0, seconds < 1e6 else {
            throw Failure(usage: "mount: '\(seconds)' is no time: it must be 0 or more seconds")
        }
        return .milliseconds(Int64(seconds * 1000))
    }

    // MARK: The first process

    private func startInBackground() throws(MountError) {
        let log = logFile ?? (CacheFolder.logs ?? "/tmp") + "/mount-\(getpid()).log"
        try BackgroundMount.start(words, log: log)
    }

    /// What the second process is to do, in words that mean the same in any folder.
    private var words: [String] {
        var words = ["mount", "--foreground", "--ready-descriptor=\(BackgroundMount.readyDescriptor)"]
        if allowOther { words.append("--allow-other") }
        if readOnly { words.append("--read-only") }
        if let permissions { words.append("--permissions=\(permissions)") }
        if let journal { words.append("--journal=\(AbsolutePath.of(journal))") }
        if let chunkSize { words.append("--chunk-size=\(chunkSize)") }
        if let format { words.append("--format=\(format)") }
        if let metadataTtl { words.append("--metadata-ttl=\(metadataTtl)") }
        if let absenceTtl { words.append("--absence-ttl=\(absenceTtl)") }
        if let memoryLimit { words.append("--memory-limit=\(memoryLimit)") }
        if let logFile { words.append("--log-file=\(AbsolutePath.of(logFile))") }
        words += kernelOption.map { "--kernel-option=\($0)" }
        return words + stores.words + ["--", sourceURL, AbsolutePath.of(directory)]
    }

    /// The source as a URL; a path is a folder that stands for a bucket.
    private var sourceURL: String {
        ObjectURL.isURL(source) || source.contains("://") ? source : "file://" + AbsolutePath.of(source)
    }

    // MARK: The daemon

    private func serve(_ options: EngineOptions, _ readiness: Readiness) throws(MountError) {
        LoggingSystem.bootstrap { _ in MessageLog() }
        signal(SIGPIPE, SIG_IGN)
        allowManyFiles()
        let source = try engineSource()
        var options = options
        let service = stores.service
        if !readOnly { options.journal = try openJournal(service) }
        if let execRoot {
            let failures = FailureLog(root: execRoot)
            options.reportsStoring = { failures.add($0) }
        }
        let engine = Engine(source, options: options, logger: Logger(label: "objfs"))
        let session: Session
        do throws(SessionError) {
            let sessionOptions = SessionOptions(
                source: sourceURL, subtype: "objfs", allowsOthers: allowOther, isReadOnly: readOnly,
                kernel: kernelOption)
            session = try Session(engine, at: AbsolutePath.of(directory), options: sessionOptions) {
                // Who wanted the mount may have been interrupted meanwhile.
                if !readiness.tellReady() { kill(getpid(), SIGTERM) }
            }
        } catch {
            throw MountError("\(directory): \(error.description)", hint: "objfs doctor tells what this user may mount")
        }
        tidyJournal(source, service)
        if let execRoot { ShimService(root: ShimRoot(path: execRoot), patience: execPatience).watch(session) }
        session.run(handlesSignals: true)
        if readyDescriptor != nil, logFile == nil { removeEmptyLog() }
    }

    /// Removes the log that this daemon was given, if it had nothing to tell.
    private func removeEmptyLog() {
        guard let log = realpath("/proc/self/fd/2", nil) else { return }
        defer { free(log) }
        BackgroundMount.removeIfEmpty(STDERR_FILENO, String(cString: log))
    }

    /// Lets the daemon have as many open files as it may: two for each that is being written, and its connections.
    ///
    /// The corresponding C function is `setrlimit`.
    private func allowManyFiles() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Whether what was left behind was to go into what is mounted now.
    private func isOf(_ source: EngineSource, _ file: LeftBehind) -> Bool {
        switch source {
        case .bucket(let store): file.store == store.name
        case .account: file.store.hasPrefix("s3://")
        }
    }

    /// Whether an upload that was begun for what was left behind is known to the service that is asked now.
    private func hasUpload(_ file: LeftBehind, at service: String) -> Bool {
        file.mayHaveUpload && (file.service == nil || file.service == service || !file.store.hasPrefix("s3:"))
    }

    /// Tells of what earlier mounts left behind, and ends the uploads that were begun for it.
    private func tidyJournal(_ source: EngineSource, _ service: String) {
        guard !readOnly, let root = journal ?? CacheFolder.journal else { return }
        let files = LeftBehind.all(in: root).filter { isOf(source, $0) || !$0.isReadable }
        let count = files.count { !$0.isDiscarded }
        if count > 0 { Messages.warn("mount: \(count) files were written and not stored: see objfs recover") }
        let uploads = files.filter { hasUpload($0, at: service) }
        guard !uploads.isEmpty else { return }
        Thread.start("objfs-tidy") {
            for file in uploads {
                do throws(StorageError) {
                    try file.abort(in: stores.store(of: file))
                } catch {
                    Messages.warn("mount: \(file.url): the upload is not ended: \(error.message)")
                }
            }
        }?.detach()
    }

    private func openJournal(_ service: String) throws(MountError) -> Journal {
        guard let folder = journal ?? CacheFolder.journal else {
            throw MountError(
                "there is no folder for what is being written",
                hint: "name one by --journal, or give --read-only")
        }
        do throws(Errno) {
            return try Journal(root: folder, service: service)
        } catch {
            throw MountError(
                "\(folder): what is being written can't be kept there: \(error)",
                hint: "name another folder by --journal, or give --read-only")
        }
    }

    /// Asks for the buckets once; who may not list them may still use those whose names are known.
    private func checkAccount(_ account: any StoreAccount) throws(StorageError) {
        do throws(StorageError) {
            _ = try account.buckets()
        } catch {
            guard execRoot != nil, error.code == .accessDenied else { throw error }
        }
    }

    /// What people are told if nobody is named to the service; `nil` if somebody is, or that is what they asked for.
    private func lackOfCredentials() throws(StorageError) -> String? {
        let source = try stores.factory.service().credentials
        guard !stores.noSignRequest, try source.credentials() == nil else { return nil }
        return "no credentials, looked for in \(source.name): only what is public can be read"
    }

    /// What is to be mounted, after it has answered once: a mount that can't be read should not be there.
    private func engineSource() throws(MountError) -> EngineSource {
        do throws(StorageError) {
            let url = try ObjectURL(sourceURL)
            guard url.scheme == .file || !url.bucket.isEmpty else {
                let account = try stores.factory.account()
                try checkAccount(account)
                if let execRoot { ShimRoot(path: execRoot).setNotice(try lackOfCredentials()) }
                return .account(account)
            }
            let bucket = try stores.factory.store(url)
            let store: any ObjectStore = url.key.isEmpty ? bucket : PrefixedStore(bucket, prefix: url.key)
            _ = try store.list(ListingRequest(limit: 1))
            return .bucket(store)
        } catch {
            throw MountError("\(source): \(error.message)", hint: error.hint)
        }
    }
}

extension StoreArguments {
    /// Takes what another command line says and this one does not.
    fileprivate mutating func take(_ other: StoreArguments) {
        endpointUrl = endpointUrl ?? other.endpointUrl
        region = region ?? other.region
        profile = profile ?? other.profile
        noSignRequest = noSignRequest || other.noSignRequest
        allowHttp = allowHttp || other.allowHttp
        addressingStyle = addressingStyle ?? other.addressingStyle
        verbose = verbose || other.verbose
    }
}
