import Bytes
import Digests
import Glibc
import Synchronization
package import Transport

/// Ray: workers are tasks of jobs that are submitted by its REST interface.
///
/// Ray shows a job's environment and its command line to everybody, so no secret is in these.
/// What workers get on their standard input travels as a file of the package, which only the users of the cluster get.
package final class RayEngine: ClusterEngine {
    private let job: String
    private let address: String
    private let token: String?
    private let program: String?
    private let transport: any HTTPTransport
    private let state = Mutex(State())

    private struct State {
        /// The names of what was submitted, with the number of workers.
        var submissions: [(id: String, count: Int)] = []
        var package: String?
    }

    /// The largest package that Ray takes, with room for what is beside the program.
    private static let largestProgram = 99 << 20
    /// How long a cluster that has just started may take for its first answer.
    private static let patience = Duration.seconds(60)

    /// Makes an engine that has submitted nothing.
    ///
    /// - Parameters:
    ///   - job: The name of the job.
    ///   - address: The URL of Ray's dashboard.
    ///   - token: What Ray wants to see of who asks; `nil` if it wants nothing.
    ///   - program: The path of objfs on the machines of the cluster; `nil` if it should travel with the job.
    package init(
        job: String, address: String, token: String?, program: String?, transport: any HTTPTransport
    ) {
        self.job = job
        self.address = address.hasSuffix("/") ? String(address.dropLast()) : address
        self.token = token
        self.program = program
        self.transport = transport
    }

    package var name: String { "ray" }

    package func capacity() throws(EngineError) -> Int {
        let status = try json(ask(.get, "/api/cluster_status?format=0"))
        let usage = status["data"]?["clusterStatus"]?["loadMetricsReport"]?["usage"]
        guard case .array(let processors)? = usage?["CPU"], processors.count == 2, let count = processors[1].integer,
            count > 0
        else { throw EngineError("the cluster has no processor up", hint: "--workers says how many there should be") }
        return Int(clamping: count)
    }

    package func start(_ count: Int, _ command: WorkerCommandLine) throws(EngineError) {
        let package = try package(command.input)
        let number = state.withLock { $0.submissions.count }
        let id = "objfs-\(job)-\(number)-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
        let words = ["sh", "run.sh", String(count), program ?? "./objfs"] + command.arguments
        let request = JSON.object([
            "entrypoint": .string(words.map(Tool.quoted).joined(separator: " ")), "submission_id": .string(id),
            "runtime_env": .object(["working_dir": .string("gcs://\(package)")]), "metadata": .object([:]),
            "entrypoint_num_cpus": .number(0),
        ])
        state.withLock { $0.submissions.append((id, count)) }
        let deadline = ContinuousClock.now + Self.patience
        while true {
            let answer = try ask(.post, "/api/jobs/", Array(request.text.utf8))
            if answer.status == 200 || answer.text.contains("already exists") { return }
            // So it answers for some seconds after its start.
            guard answer.status == 500, answer.text.contains("No available agent"), .now < deadline else {
                throw failure(answer)
            }
            sleep(1)
        }
    }

    package func alive() throws(EngineError) -> Int {
        var count = 0
        for submission in state.withLock({ $0.submissions }) {
            let answer = try ask(.get, "/api/jobs/\(submission.id)")
            guard answer.status != 404 else { continue }
            let status = try json(answer)["status"]?.string ?? ""
            if status == "PENDING" || status == "RUNNING" { count += submission.count }
        }
        return count
    }

    package func cancel() {
        for submission in state.withLock({ $0.submissions }) {
            // One that has ended already is no failure, and for the rest nothing more can be done.
            _ = try? ask(.post, "/api/jobs/\(submission.id)/stop")
        }
    }

    // MARK: The package

    /// The name of the package that the workers need, which is brought to the cluster once.
    private func package(_ input: String) throws(EngineError) -> String {
        if let package = state.withLock({ $0.package }) { return package }
        var archive = ZipArchive()
        archive.add("run.sh", Array(RayDriver.script.utf8), mode: 0o755)
        archive.add("driver.py", Array(RayDriver.program.utf8), mode: 0o644)
        if !input.isEmpty { archive.add("input", Array(input.utf8), mode: 0o600) }
        if program == nil { archive.add("objfs", try Self.ownProgram(), mode: 0o755) }
        archive.finish()
        let name = "_ray_pkg_\(Hex.string(Digest.sha256(archive.bytes).prefix(8))).zip"
        if try ask(.get, "/api/packages/gcs/\(name)").status == 404 {
            let answer = try ask(.put, "/api/packages/gcs/\(name)", archive.bytes)
            guard answer.status == 200 else { throw failure(answer) }
        }
        state.withLock { $0.package = name }
        return name
    }

    private static func ownProgram() throws(EngineError) -> [UInt8] {
        let file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw EngineError("this program can't be read") }
        defer { close(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 20)
        while bytes.count <= largestProgram {
            let count = read(file, &block, block.count)
            guard count > 0 else { return bytes }
            bytes += block[..<count]
        }
        throw EngineError(
            "this program is too large to travel with a job", hint: "--worker-path says where the machines have it")
    }

    // MARK: The interface

    private struct Answer {
        let status: Int
        let text: String
    }

    private func ask(_ method: HTTPRequest.Method, _ path: String, _ body: [UInt8] = []) throws(EngineError) -> Answer {
        var headers = [(name: "User-Agent", value: "objfs"), (name: "Content-Type", value: "application/json")]
        if let token { headers.append((name: "Authorization", value: "Bearer \(token)")) }
        let isSending = method == .put || method == .post
        let request = HTTPRequest(
            method, address + path, headers: headers, body: isSending ? ByteSlice(body) : nil)
        var text: [UInt8] = []
        let response: HTTPResponse
        do {
            let receiver = HTTPReceiver { bytes in
                text.append(contentsOf: bytes)
                return text.count < 16 << 20
            }
            response = try transport.send(request, to: receiver)
        } catch {
            throw EngineError(
                "\(address): \(error.message)", hint: "--address is that of the dashboard: http://HOST:8265")
        }
        let answer = Answer(status: response.status, text: String(decoding: text, as: UTF8.self))
        guard answer.status != 401, answer.status != 403 else {
            throw EngineError(
                "\(address): \(token == nil ? "it wants a token" : "it refuses the token") (\(answer.status))",
                hint: "set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH")
        }
        return answer
    }

    private func json(_ answer: Answer) throws(EngineError) -> JSON {
        guard answer.status == 200 else { throw failure(answer) }
        guard let json = JSON(answer.text) else {
            throw EngineError("\(address): its answer is no JSON: is this the dashboard of Ray?")
        }
        return json
    }

    private func failure(_ answer: Answer) -> EngineError {
        // The last line of a traceback says what happened.
        let line = answer.text.split(separator: "\n").last.map { ": " + $0.prefix(200) } ?? ""
        return EngineError("\(address): it answers with status \(answer.status)\(line)")
    }
}
