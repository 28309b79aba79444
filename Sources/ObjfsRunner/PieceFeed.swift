import Bytes
import Glibc
import Records
import Storage
import Synchronization
import Threads

/// Brings the bytes of a task to a descriptor, from the store.
struct PieceFeed: Sendable {
    private let pool: WorkerPool
    private let meter: InputMeter
    private let movesFiles: Bool

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
            case .shortened: self = .store(StorageError(.changed, "the object has changed"))
            case .error(let number): self = .file(number)
            }
        }
    }

    /// Makes a feed.
    ///
    /// - Parameters:
    ///   - pool: Its threads read ahead.
    ///   - meter: Takes notice of what it asks of stores.
    ///   - movesFiles: Whether what it writes to is a pipe, into which bytes of files are moved and not copied:
    ///     the meter must be asked whether these have changed when the pipe's reader has ended.
    init(pool: WorkerPool, meter: InputMeter, movesFiles: Bool = false) {
        self.pool = pool
        self.meter = meter
        self.movesFiles = movesFiles
    }

    /// Writes all the bytes of some pieces.
    func run(_ pieces: [Piece], to descriptor: Int32) throws(Failure) {
        var writer = InputWriter(descriptor)
        for piece in pieces {
            for segment in piece.content.segments {
                switch segment {
                case .literal(let bytes):
                    if let failure = bytes.withUnsafeBytes({ writer.write($0) }) { throw Failure(failure) }
                case .object(let range): try write(piece, range, to: &writer)
                }
            }
        }
    }

    /// Brings some bytes of an object in the way that its store makes the cheapest.
    private func write(_ piece: Piece, _ range: Range<Int64>, to writer: inout InputWriter) throws(Failure) {
        if movesFiles, let object = try open(piece) {
            meter.add(object)
            switch writer.splice(object.descriptor, range) {
            case nil: break
            // A file system that can't do this says so before anything was moved.
            case .error(EINVAL): try stream(piece, range, to: &writer)
            case let failure?: throw Failure(failure)
            }
        } else if piece.store.sinkMayBlock {
            try stream(piece, range, to: &writer)
        } else {
            try readAhead(piece, range, to: &writer)
        }
    }

    private func open(_ piece: Piece) throws(Failure) -> (any OpenObject)? {
        do throws(StorageError) {
            return try piece.store.file(piece.object.key, ifVersion: piece.object.etag)
        } catch {
            throw .store(error)
        }
    }

    /// Writes bytes as they come, where nobody else waits meanwhile.
    private func stream(_ piece: Piece, _ range: Range<Int64>, to writer: inout InputWriter) throws(Failure) {
        var failure: Failure?
        meter.addRequest()
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
        var parts: [Pending<Result<[UInt8], StorageError>>] = []
        var offset = range.lowerBound
        while offset < range.upperBound || !parts.isEmpty {
            while offset < range.upperBound, parts.count < Self.partsAhead {
                let end = min(offset + Self.partSize, range.upperBound)
                meter.addRequest()
                parts.append(Self.fetch(piece, offset..<end, pool))
                offset = end
            }
            let part = parts.removeFirst()
            let bytes: [UInt8]
            do throws(StorageError) { bytes = try part.value.get() } catch { throw Failure.store(error) }
            if let failure = bytes.withUnsafeBytes({ writer.write($0) }) { throw Failure(failure) }
        }
    }

    private static func fetch(
        _ piece: Piece, _ range: Range<Int64>, _ pool: WorkerPool
    ) -> Pending<Result<[UInt8], StorageError>> {
        Pending(pool) {
            Result { () throws(StorageError) in
                let bytes = try piece.store.read(piece.object.key, range: range, ifVersion: piece.object.etag)
                guard bytes.count == range.count else { throw StorageError(.corrupted, "the object ended too early") }
                return bytes
            }
        }
    }
}

/// What was asked of stores for a task, and which files a pipe refers to.
///
/// What such a pipe shows is the file's until it has been read.
final class InputMeter: Sendable {
    private let objects = Mutex<[any OpenObject]>([])
    private let count = Atomic<Int>(0)

    /// How many requests for bytes there were, not counting those that were made again.
    var requests: Int { count.load(ordering: .relaxed) }

    func addRequest() { count.add(1, ordering: .relaxed) }

    /// Adds a file whose bytes a pipe refers to.
    func add(_ object: any OpenObject) {
        addRequest()
        objects.withLock { $0.append(object) }
    }

    /// Looks whether all are as they were opened, when nobody reads the pipe any more.
    ///
    /// - Throws: ``StorageError/Code/changed`` if one is not.
    func refuseChange() throws(StorageError) {
        for object in objects.withLock({ $0 }) { try object.refuseChange() }
    }
}
