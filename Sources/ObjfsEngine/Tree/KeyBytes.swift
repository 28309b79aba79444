import Glibc
import Storage

/// Whether one string comes before another in the order of their UTF-8 bytes, the order of stores.
///
/// Swift's own `<` would take `é` and `e` with an accent after it for the same.
func comesBefore(_ left: String, _ right: String) -> Bool { compareBytes(left, right) < 0 }

/// Whether two strings are the same bytes.
func sameBytes(_ left: String, _ right: String) -> Bool { compareBytes(left, right) == 0 }

extension String {
    /// Whether the string begins with exactly these bytes.
    func beginsWithBytes(of prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    /// The string without so many bytes at its beginning.
    func droppingBytes(_ count: Int) -> String { String(decoding: utf8.dropFirst(count), as: UTF8.self) }
}

/// Below zero if `left` comes first, zero if the bytes are the same.
private func compareBytes(_ left: String, _ right: String) -> Int {
    let fast = left.utf8.withContiguousStorageIfAvailable { first in
        right.utf8.withContiguousStorageIfAvailable { second -> Int in
            guard let start = first.baseAddress, let otherStart = second.baseAddress else {
                return first.count - second.count
            }
            let order = memcmp(start, otherStart, min(first.count, second.count))
            return order == 0 ? first.count - second.count : Int(order)
        }
    }
    if let fast, let fast { return fast }
    if left.utf8.elementsEqual(right.utf8) { return 0 }
    return left.utf8.lexicographicallyPrecedes(right.utf8) ? -1 : 1
}

extension Array {
    /// The element for which `order` is zero, in an array that is in order.
    ///
    /// - Parameter order: Below zero for elements before the wanted one, above zero for those after it.
    func binarySearch(_ order: (Element) -> Int) -> Element? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            let result = order(self[middle])
            if result == 0 { return self[middle] }
            if result < 0 { low = middle + 1 } else { high = middle }
        }
        return nil
    }
}

extension [ObjectInfo] {
    /// The object with a key, in an array in the order of keys.
    func find(_ key: String) -> ObjectInfo? { binarySearch { compareBytes($0.key.string, key) } }

    /// Where the objects begin that come after a key, in an array in the order of keys.
    func firstIndex(after key: String) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if compareBytes(self[middle].key.string, key) <= 0 { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension [String] {
    /// Whether an array in the order of bytes has a string.
    func has(_ string: String) -> Bool { binarySearch { compareBytes($0, string) } != nil }
}
