import Storage

/// The objects that a location names: one, those of a folder, or those that match a pattern.
enum Selection {
    /// Hands on each object; `false` ends it.
    ///
    /// - Parameter withFolders: Whether what stands for folders below a prefix is handed on too.
    /// - Throws: ``StorageError/Code/notFound`` if there is none.
    static func each(
        _ location: Location, withFolders: Bool = false, _ body: (ObjectInfo) throws(StorageError) -> Bool
    ) throws(StorageError) {
        let key = location.key
        if !key.isEmpty, !key.hasSuffix("/") {
            if let info = try find(location) {
                _ = try body(info)
                return
            }
            if KeyGlob.isPattern(key) { return try matching(KeyGlob(key), location, body) }
        }
        // What stands for a folder is no file.
        try list(
            location.folder, location, where: { withFolders || !$0.key.endsInSlash }, body)
    }

    /// The object that a location names exactly; `nil` if there is none.
    static func find(_ location: Location) throws(StorageError) -> ObjectInfo? {
        try find(ObjectKey(location.key), in: location.store)
    }

    /// The object of exactly this key; `nil` if there is none.
    static func find(_ key: ObjectKey, in store: any ObjectStore) throws(StorageError) -> ObjectInfo? {
        do throws(StorageError) {
            return try store.info(key)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    private static func matching(
        _ glob: KeyGlob, _ location: Location, _ body: (ObjectInfo) throws(StorageError) -> Bool
    ) throws(StorageError) {
        try list(glob.literalPrefix, location, where: { glob.matches($0.key.string) }, body)
    }

    private static func list(
        _ prefix: String, _ location: Location, where isWanted: (ObjectInfo) -> Bool,
        _ body: (ObjectInfo) throws(StorageError) -> Bool
    ) throws(StorageError) {
        var isFound = false
        try location.store.eachPage(ListingRequest(prefix: prefix)) { (page) throws(StorageError) in
            page.warnOfIllegible(in: location.store)
            for info in page.objects where isWanted(info) {
                isFound = true
                guard try body(info) else { return false }
            }
            return true
        }
        guard isFound else { throw .notFound() }
    }
}

extension ListingPage {
    /// Tells of keys that are left out because nobody can ask for them.
    func warnOfIllegible(in store: any ObjectStore) {
        guard let first = illegible.first else { return }
        Messages.warn("\(store.name): \(illegible.count) keys left out, for they are not UTF-8: \(first)")
    }
}
