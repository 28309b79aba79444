import Bytes
import Glibc
import Storage
import Threads

/// Brings the bytes of a task to a descriptor, from the store.
struct PieceFeed: Sendable {
    private let pieces: [Piece]
    private let pool: WorkerPool

    /// How many bytes are asked for at a time of a store that is far away, and how many such parts ahead.
    private static let partSize: Int64 = 4 << 20
    private static let partsAhead = 3

    /// Why not all bytes were brought.
    enum Failure: Error {
        /// The command takes no more, which is its own affair.
        case closed
        case store(StorageError)
        case file(Int32)
    }

    /// Makes a feed.
    ///
    /// - Parameter pool: Its threads read ahead.
    init(_ task: RunTask, pool: WorkerPool) {
        pieces = task.pieces
        self.pool = pool
    }

    /// Writes all the bytes.
    func run(to descriptor: Int32) throws(Failure) {
        for piece in pieces {
            if !piece.header.isEmpty {
                try piece.header.withUnsafeBytes { (bytes) throws(Failure) in try Self.write(bytes, to: descriptor) }
            }
            guard !piece.range.isEmpty else { continue }
            if piece.store.sinkMayBlock {
                try stream(piece, to: descriptor)
            } else {
                try readAhead(piece, to: descriptor)
            }
        }
    }

    /// Writes bytes as they come, where nobody else waits meanwhile.
    private func stream(_ piece: Piece, to descriptor: Int32) throws(Failure) {
        var failure: Failure?
        do throws(StorageError) {
            try piece.store.read(piece.object.key, range: piece.range, ifVersion: piece.object.etag) { bytes in
                failure = Self.failure(writing: bytes, to: descriptor)
                return failure == nil
            }
        } catch {
            throw failure ?? Failure.store(error)
        }
    }

    /// Reads some parts ahead of the one that is written.
    private func readAhead(_ piece: Piece, to descriptor: Int32) throws(Failure) {
        var parts: [FetchedPart] = []
        var offset = piece.range.lowerBound
        while offset < piece.range.upperBound || !parts.isEmpty {
            while offset < piece.range.upperBound, parts.count < Self.partsAhead {
                let end = min(offset + Self.partSize, piece.range.upperBound)
                parts.append(FetchedPart(piece, offset..<end, pool))
                offset = end
            }
            let part = parts.removeFirst()
            let bytes: [UInt8]
            do throws(StorageError) { bytes = try part.wait() } catch { throw Failure.store(error) }
            let failure = bytes.withUnsafeBytes { Self.failure(writing: $0, to: descriptor) }
            if let failure { throw failure }
        }
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws(Failure) {
        if let failure = failure(writing: bytes, to: descriptor) { throw failure }
    }

    /// Writes all the bytes, or says why not.
    ///
    /// The corresponding C function is `write`.
    private static func failure(writing bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Failure? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return errno == EPIPE ? .closed : .file(errno) }
            rest = rest.dropFirst(count)
        }
        return nil
    }
}

/// Some bytes that a thread of a pool reads.
private final class FetchedPart: Sendable {
    private let result = Monitor<Result<[UInt8], StorageError>?>(nil)

    init(_ piece: Piece, _ range: Range<Int64>, _ pool: WorkerPool) {
        pool.submit { [result] in
            let bytes = Result { () throws(StorageError) in
                let bytes = try piece.store.read(piece.object.key, range: range, ifVersion: piece.object.etag)
                guard bytes.count == range.count else { throw StorageError(.corrupted, "the object ended too early") }
                return bytes
            }
            result.update { $0 = bytes }
        }
    }

    func wait() throws(StorageError) -> [UInt8] { try result.wait { $0 }.get() }
}
