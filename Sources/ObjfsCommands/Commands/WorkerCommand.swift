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

    @OptionGroup var stores: StoreArguments

    @Argument(help: "The name of the job")
    var id: String

    func validate() throws {
        guard 1...10_000 ~= jobs else { throw ValidationError("--jobs must be 1 or more") }
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let (folder, head) = try JobPlace(jobDir, stores.factory).find(id, "worker")
        let name = "\(nodeName())-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        do {
            try work(folder, head, name)
        } catch {
            // Nobody reads what a machine of a cluster writes to its standard error.
            let message = (error as? Failure)?.message ?? "\(error)"
            try? folder.put("failures/" + name, Array("\(nodeName()): \(message)".utf8))
            throw error
        }
    }

    private func work(_ folder: JobFolder, _ head: JobPlan.Head, _ name: String) throws {
        // A machine that lacks the folder of the command line runs commands that need none.
        _ = chdir(head.folder)
        let run = try RunCommand.merged(head, [])
        var options = try run.execution.options(for: run.command, writesFiles: false)
        options.parallelism = jobs
        let factory = stores.factory
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
