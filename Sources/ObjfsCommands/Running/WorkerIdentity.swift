import Bytes
import ObjfsConfiguration
import ObjfsRunner
import S3
import Storage
import Transport

/// Who the workers of a job are to its stores, as they are told on their standard input.
enum WorkerIdentity {
    /// Keys that are good for a while.
    case token(Credentials)
    /// The job's pass, which is in its folder.
    case passInFolder
    /// The job's pass, by a URL that is a permission to read it.
    case pass(url: String)

    /// What is kept of a pass in the job's folder.
    static let passName = "pass"

    /// The text that a worker gets.
    var text: String {
        switch self {
        case .token(let credentials):
            var members: [String: JSON] = [
                "accessKey": .string(credentials.accessKey), "secretKey": .string(credentials.secretKey),
            ]
            if let token = credentials.sessionToken { members["sessionToken"] = .string(token) }
            return JSON.object(members).text
        case .passInFolder: return JSON.object(["pass": .string("")]).text
        case .pass(let url): return JSON.object(["pass": .string(url)]).text
        }
    }

    /// Reads the text.
    init?(_ text: String) {
        guard let json = JSON(text) else { return nil }
        if case .string(let url)? = json["pass"] {
            self = url.isEmpty ? .passInFolder : .pass(url: url)
        } else if let accessKey = json["accessKey"]?.string, let secretKey = json["secretKey"]?.string {
            self = .token(
                Credentials(accessKey: accessKey, secretKey: secretKey, sessionToken: json["sessionToken"]?.string))
        } else {
            return nil
        }
    }

    /// Reads a pass by its URL, which no message shows.
    static func pass(at url: String) throws(StorageError) -> JobPass {
        var bytes: [UInt8] = []
        let status: Int
        do throws(TransportError) {
            let receiver = HTTPReceiver { part in
                bytes.append(contentsOf: part)
                return bytes.count < 1 << 30
            }
            status = try CurlTransport().send(HTTPRequest(.get, url), to: receiver).status
        } catch {
            throw StorageError(.unavailable, "the pass of the job can't be read: \(error.message)")
        }
        guard status == 200 else {
            throw StorageError(
                .credentials, "the pass of the job can't be read (\(status))", hint: "it may be no longer good")
        }
        guard let pass = JobPass(bytes) else { throw StorageError(.corrupted, "the pass of the job is damaged") }
        return pass
    }
}

/// How the workers of a cluster come to be let in.
struct WorkerAdmission {
    let kind: CredentialKind
    /// For how long, in seconds.
    let seconds: Int64
    /// The role that they have with `sts`.
    let role: String?

    /// Prepares what workers get, and writes the pass if there is one.
    ///
    /// - Parameter workers: How many run at a time.
    /// - Returns: Nothing if they have credentials of their own.
    func identity(
        _ job: Job, _ factory: StoreFactory, workers: Int
    ) throws(Failure) -> WorkerIdentity? {
        do throws(StorageError) {
            switch kind {
            case .worker: return nil
            case .sts:
                return .token(
                    try factory.temporaryCredentials(seconds: seconds, role: role, policy: Self.policy(job)))
            case .presign: return try pass(job, factory, workers)
            }
        } catch {
            throw Failure("run", "--credentials \(kind.rawValue)", error)
        }
    }

    private func pass(_ job: Job, _ factory: StoreFactory, _ workers: Int) throws(StorageError) -> WorkerIdentity {
        let signer = try factory.service().signer(seconds: seconds)
        let bucket = JobPass.bucket(job.folder.store)
        // A worker that is lost has a follower, and one whose output is large takes several.
        let pass = JobPass(
            job.plan, folder: bucket.map { ($0, job.folder.prefix) }, seats: workers * 4 + 64, signer)
        try job.folder.put(WorkerIdentity.passName, pass.bytes)
        guard let bucket else { return .passInFolder }
        return .pass(url: signer.url(Permission(.read, bucket: bucket, key: job.folder.key(WorkerIdentity.passName))))
    }

    /// What a role is good for in the hands of workers: they read buckets of the inputs, and write the job's folder.
    ///
    /// See: "IAM JSON policy elements" in AWS's reference.
    static func policy(_ job: Job) -> String {
        var buckets = Set<String>()
        for task in job.plan.tasks {
            for piece in task.pieces { if let bucket = JobPass.bucket(piece.store) { buckets.insert(bucket) } }
        }
        func statement(_ actions: [String], _ resources: [String]) -> JSON {
            .object([
                "Effect": .string("Allow"), "Action": .array(actions.map { .string("s3:" + $0) }),
                "Resource": .array(resources.map { .string("arn:aws:s3:::" + $0) }),
            ])
        }
        var statements: [JSON] = []
        if !buckets.isEmpty { statements.append(statement(["GetObject"], buckets.sorted().map { $0 + "/*" })) }
        if let bucket = JobPass.bucket(job.folder.store) {
            statements.append(
                statement(["GetObject", "PutObject", "DeleteObject"], ["\(bucket)/\(job.folder.prefix)*"]))
            statements.append(statement(["ListBucket"], [bucket]))
        }
        return JSON.object(["Version": .string("2012-10-17"), "Statement": .array(statements)]).text
    }
}
