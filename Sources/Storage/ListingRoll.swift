/// Builds one page of a listing from keys that come in order, for stores that have to do it themselves.
///
/// Its tokens are the last key or rolled-up prefix of the page before.
package struct ListingRoll {
    private let request: ListingRequest
    /// What the keys of this page come after.
    private let after: String?
    private var last = ""

    /// The page so far.
    package private(set) var page = ListingPage()

    package init(_ request: ListingRequest) {
        self.request = request
        after = request.token?.string ?? request.startAfter?.string
    }

    /// Where in sorted keys the first one of this page may be.
    package func start(in keys: [ObjectKey]) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = low + (high - low) / 2
            if isBefore(keys[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether a key comes before all that this page may hold.
    private func isBefore(_ key: ObjectKey) -> Bool {
        if key < ObjectKey(request.prefix) { return true }
        guard let after else { return false }
        return key <= ObjectKey(after)
    }

    /// Takes the next key; `false` if the page is done, be it full or past the prefix.
    package mutating func add(_ info: ObjectInfo) -> Bool {
        let key = info.key
        guard key.string.utf8.starts(with: request.prefix.utf8) else { return isBefore(key) }
        guard !isBefore(key) else { return true }
        guard let prefix = rolledUp(key) else { return take(key.string) { $0.objects.append(info) } }
        // A prefix was listed already: by the entry before, or by the page before.
        guard prefix != page.prefixes.last, prefix != after else { return true }
        return take(prefix) { $0.prefixes.append(prefix) }
    }

    /// What the keys below a folder, which is named with its `/`, can add to the page.
    package enum FolderRelevance {
        /// Nothing.
        case skip
        /// One prefix, whatever they are.
        case rolledUp
        /// Themselves.
        case enter
    }

    /// Tells a store that walks through folders whether it need enter one.
    package func relevance(ofFolder folder: String) -> FolderRelevance {
        let isPart = folder.utf8.starts(with: request.prefix.utf8)
        guard isPart || request.prefix.utf8.starts(with: folder.utf8) else { return .skip }
        // All its keys come before the page if the last that could be there does.
        if let after, ObjectKey(folder) < ObjectKey(after), !after.utf8.starts(with: folder.utf8) { return .skip }
        if isPart, request.isDelimited, folder.utf8.count > request.prefix.utf8.count { return .rolledUp }
        return .enter
    }

    /// Whether a key may be on this page; a store need not ask what is known of one that can't.
    package func mayTake(_ key: ObjectKey) -> Bool {
        key.string.utf8.starts(with: request.prefix.utf8) && !isBefore(key)
    }

    private mutating func take(_ name: String, _ add: (inout ListingPage) -> Void) -> Bool {
        guard page.objects.count + page.prefixes.count < min(max(request.limit, 1), 1000) else {
            page.next = ListingToken(last)
            return false
        }
        add(&page)
        last = name
        return true
    }

    /// The key up to the first `/` after the prefix, that included; `nil` if it has none or nothing is rolled up.
    private func rolledUp(_ key: ObjectKey) -> String? {
        guard request.isDelimited else { return nil }
        let rest = key.string.utf8.dropFirst(request.prefix.utf8.count)
        guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return nil }
        return String(key.string.utf8[...slash])
    }
}
