/// A place from which compressed bytes can be decompressed without those before it.
package struct AccessPoint: Hashable, Sendable {
    /// The first compressed byte that must be seen.
    package let compressed: Int64
    /// The position of what comes out first, in the decompressed bytes.
    package let plain: Int64
    /// How many bits of the first byte belong to what lies before.
    package let bits: UInt8
    /// What must be known besides, as its format wrote it: where it stands in the file of the index.
    let setup: Setup

    struct Setup: Hashable, Sendable {
        let offset: Int64
        let count: Int32
        let checksum: UInt32
    }
}

/// How far apart access points should be, in decompressed bytes.
enum AccessSpacing {
    /// Where a point costs a window of 32 KiB.
    static let withWindow: Int64 = 2 << 20
    /// Where a point costs a few bytes.
    static let withoutWindow: Int64 = 1 << 20
    /// The compressed bytes that a window must be worth, so that no index is larger than its object.
    static let compressedForWindow: Int64 = 32 << 10
}
