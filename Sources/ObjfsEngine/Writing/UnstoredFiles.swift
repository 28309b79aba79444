import Synchronization
package import SystemPackage

/// What happened to a file whose content did not reach the store, or reached it after all.
package enum StoringReport: Sendable {
    /// The store refused it; `process` is who closed the file, if that is known.
    case failed(url: String, reason: Errno, process: Int32?)
    /// It had failed before, and the store has it now.
    case stored(url: String)
}

/// The files whose last upload failed, for whoever wants to be told beside the program that wrote them.
final class UnstoredFiles: Sendable {
    private let report: @Sendable (StoringReport) -> Void
    private let urls = Mutex<Set<String>>([])

    init(report: @escaping @Sendable (StoringReport) -> Void) { self.report = report }

    func failed(_ url: String, _ reason: Errno, process: Int32?) {
        urls.withLock { _ = $0.insert(url) }
        report(.failed(url: url, reason: reason, process: process))
    }

    func stored(_ url: @autoclosure () -> String) {
        let hadFailed = urls.withLock { $0.isEmpty ? nil : $0.remove(url()) }
        if let hadFailed { report(.stored(url: hadFailed)) }
    }
}
