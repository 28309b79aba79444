import Storage

/// What a source means for a target: which objects, and what each will be called.
struct CopyPlan {
    let source: Location
    let target: Location
    /// Whether the target is a folder even if its name does not say so.
    let isFolder: Bool
    let isRecursive: Bool

    /// An object, and the key that it gets.
    struct Item: Sendable {
        let object: ObjectInfo
        let key: ObjectKey
    }

    /// Hands on each object with the key that it gets; tells whether there may have been several.
    func each(_ body: (Item) throws(StorageError) -> Void) throws(StorageError) -> Bool {
        let hasName = !source.key.isEmpty && !source.key.hasSuffix("/")
        if hasName, let one = try Selection.find(source) {
            let name = one.key.string.pathParts.last { !$0.isEmpty } ?? one.key.string
            let key = ObjectKey(isFolder || target.key.isEmpty ? target.folder + name : target.key)
            guard target.address(key) != source.address(one.key) else {
                throw StorageError(.invalid, "source and target are the same")
            }
            try body(Item(object: one, key: key))
            return false
        }
        let isPattern = hasName && KeyGlob.isPattern(source.key)
        guard isRecursive || isPattern else {
            throw StorageError(.notFound, "no object of this name", hint: "-r copies all below a prefix")
        }
        // What comes after the folder that was named is kept as it is below the target.
        let start = isPattern ? Self.parent(KeyGlob(source.key).literalPrefix) : source.folder
        let from = source.address(ObjectKey(start))
        let to = target.address(ObjectKey(target.folder))
        if !isPattern, to.utf8.starts(with: from.utf8) {
            throw StorageError(.invalid, "the target is inside the source")
        }
        guard !to.utf8.starts(with: from.utf8), !from.utf8.starts(with: to.utf8) else {
            for item in try overlapping(start, isPattern) { try body(item) }
            return true
        }
        try listed(start, isPattern, body)
        return true
    }

    private func listed(
        _ start: String, _ isPattern: Bool, _ body: (Item) throws(StorageError) -> Void
    ) throws(StorageError) {
        try Selection.each(source, withFolders: !isPattern) { (info) throws(StorageError) in
            let name = String(decoding: info.key.string.utf8.dropFirst(start.utf8.count), as: UTF8.self)
            if !name.isEmpty { try body(Item(object: info, key: ObjectKey(target.folder + name))) }
            return true
        }
    }

    /// All of them at once, for what is copied must not turn up in the listing of what is to be copied.
    private func overlapping(_ start: String, _ isPattern: Bool) throws(StorageError) -> [Item] {
        var items: [Item] = []
        try listed(start, isPattern) { items.append($0) }
        let sources = Set(items.map { source.address($0.object.key) })
        for item in items where sources.contains(target.address(item.key)) {
            throw StorageError(.invalid, "\(target.name(item.key)) is to be copied, and would be overwritten")
        }
        return items
    }

    private static func parent(_ key: String) -> String {
        key.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(key[...$0]) } ?? ""
    }
}
