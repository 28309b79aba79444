import Bytes
import Records
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

        init(_ failure: InputWriter.Failure) {
            switch failure {
            case .closed: self = .closed
            case .error(let number): self = .file(number)
            }
        }
    }

    /// Makes a feed.
    ///
    /// - Parameter pool: Its threads read ahead.
    init(_ pieces: [Piece], pool: WorkerPool) {
        self.pieces = pieces
        self.pool = pool
    }

    /// Writes all the bytes.
    func run(to descriptor: Int32) throws(Failure) {
        var writer = InputWriter(descriptor)
        for piece in pieces {
            for segment in piece.content.segments {
                switch segment {
                case .literal(let bytes):
                    if let failure = bytes.withUnsafeBytes({ writer.write($0) }) { throw Failure(failure) }
                case .object(let range) where piece.store.sinkMayBlock: try stream(piece, range, to: &writer)
                case .object(let range): try readAhead(piece, range, to: &writer)
                }
            }
        }
    }

    /// Writes bytes as they come, where nobody else waits meanwhile.
    private func stream(_ piece: Piece, _ range: Range<Int64>, to writer: inout InputWriter) throws(Failure) {
        var failure: Failure?
        do throws(StorageError) {
            try piece.store.read(piece.object.key, range: range, ifVersion: piece.object.etag) { bytes in
                failure = writer.write(bytes).map { Failure($0) }
                return failure == nil
            }
        } catch {
            throw failure ?? Failure.store(error)
        }
    }

    /// Reads some parts ahead of the one that is written.
    private func readAhead(
        _ piece: Piece, _ range: Range<Int64>, to writer: inout InputWriter
    ) throws(Failure) {
        var parts: [FetchedPart] = []
        var offset = range.lowerBound
        while offset < range.upperBound || !parts.isEmpty {
            while offset < range.upperBound, parts.count < Self.partsAhead {
                let end = min(offset + Self.partSize, range.upperBound)
                parts.append(FetchedPart(piece, offset..<end, pool))
                offset = end
            }
            let part = parts.removeFirst()
            let bytes: [UInt8]
            do throws(StorageError) { bytes = try part.wait() } catch { throw Failure.store(error) }
            if let failure = bytes.withUnsafeBytes({ writer.write($0) }) { throw Failure(failure) }
        }
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
