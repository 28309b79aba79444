/// How large chunks should be, or how many.
package enum ChunkCut: Hashable, Sendable {
    /// Chunks of this many bytes; at least one.
    case size(Int64)
    /// This many chunks; at least one.
    case count(Int64)
}

/// Where an object of a given size is nominally cut into chunks.
///
/// A nominal cut falls anywhere. A chunk begins with the first record that begins at or after its cut,
/// and ends where the next chunk begins.
/// So a record belongs to the chunk whose nominal range holds its first byte,
/// and the chunks in order are the object, byte for byte.
package struct ChunkPlan: Hashable, Sendable {
    /// The size of the object, in bytes.
    package let size: Int64
    package let cut: ChunkCut

    package init(size: Int64, cut: ChunkCut) {
        self.size = max(size, 0)
        self.cut =
            switch cut {
            case .size(let bytes): .size(max(bytes, 1))
            case .count(let count): .count(max(count, 1))
            }
    }

    /// The number of chunks; at least one.
    package var count: Int64 {
        switch cut {
        case .size(let bytes): size == 0 ? 1 : (size - 1) / bytes + 1
        case .count(let count): count
        }
    }

    /// Where chunk `index` nominally begins; the number of chunks is the index of the object's end.
    package func nominalOffset(_ index: Int64) -> Int64 {
        guard index > 0 else { return 0 }
        guard index < count else { return size }
        switch cut {
        case .size(let bytes):
            // index < count, so the product is less than the size.
            return index * bytes
        case .count(let count):
            let product = UInt64(index).multipliedFullWidth(by: UInt64(size))
            return Int64(UInt64(count).dividingFullWidth(product).quotient)
        }
    }
}
