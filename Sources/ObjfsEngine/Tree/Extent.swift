import Storage

/// All that a store said, in one page of a listing, of the keys of a folder between two bounds.
///
/// A key between the bounds that is not in the page is not in the store.
struct Extent: Sendable {
    /// Where knowledge begins, itself included.
    let lower: String
    /// Where knowledge ends.
    let upper: Upper
    /// What the keys that were asked for begin with.
    let prefix: String
    /// When the store was asked, and its answer began to age.
    let asked: ContinuousClock.Instant
    let page: ListingPage

    /// Whether the store was asked for names of the folder, and not for those only that begin as one does.
    var isPage: Bool { prefix.isEmpty || prefix.utf8.last == UInt8(ascii: "/") }

    enum Upper: Sendable {
        /// This key is known, and none after it.
        case through(String)
        /// All keys are known that begin so.
        case beginningWith(String)
    }

    /// Whether the store's answer tells if there is such a key, or a key that is rolled up to it.
    func covers(_ key: String) -> Bool {
        guard !comesBefore(key, lower) else { return false }
        return switch upper {
        case .through(let last): !comesBefore(last, key)
        case .beginningWith(let prefix): key.beginsWithBytes(of: prefix)
        }
    }

    /// Whether two extents know of the same keys in part.
    func overlaps(_ other: Extent) -> Bool { other.covers(lower) || covers(other.lower) }

    /// Whether this extent knows of every key that another knows of.
    func contains(_ other: Extent) -> Bool {
        guard covers(other.lower) else { return false }
        switch (upper, other.upper) {
        case (_, .through(let last)): return covers(last)
        case (.beginningWith(let prefix), .beginningWith(let part)): return part.beginsWithBytes(of: prefix)
        case (.through(let last), .beginningWith(let part)):
            return comesBefore(part, last) && !last.beginsWithBytes(of: part)
        }
    }

    /// Makes an extent of a page that answered a delimited listing.
    ///
    /// - Parameters:
    ///   - page: The answer.
    ///   - request: What was asked.
    ///   - lower: From where on the page tells everything, itself included.
    ///   - asked: When the store was asked.
    init(_ page: ListingPage, answering request: ListingRequest, from lower: String, asked: ContinuousClock.Instant) {
        self.lower = lower
        self.asked = asked
        prefix = request.prefix
        var page = page
        page.objects.restoreOrder { comesBefore($0.key.string, $1.key.string) }
        page.prefixes.restoreOrder(by: comesBefore)
        let last = [page.objects.last?.key.string, page.prefixes.last].compactMap(\.self).max(by: comesBefore)
        upper = page.next == nil ? .beginningWith(request.prefix) : .through(last ?? lower)
        self.page = page
    }

    /// Makes the one page of a folder that has nothing in it.
    init(emptyFolder prefix: String, asked: ContinuousClock.Instant) {
        self.init(
            ListingPage(), answering: ListingRequest(prefix: prefix, isDelimited: true), from: prefix, asked: asked)
    }

    /// Where the page after this one begins to know.
    ///
    /// It is the smallest key after the last one of this page.
    var next: String {
        switch upper {
        case .through(let last): last + "\0"
        case .beginningWith(let prefix): prefix
        }
    }
}

extension Array {
    /// Sorts what a store should have sorted, and did in all but odd cases.
    fileprivate mutating func restoreOrder(by isBefore: (Element, Element) -> Bool) {
        for index in indices.dropFirst() where isBefore(self[index], self[index - 1]) {
            sort(by: isBefore)
            return
        }
    }
}
