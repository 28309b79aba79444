import ArgumentParser
import Bytes
import ObjfsEngine
import Storage

/// `objfs touch`: makes empty objects, and says of others that they were modified now.
struct TouchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "touch", abstract: "Make empty objects, or set the time of others to now",
        discussion: "The manual page is objfs-touch(1).")

    @Flag(name: [.customShort("c"), .long], help: "Make no object that is not there")
    var noCreate = false

    @OptionGroup var stores: StoreArguments

    @Argument(help: ArgumentHelp("The objects", valueName: "url"))
    var urls: [String]

    func run() throws {
        let factory = stores.factory
        let failed = Attempts.count(urls, "touch") { url throws(StorageError) in
            let location = try Location.find(url, factory)
            guard location.bucket == nil || !location.key.isEmpty else {
                throw StorageError(.invalid, "a bucket has no time that could be set")
            }
            if location.isLocal, location.key.isEmpty { return try location.localFolder().setModified("", nil) }
            guard let info = try Selection.find(location) else { return try make(location) }
            if location.isLocal { return try location.localFolder().setModified(info.key, nil) }
            var metadata = FileMetadata(info.attributes ?? ObjectAttributes())
            metadata.modified = .now
            let attributes = metadata.written(into: info.attributes ?? ObjectAttributes())
            try location.store.copy(info.key, ifVersion: info.etag, to: info.key, attributes: attributes)
        }
        try Attempts.end(failed, of: urls.count)
    }

    private func make(_ location: Location) throws(StorageError) {
        guard !noCreate else { return }
        let key = ObjectKey(location.key)
        let attributes =
            location.isLocal ? ObjectAttributes() : ObjectAttributes(contentType: MediaType.of(location.key))
        do throws(StorageError) {
            try location.store.write(key, .empty, attributes: attributes, condition: .absent)
        } catch {
            // A store that can't see to it was looked at a moment ago; one that found an object has what is wanted.
            guard error.code == .unsupported else {
                guard error.code == .preconditionFailed else { throw error }
                return
            }
            try location.store.write(key, .empty, attributes: attributes, condition: .always)
        }
    }
}
