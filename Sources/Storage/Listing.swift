/// Which keys a page of a listing should hold.
package struct ListingRequest: Hashable, Sendable {
    /// What the keys begin with; empty for all.
    package var prefix: String
    /// Whether a folder that stands for a bucket lists its folders that carry metadata though there is something in
    /// them; other stores list all markers that there are.
    package var showsFolders = false
    /// If true, keys are rolled up to the next `/` after the prefix.
    package var isDelimited: Bool
    /// Where the page before this one ended; `nil` for the first.
    package var token: ListingToken?
    /// Keys and rolled-up prefixes must come after this one, which is itself excluded; ignored where a token is given.
    package var startAfter: ObjectKey?
    /// How many entries a page has at most; a store may give fewer, and never more than 1,000.
    package var limit: Int

    package init(
        prefix: String = "", isDelimited: Bool = false, token: ListingToken? = nil, startAfter: ObjectKey? = nil,
        limit: Int = 1000
    ) {
        self.prefix = prefix
        self.isDelimited = isDelimited
        self.token = token
        self.startAfter = startAfter
        self.limit = limit
    }
}

/// Where a listing goes on; only the store that gave it can read it.
package struct ListingToken: Hashable, Sendable {
    package let string: String

    package init(_ string: String) { self.string = string }
}

/// Part of a listing.
package struct ListingPage: Hashable, Sendable {
    /// The objects, in the order of their keys' bytes.
    package var objects: [ObjectInfo]
    /// What keys were rolled up to, each with its `/` at the end, in the same order.
    package var prefixes: [String]
    /// Where the next page begins; `nil` after the last.
    ///
    /// A page may be empty and not the last.
    package var next: ListingToken?
    /// Keys and rolled-up prefixes that are not UTF-8, and so can't be asked for, as the store wrote them.
    package var illegible: [String]

    package init(
        objects: [ObjectInfo] = [], prefixes: [String] = [], next: ListingToken? = nil, illegible: [String] = []
    ) {
        self.objects = objects
        self.prefixes = prefixes
        self.next = next
        self.illegible = illegible
    }

    /// Whether nothing is on it; it may not be the last all the same.
    package var isEmpty: Bool { objects.isEmpty && prefixes.isEmpty && illegible.isEmpty }
}

extension ObjectStore {
    /// Hands on every page of a listing until there is no more, or until `body` returns `false`.
    ///
    /// - Throws: What ``list(_:)`` throws.
    package func eachPage(
        _ request: ListingRequest, _ body: (ListingPage) throws(StorageError) -> Bool
    ) throws(StorageError) {
        var request = request
        while true {
            let page = try list(request)
            guard try body(page), let next = page.next else { return }
            request.token = next
        }
    }
}
