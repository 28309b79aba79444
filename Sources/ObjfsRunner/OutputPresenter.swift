import Glibc
import Storage
import Synchronization

/// Brings the output of tasks to where the person wants it: in order, each as it ends, or a file each.
final class OutputPresenter: Sendable {
    private let order: OutputOrder
    private let count: Int
    private let sink: OutputSink
    private let collator: OutputCollator
    private let failed = Mutex<RunError?>(nil)

    init(_ order: OutputOrder, of count: Int, _ sink: OutputSink) {
        self.order = order
        self.count = count
        self.sink = sink
        collator = OutputCollator(isOrdered: order == .ordered, sink)
    }

    /// Whether a task's output may go out as it comes.
    func isTurn(of task: Int) -> Bool { collator.isTurn(of: task) }

    /// Why not all output has come through, other than that nobody reads it.
    var failure: RunError? {
        if let failure = failed.withLock({ $0 }) { return failure }
        if case .error(let number) = sink.failure {
            return RunError("the output can't be written: \(String(cString: strerror(number)).lowercased())")
        }
        return collator.failure.map {
            RunError("the output of a task can't be read back: \($0.message)", hint: $0.hint)
        }
    }

    /// Takes the output of a task that has ended.
    func show(_ output: TaskOutput, of task: Int) {
        switch order {
        case .kept: return
        case .folder(let folder): write(output, to: folder, task)
        case .ordered, .unordered: collator.end(task, output)
        }
    }

    private func fail(_ name: String, _ reason: String) {
        failed.withLock { $0 = $0 ?? RunError("\(name): \(reason)") }
    }

    /// Writes a task's output as a file, which is there whole or not at all.
    ///
    /// The corresponding C function is `rename`.
    private func write(_ output: TaskOutput, to folder: String, _ task: Int) {
        let width = String(count - 1).utf8.count
        let number = String(task)
        let name = folder + "/" + String(repeating: "0", count: max(width - number.utf8.count, 0)) + number
        let file = open(name + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard file >= 0 else { return fail(name, String(cString: strerror(errno)).lowercased()) }
        let sink = OutputSink(descriptor: file)
        do throws(StorageError) {
            try output.write(to: sink)
        } catch {
            fail(name, "the output of a task can't be read back: \(error.message)")
        }
        close(file)
        if case .error(let number) = sink.failure {
            unlink(name + ".new")
            return fail(name, String(cString: strerror(number)).lowercased())
        }
        guard rename(name + ".new", name) == 0 else {
            return fail(name, String(cString: strerror(errno)).lowercased())
        }
    }
}
