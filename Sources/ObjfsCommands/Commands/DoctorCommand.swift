import ArgumentParser
import Bytes
import Glibc
import ObjfsConfiguration
import S3
import Storage

/// `objfs doctor`: finds out what works here.
struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Find out what works here", discussion: "The manual page is objfs-doctor(1).")

    @Flag(help: "Try writing too, on an object of its own that is deleted afterwards")
    var write = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("A bucket, or an object", valueName: "url"))
    var url: String?

    func run() throws {
        let report = Report()
        checkMounting(report)
        checkLimits(report)
        if let url { checkStore(url, report) }
        guard report.failures == 0 else { throw ExitStatusError(status: .failure) }
    }

    // MARK: This machine

    private func checkMounting(_ report: Report) {
        if access("/dev/fuse", R_OK | W_OK) == 0 {
            report.good("mounting", "/dev/fuse can be used")
        } else {
            report.bad("mounting", "/dev/fuse: \(String(cString: strerror(errno)).lowercased())")
        }
        let path = (EnvironmentVariables.all["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        let helpers = path.map { (folder: Substring) -> String in "\(folder)/fusermount3" }
        if let found = helpers.first(where: { access($0, X_OK) == 0 }) {
            report.good("helper", found)
        } else {
            report.bad("helper", "fusermount3 is not there", hint: "install the package fuse3")
        }
    }

    private func checkLimits(_ report: Report) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        report.good("open files", "at most \(limit.rlim_cur)")
        report.good("processors", "\(sysconf(Int32(_SC_NPROCESSORS_ONLN)))")
    }

    // MARK: The store

    private func checkStore(_ url: String, _ report: Report) {
        do throws(StorageError) {
            if url.hasPrefix("s3:") { try checkSettings(report) }
            let location = try Location.find(url, stores.factory)
            let sample = try checkReading(location, report)
            if let sample { try checkConditions(location, sample, report) }
            if write { try checkWriting(location, report) }
        } catch {
            report.bad("store", "\(url): \(error.message)", hint: error.hint)
        }
    }

    private func checkSettings(_ report: Report) throws(StorageError) {
        let settings = try stores.factory.settings()
        let endpoint = try settings.endpoint(allowsPlainHTTP: stores.allowHttp)
        report.good("service", "\(endpoint.scheme)://\(endpoint.host) (\(settings.endpointURL?.origin ?? "AWS"))")
        report.good("region", "\(settings.region.value) (\(settings.region.origin))")
        if stores.noSignRequest {
            report.good("credentials", "none, as --no-sign-request asks")
        } else if let found = try stores.factory.credentialChain(settings).find() {
            report.good("credentials", "\(found.credentials) from \(found.source)")
        } else {
            report.good("credentials", "none found; requests are not signed")
        }
    }

    /// Lists, and reads a part of an object; the object that was read, if there is one.
    private func checkReading(_ location: Location, _ report: Report) throws(StorageError) -> ObjectInfo? {
        let clock = ContinuousClock()
        var page = ListingPage()
        let time = clock.measure { page = (try? location.store.list(ListingRequest(prefix: location.key))) ?? page }
        // Asked once more where it failed, for the reason.
        if page.objects.isEmpty { page = try location.store.list(ListingRequest(prefix: location.key)) }
        report.good("listing", "answers in \(Int64(time / .milliseconds(1))) ms")
        guard location.key.isEmpty || !page.objects.isEmpty else {
            report.bad("listing", "nothing is there by that name")
            return nil
        }
        guard let sample = page.objects.first(where: { $0.size > 0 }) else {
            report.good("reading", "not tried: no object there has content")
            return nil
        }
        let middle = sample.size / 2
        let part = try location.store.read(sample.key, range: middle..<middle + 1)
        guard part.count == 1 else {
            report.bad("ranged reads", "the store does not read a part of an object")
            return nil
        }
        report.good("ranged reads", "supported")
        return sample
    }

    private func checkConditions(_ location: Location, _ sample: ObjectInfo, _ report: Report) throws(StorageError) {
        do throws(StorageError) {
            _ = try location.store.read(sample.key, range: 0..<1, ifVersion: ETag("objfs-doctor"))
            report.bad("conditional reads", "ignored: bytes of two versions might meet")
        } catch {
            guard error.code == .changed else { throw error }
            report.good("conditional reads", "supported")
        }
    }

    private func checkWriting(_ location: Location, _ report: Report) throws(StorageError) {
        let folder = location.key.isEmpty || location.key.hasSuffix("/") ? location.key : ""
        let key = ObjectKey("\(folder).objfs-doctor-\(UInt64.random(in: 0 ... .max))")
        let content = ByteSlice("objfs doctor".utf8)
        try location.store.write(key, content, attributes: ObjectAttributes(), condition: .always)
        report.good("writing", "supported")
        do throws(StorageError) {
            try location.store.write(key, content, attributes: ObjectAttributes(), condition: .absent)
            report.bad("conditional writes", "ignored: of two writers, both win")
        } catch {
            switch error.code {
            case .preconditionFailed: report.good("conditional writes", "supported")
            default: report.bad("conditional writes", error.message)
            }
        }
        try location.store.delete(key)
    }
}

/// Prints what was found, a line each, and counts what does not work.
private final class Report {
    private(set) var failures = 0

    func good(_ subject: String, _ finding: String) { print("ok  ", subject, finding) }

    func bad(_ subject: String, _ finding: String, hint: String? = nil) {
        failures += 1
        print("FAIL", subject, finding)
        if let hint { print("    ", "", "hint: \(hint)") }
    }

    private func print(_ mark: String, _ subject: String, _ finding: String) {
        let padding = String(repeating: " ", count: max(20 - subject.count, 1))
        Messages.print(TerminalText.visible("\(mark)  \(subject)\(padding)\(finding)"))
    }
}
