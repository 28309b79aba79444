/// Memory that many readers share and nobody copies.
///
/// The memory is aligned to a page, so that it can be handed to the kernel as it is.
/// Who fills it does so before it is shared, or agrees with the readers on how much is filled;
/// the buffer itself keeps no such account.
package final class Buffer: @unchecked Sendable {
    // The pointer never changes, and writers and readers of what it points at keep apart by the rule above.
    package let memory: UnsafeMutableRawBufferPointer
    private let release: (@Sendable (UnsafeMutableRawBufferPointer) -> Void)?

    /// The number of bytes that the buffer can hold.
    package var count: Int { memory.count }

    /// Allocates memory whose content is not yet defined.
    ///
    /// The corresponding C function is `posix_memalign`.
    package init(count: Int) {
        memory = .allocate(byteCount: max(count, 0), alignment: 4096)
        release = nil
    }

    /// Takes over memory that somebody else allocated and wants back.
    ///
    /// - Parameters:
    ///   - memory: The memory.
    ///   - release: Takes it back, once, when nobody has the buffer or a slice of it any more.
    package init(
        takingOwnershipOf memory: UnsafeMutableRawBufferPointer,
        release: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Void
    ) {
        self.memory = memory
        self.release = release
    }

    /// Allocates memory that holds a copy of some bytes.
    package convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count)
        memory.copyMemory(from: bytes)
    }

    deinit {
        if let release {
            release(memory)
        } else {
            memory.deallocate()
        }
    }
}
