import Storage

/// The objects below a prefix one by one, in the order of their keys, without what stands for folders.
struct ListingCursor {
    private let store: any ObjectStore
    private var request: ListingRequest
    private let start: Int
    private var page: ArraySlice<ObjectInfo> = []
    private var isOver = false
    /// How many objects there were so far, those that stand for folders too.
    private(set) var found = 0

    init(_ location: Location) {
        store = location.store
        request = ListingRequest(prefix: location.folder)
        start = location.folder.utf8.count
    }

    /// The next object, and its name from the prefix on; `nil` after the last.
    mutating func next() throws(StorageError) -> (name: String, info: ObjectInfo)? {
        while true {
            while let info = page.popFirst() {
                found += 1
                guard !info.key.endsInSlash else { continue }
                return (String(decoding: info.key.string.utf8.dropFirst(start), as: UTF8.self), info)
            }
            guard !isOver else { return nil }
            let list = try store.list(request)
            list.warnOfIllegible(in: store)
            page = list.objects[...]
            request.token = list.next
            isOver = list.next == nil
        }
    }
}
