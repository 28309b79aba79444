/// One chunk of one version of an object.
package struct Chunk: Hashable, Sendable {
    /// Which chunk it is, from 0.
    package let index: Int64
    /// How many chunks the object has.
    package let count: Int64
    /// Where its first record begins in the object, in bytes.
    package let offset: Int64
    /// How many bytes of the object it has; a repeated header is not among them.
    package let length: Int64

    package init(index: Int64, count: Int64, offset: Int64, length: Int64) {
        self.index = index
        self.count = count
        self.offset = offset
        self.length = length
    }

    /// Its bytes in the object; the end is excluded.
    package var range: Range<Int64> { offset..<offset + length }
}
