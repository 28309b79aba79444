import ArgumentParser
import Glibc
import ObjfsConfiguration
import S3
import Storage

/// `objfs presign`: makes URLs that let anybody read an object for a while.
struct PresignCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "presign", abstract: "Make URLs that let anybody read an object for a while",
        discussion: "The manual page is objfs-presign(1).")

    @Option(help: ArgumentHelp("How long they are good: 15m, 12h, 7d; an hour if nothing is said", valueName: "time"))
    var expires: ExpiryArgument?

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The objects", valueName: "url"))
    var urls: [String]

    func run() throws {
        let factory = stores.factory
        let output = LineWriter()
        let seconds = expires?.seconds ?? 3600
        let failed = Attempts.count(urls, "presign") { url throws(StorageError) in
            let location = try Location.find(url, factory)
            guard let bucket = location.bucket else {
                throw StorageError(.unsupported, "a file of this machine has no such URL")
            }
            guard !location.key.isEmpty else { throw StorageError(.invalid, "no object is named") }
            let signed = try factory.service().presignedURL(
                bucket: bucket, key: ObjectKey(location.key), seconds: seconds)
            output.line(signed.url)
            if let end = signed.credentialsEnd, end < Timestamp(seconds: Int64(time(nil)) + seconds) {
                Messages.warn("presign: \(url): the credentials end at \(end.iso8601), and the URL with them")
            }
        }
        output.flush()
        try Attempts.end(failed, of: urls.count)
    }
}

/// How long a URL is good: 1 second to 7 days, which is all that services take.
struct ExpiryArgument: ExpressibleByArgument {
    let seconds: Int64

    private static let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]

    init?(argument: String) {
        let unit = argument.last.flatMap { Self.units[$0] }
        guard let number = Int64(unit == nil ? argument[...] : argument.dropLast()), 1...604_800 ~= number else {
            return nil
        }
        seconds = number * (unit ?? 1)
        guard seconds <= 604_800 else { return nil }
    }
}
