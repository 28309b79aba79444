import ArgumentParser
import Glibc
import ObjfsCluster
import ObjfsConfiguration
import ObjfsRunner
import Processes
import S3
import Storage
import Transport

/// The options that say where tasks run.
struct ClusterArguments: ParsableArguments {
    @Option(help: ArgumentHelp("What runs the tasks: local, slurm, ray", valueName: "engine"))
    var engine = EngineName.local

    @Option(help: ArgumentHelp("How many workers run on the cluster at a time", valueName: "n"))
    var workers: Int?

    @Option(help: ArgumentHelp("Where objfs is on the machines of the cluster", valueName: "path"))
    var workerPath: String?

    @Option(help: ArgumentHelp("How often workers say that they are there", valueName: "time"))
    var heartbeat: TimeArgument?

    @Option(help: ArgumentHelp("An argument for sbatch", valueName: "argument"))
    var sbatchArg: [String] = []

    @Option(help: ArgumentHelp("Run Slurm's commands there, by ssh", valueName: "login"))
    var ssh: String?

    @Option(help: ArgumentHelp("Where Ray's dashboard is: http://HOST:8265", valueName: "url"))
    var address: String?

    @Option(
        help: ArgumentHelp("Whose credentials workers use: worker (their own), presign, sts", valueName: "whose"))
    var credentials = CredentialKind.worker

    @Option(help: ArgumentHelp("How long presigned requests or a token are good", valueName: "time"))
    var credentialsTime: TimeArgument?

    @Option(help: ArgumentHelp("The role that workers take with --credentials sts", valueName: "arn"))
    var roleArn: String?

    /// How workers are let in.
    var admission: WorkerAdmission {
        var seconds: Int64 = 12 * 3600
        if case .time(let time)? = credentialsTime?.limit { seconds = time.components.seconds }
        return WorkerAdmission(kind: credentials, seconds: seconds, role: roleArn)
    }

    /// How often workers say that they are there.
    var interval: Duration {
        if case .time(let time)? = heartbeat?.limit { return time }
        return .seconds(10)
    }

    func validate() throws {
        if let workers, !(1...10_000 ~= workers) { throw ValidationError("--workers must be 1 to 10000") }
        if case .median? = heartbeat?.limit { throw ValidationError("--heartbeat must be a time") }
        if case .median? = credentialsTime?.limit { throw ValidationError("--credentials-time must be a time") }
        guard 1...604_800 ~= admission.seconds else {
            throw ValidationError("--credentials-time must be 1s to 7d")
        }
        guard engine != .local || credentials == .worker else {
            throw ValidationError("--credentials is for the workers of a cluster: see --engine")
        }
        guard roleArn == nil || credentials == .sts else {
            throw ValidationError("--role-arn goes with --credentials sts")
        }
        if engine == .ray, address == nil { throw ValidationError("--engine ray needs --address: http://HOST:8265") }
    }
}

enum EngineName: String, ExpressibleByArgument, CaseIterable {
    case local, slurm, ray
}

/// Whose credentials workers use.
enum CredentialKind: String, ExpressibleByArgument, CaseIterable {
    case worker, presign, sts
}

/// How a job is run on a cluster.
struct Cluster {
    let engine: any ClusterEngine
    let workers: Int?
    let arguments: [String]
    let interval: Duration
    let admission: WorkerAdmission
    let factory: StoreFactory

    /// How a worker is started.
    func command(_ job: Job, workers: Int) throws(Failure) -> WorkerCommandLine {
        WorkerCommandLine(arguments, input: try admission.identity(job, factory, workers: workers)?.text ?? "")
    }

    /// How many workers run at a time.
    func count(_ tasks: Int) throws(RunError) -> Int {
        if let workers { return min(workers, max(tasks, 1)) }
        do throws(EngineError) {
            return min(try engine.capacity(), max(tasks, 1))
        } catch {
            throw RunError("\(engine.name): \(error.message)", hint: error.hint)
        }
    }
}

extension ClusterArguments {
    /// The cluster that is meant; `nil` for this machine.
    ///
    /// - Parameters:
    ///   - jobs: How many tasks should run at a time.
    ///   - stores: The options by which workers reach the stores.
    func cluster(
        _ folder: JobFolder, jobs: Int?, jobDir: String, stores: StoreArguments
    ) throws(Failure) -> Cluster? {
        let engine: any ClusterEngine
        switch self.engine {
        case .local: return nil
        case .slurm:
            engine = SlurmEngine(
                job: folder.id, program: workerPath ?? Self.ownPath, arguments: sbatchArg, login: ssh)
        case .ray: engine = try ray(folder, stores)
        }
        let isAdmitted = credentials != .worker
        let words = try stores.wordsForWorkers(haveOwnCredentials: !isAdmitted) + (isAdmitted ? ["--admitted"] : [])
        return Cluster(
            engine: engine, workers: workers ?? jobs,
            arguments: ["worker", "--job-dir=\(jobDir)"] + words + [folder.id],
            interval: interval, admission: admission, factory: stores.factory)
    }

    private func ray(_ folder: JobFolder, _ stores: StoreArguments) throws(Failure) -> any ClusterEngine {
        let address = address ?? ""
        let host = address.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2).first ?? ""
        guard address.hasPrefix("http://") || address.hasPrefix("https://"), !host.isEmpty else {
            throw Failure(usage: "run: '\(S3Endpoint.shown(address))' is no address of Ray: write http://HOST:8265")
        }
        let token = Self.rayToken
        let isSecret = token != nil || credentials != .worker
        guard !isSecret || address.hasPrefix("https:") || HostName(host).isLoopback || stores.allowHttp else {
            throw Failure(
                .impossible,
                "run: \(S3Endpoint.shown(address)) is not encrypted, and something secret would be sent there",
                hint: "--allow-http allows that for this host")
        }
        if credentials == .sts { Messages.warn("run: the users of the Ray cluster can read the job's token") }
        return RayEngine(
            job: folder.id, address: address, token: token, program: workerPath, transport: CurlTransport())
    }

    /// The token that Ray's own programs would use.
    private static var rayToken: String? {
        if let token = Environment.value("RAY_AUTH_TOKEN") { return token }
        let path = Environment.value("RAY_AUTH_TOKEN_PATH") ?? Environment.value("HOME").map { $0 + "/.ray/auth_token" }
        guard let path, let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.filter { $0 > 0x20 }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// The path of this program.
    ///
    /// The corresponding C function is `readlink`.
    static var ownPath: String {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count)
        return String(decoding: path.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension StoreArguments {
    /// What a worker elsewhere must be told to find the same service: all but credentials.
    ///
    /// - Parameter haveOwnCredentials: Whether it has a configuration of its own to find some.
    func wordsForWorkers(haveOwnCredentials: Bool) throws(Failure) -> [String] {
        let settings: (endpoint: String?, region: String)
        do throws(StorageError) {
            let found = try factory.settings()
            settings = (found.endpointURL?.value, found.region.value)
        } catch {
            throw Failure(.impossible, "run: \(error.message)", hint: error.hint)
        }
        var words = ["--region=\(settings.region)"]
        if let endpoint = settings.endpoint { words.append("--endpoint-url=\(endpoint)") }
        if let profile, haveOwnCredentials { words.append("--profile=\(profile)") }
        if noSignRequest { words.append("--no-sign-request") }
        if allowHttp { words.append("--allow-http") }
        if let addressingStyle { words.append("--addressing-style=\(addressingStyle.rawValue)") }
        return words
    }
}
