import ArgumentParser
import Bytes
import ObjfsConfiguration
import S3
import Storage

/// `objfs mkdir`: makes folders, and buckets.
struct MakeFolderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mkdir", abstract: "Make folders and buckets",
        discussion: "The manual page is objfs-mkdir(1).")

    @Flag(name: [.customShort("p"), .long], help: "Do not mind a folder that is there")
    var parents = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The folders; of a bucket's URL alone, the bucket", valueName: "url"))
    var urls: [String]

    func run() throws {
        let factory = stores.factory
        let failed = Attempts.count(urls, "mkdir") { url throws(StorageError) in
            let location = try Location.find(url, factory)
            if let bucket = location.bucket, location.key.isEmpty { return try make(bucket, factory) }
            if try Self.isThere(location) {
                guard !parents else { return }
                throw StorageError(.preconditionFailed, "there is such a folder already")
            }
            if try Selection.find(ObjectKey(String(location.folder.dropLast())), in: location.store) != nil {
                throw StorageError(.preconditionFailed, "there is an object of this name")
            }
            try location.store.write(
                ObjectKey(location.folder), .empty, attributes: .folder, condition: .always)
        }
        try Attempts.end(failed, of: urls.count)
    }

    private func make(_ bucket: String, _ factory: StoreFactory) throws(StorageError) {
        let isThere = try factory.account().buckets().contains { $0.name == bucket }
        guard !isThere else {
            guard !parents else { return }
            throw StorageError(.preconditionFailed, "there is such a bucket already")
        }
        try S3Store(try factory.service(), bucket: bucket).create()
    }

    /// Whether there is a folder: something in it, or what stands for it.
    private static func isThere(_ location: Location) throws(StorageError) -> Bool {
        guard !location.folder.isEmpty else { return true }
        var request = ListingRequest(prefix: location.folder, limit: 1)
        while true {
            let page = try location.store.list(request)
            if !page.objects.isEmpty { return true }
            guard let next = page.next else { return false }
            request.token = next
        }
    }
}

extension ObjectAttributes {
    /// Those of what stands for a folder.
    static let folder = ObjectAttributes(contentType: "application/x-directory")
}
