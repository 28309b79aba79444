import ArgumentParser
import Glibc
import ObjfsConfiguration
import ObjfsRunner
import Storage

/// `objfs worker`: runs tasks of a job beside others; the engines of `objfs run` start it.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Run tasks of a job beside other workers",
        discussion: "The manual page is objfs-worker(1).")

    @Option(
        name: [.customShort("j", allowingJoined: true), .long],
        help: ArgumentHelp("How many tasks run at a time", valueName: "n"))
    var jobs = 1

    @Option(help: ArgumentHelp("Where the job is kept: a folder, or a URL", valueName: "folder"))
    var jobDir: String?

    @Flag(help: "Be told on standard input what lets it in, as objfs run tells it")
    var admitted = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: "The name of the job")
    var id: String

    func validate() throws {
        guard 1...10_000 ~= jobs else { throw ValidationError("--jobs must be 1 or more") }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let (factory, pass) = try admission()
        let (folder, head) = try JobPlace(jobDir, factory).find(id, "worker")
        var name = "\(nodeName())-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let seats: Seats?
        do throws(StorageError) {
            // A folder that is in no bucket has room for everybody.
            if let pass, JobPass.bucket(folder.store) != nil {
                seats = try Seats(pass, folder)
            } else {
                seats = nil
            }
        } catch {
            throw Failure("worker", id, error)
        }
        if let seats { name = seats.name }
        do {
            try work(folder, head, name, factory, seats)
        } catch {
            // Nobody reads what a machine of a cluster writes to its standard error.
            let message = (error as? Failure)?.message ?? "\(error)"
            try? folder.put("failures/" + name, Array("\(nodeName()): \(message)".utf8))
            throw error
        }
    }

    /// The stores as they are reached by who this worker is.
    private func admission() throws(Failure) -> (StoreFactory, JobPass?) {
        guard admitted else { return (stores.factory, nil) }
        guard let identity = WorkerIdentity(String(decoding: StandardInput.read(), as: UTF8.self)) else {
            throw Failure(.impossible, "worker: \(id): nothing on standard input lets this worker in")
        }
        // A pass that is no URL is for who reaches the folder anyhow.
        let place = try JobPlace(jobDir, stores.factory(.given(nil)))
        do throws(StorageError) {
            let pass: JobPass
            switch identity {
            case .token(let credentials): return (stores.factory(.given(credentials)), nil)
            case .pass(let url): pass = try WorkerIdentity.pass(at: url)
            case .passInFolder:
                let folder = place.folder(id)
                guard let kept = try folder.get(WorkerIdentity.passName).flatMap({ JobPass($0) }) else {
                    throw StorageError(.notFound, "the pass of the job is gone")
                }
                pass = kept
            }
            return (stores.factory(.permitted(pass)), pass)
        } catch {
            throw Failure("worker", id, error)
        }
    }

    private func work(
        _ folder: JobFolder, _ head: JobPlan.Head, _ name: String, _ factory: StoreFactory, _ seats: Seats?
    ) throws {
        // A machine that lacks the folder of the command line runs commands that need none.
        _ = chdir(head.folder)
        let run = try RunCommand.merged(head, [])
        var options = try run.options(writesFiles: false)
        options.parallelism = jobs
        if let seats { options.partNames = { seats.newPart() } }
        let worker: Worker
        do throws(StorageError) {
            let plan = try folder.plan { (url) throws(StorageError) in try factory.store(ObjectURL(url)) }.plan
            worker = try Worker(
                name, plan, run.template, options: options, folder: folder, interval: run.cluster.interval)
        } catch {
            throw Failure("worker", id, error)
        }
        let interrupts = Interrupts { count in worker.stop(forcibly: count > 1) }
        interrupts.watch()
        do {
            try worker.run()
        } catch {
            throw Failure(.impossible, "worker: \(error.message)", hint: error.hint)
        }
        if interrupts.count > 0 { throw ExitStatusError(status: .interrupted) }
    }
}
