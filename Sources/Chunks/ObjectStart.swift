import Decompression
import Storage

/// The first bytes of an object; all of them if it is small.
struct ObjectStart: Sendable {
    let bytes: [UInt8]

    /// An object of at most so many bytes is read whole, once, instead of at each of its borders.
    static let smallSize: Int64 = 8 << 10
    /// How many frames to be skipped are looked behind.
    private static let mostFrames = 64

    /// Reads the first bytes.
    ///
    /// - Parameter count: How many are wanted; at least as many are read as show whether the object is compressed.
    init(_ bytes: ObjectBytes, count: Int64) throws(StorageError) {
        let wanted = max(count, Int64(Compression.magicCount))
        let end = bytes.size <= Self.smallSize ? bytes.size : min(wanted, bytes.size)
        self.bytes = end == 0 ? [] : try bytes.read(0..<end)
    }

    /// How the object is compressed; `nil` if it is not.
    ///
    /// Frames that hold nothing compressed may stand before the first one that does.
    func compression(of object: ObjectBytes) throws(StorageError) -> Compression? {
        var start = Array(bytes.prefix(Compression.magicCount))
        var position: Int64 = 0
        var frames = 0
        while let count = Compression.skippableFrame(start) {
            position += count
            frames += 1
            // Nothing but such frames is what an empty content may be.
            if position == object.size || frames > Self.mostFrames { return .zstd }
            guard position < object.size else { return nil }
            start = try object.read(position..<min(position + Int64(Compression.magicCount), object.size))
        }
        return Compression(magic: start)
    }
}
