/// A range of a ``Buffer``, kept alive for as long as the slice is.
package struct ByteSlice: Sendable {
    private let buffer: Buffer
    private let range: Range<Int>

    /// A slice with no bytes.
    package static let empty = ByteSlice(Buffer(count: 0))

    /// The whole of a buffer.
    package init(_ buffer: Buffer) {
        self.buffer = buffer
        range = 0..<buffer.count
    }

    /// Some bytes of a buffer; the end of the range is excluded, and what lies outside the buffer is cut away.
    package init(_ buffer: Buffer, _ range: Range<Int>) {
        self.buffer = buffer
        self.range = range.clamped(to: 0..<buffer.count)
    }

    /// A copy of slices, one behind the other.
    package init(joining slices: [ByteSlice]) {
        let buffer = Buffer(count: slices.reduce(0) { $0 + $1.count })
        let end = Self.copy(slices, into: buffer.memory)
        self.init(buffer, 0..<end)
    }

    /// Copies slices into memory, one behind the other, as far as there is room.
    ///
    /// - Returns: How many bytes they have.
    package static func copy(_ slices: [ByteSlice], into memory: UnsafeMutableRawBufferPointer) -> Int {
        var end = 0
        for slice in slices {
            slice.withUnsafeBytes { bytes in
                let room = UnsafeMutableRawBufferPointer(rebasing: memory[min(end, memory.count)...])
                room.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(room.count)))
            }
            end += slice.count
        }
        return end
    }

    /// A copy of some bytes.
    package init(_ bytes: some Sequence<UInt8>) {
        self = Array(bytes).withUnsafeBytes { ByteSlice(Buffer(copying: $0)) }
    }

    /// The number of bytes.
    package var count: Int { range.count }

    /// Whether there are no bytes.
    package var isEmpty: Bool { range.isEmpty }

    /// Part of this slice: positions count from its own beginning, the end is excluded, and what it lacks is cut away.
    package subscript(_ part: Range<Int>) -> ByteSlice {
        let part = part.clamped(to: 0..<count)
        return ByteSlice(buffer, range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound)
    }

    /// The bytes as an array, copied.
    package var array: [UInt8] { withUnsafeBytes { Array($0) } }

    /// Lends the bytes for the time of the call.
    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(rebasing: buffer.memory[range]))
    }
}

extension ByteSlice: Equatable {
    package static func == (left: ByteSlice, right: ByteSlice) -> Bool {
        left.count == right.count
            && left.withUnsafeBytes { first in right.withUnsafeBytes { first.elementsEqual($0) } }
    }
}
