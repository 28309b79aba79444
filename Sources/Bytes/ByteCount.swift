/// A number of bytes, as people write it: `8MiB`, `64M`, `4096`.
package struct ByteCount: Hashable, Comparable, Sendable {
    /// The number of bytes; never negative.
    package let bytes: Int64

    package init(_ bytes: Int64) { self.bytes = max(bytes, 0) }

    /// Reads a number and a unit: `B`, or `K`, `M`, `G`, `T`, `P`, each also with `iB` behind it.
    ///
    /// Units are powers of 1,024, in capitals as they are written. What is not such a number,
    /// or does not fit, is `nil`; so are signs, spaces and fractions.
    package init?(_ text: some StringProtocol) {
        let digits = text.utf8.prefix { 0x30...0x39 ~= $0 }
        let unit = String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self)
        guard !digits.isEmpty, let shift = Self.shifts[unit],
            let number = Int64(String(decoding: digits, as: UTF8.self))
        else {
            return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        guard !overflow else { return nil }
        bytes = product
    }

    private static let shifts: [String: Int64] = [
        "": 0, "B": 0, "K": 10, "KiB": 10, "M": 20, "MiB": 20, "G": 30, "GiB": 30, "T": 40, "TiB": 40, "P": 50,
        "PiB": 50,
    ]

    package static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
}

extension ByteCount: CustomStringConvertible {
    /// The number with one digit after the point and the largest unit that leaves at least one of it: `1.5 MiB`.
    package var description: String {
        var tenths = bytes.multipliedReportingOverflow(by: 10)
        if tenths.overflow { tenths = (Int64.max, false) }
        var value = tenths.partialValue
        var unit = 0
        while value >= 10_240, unit < Self.units.count - 1 {
            value = (value + 512) / 1024
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\(value / 10).\(value % 10) \(Self.units[unit])"
    }

    private static let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
}
