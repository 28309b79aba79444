import Bytes
import Storage
import Threads

/// A stretch of an object on its way into memory.
///
/// One thread fills it; those who want bytes of it wait until these are there, and take them without a copy.
final class Part: Sendable {
    private struct Progress {
        var filled = 0
        /// How much must be there for the first of those who wait to go on.
        var wanted = Int.max
        var outcome: Outcome?
        var claims = 0
        var isAbandoned = false
    }

    private enum Outcome {
        case complete
        case failed(StorageError)
    }

    /// The bytes of the object that it will have; the end is excluded.
    let range: Range<Int64>
    /// Whether it was fetched for one read alone, and is of no use after that.
    let isExact: Bool
    private let buffer: Buffer
    private let progress = Monitor(Progress())

    /// How much may be left of an abandoned part for it to be read to its end, which keeps the connection.
    private static let drained = 1 << 20

    init(_ range: Range<Int64>, in buffer: Buffer, isExact: Bool) {
        self.range = range
        self.buffer = buffer
        self.isExact = isExact
    }

    /// How much memory it takes.
    var size: Int { buffer.count }

    /// Whether nothing more will come.
    var isOver: Bool { progress.withLock { $0.outcome != nil } }

    /// Whether it ended without all its bytes.
    var hasFailed: Bool {
        progress.withLock { progress in
            if case .failed = progress.outcome { true } else { false }
        }
    }

    // MARK: Filling

    /// Fetches the bytes; returns when they are there, or will not come.
    func fill(from object: ObjectVersion, in store: any ObjectStore) {
        var filled = 0
        let total = range.count
        var failure: StorageError?
        do throws(StorageError) {
            let version: ETag? = object.info.etag.string.isEmpty ? nil : object.info.etag
            try store.read(object.key, range: range, ifVersion: version) { bytes in
                guard bytes.count <= total - filled else { return false }
                UnsafeMutableRawBufferPointer(rebasing: buffer.memory[filled..<filled + bytes.count])
                    .copyMemory(from: bytes)
                filled += bytes.count
                return advance(to: filled)
            }
            if filled < total { failure = StorageError(.corrupted, "the store sent too few bytes") }
        } catch {
            // Who reads an open file must not be told that there is no such file.
            failure =
                error.code == .notFound ? StorageError(.changed, "the object is no longer there", cause: error) : error
        }
        progress.update { $0.outcome = failure.map(Outcome.failed) ?? .complete }
    }

    /// Tells of more bytes; `false` if they are not wanted any more.
    private func advance(to filled: Int) -> Bool {
        let (wakes, goesOn) = progress.withLock { progress in
            progress.filled = filled
            let isDropped = progress.isAbandoned && progress.claims == 0 && range.count - filled > Self.drained
            return (filled >= progress.wanted, !isDropped)
        }
        if wakes { progress.update { $0.wanted = .max } }
        return goesOn
    }

    // MARK: Taking

    /// Keeps the part from being given up until ``unclaim()``.
    func claim() { progress.withLock { $0.claims += 1 } }

    func unclaim() { progress.withLock { $0.claims -= 1 } }

    /// Lets the part go, if nobody has claimed it; what little is missing may still be read.
    ///
    /// - Returns: Whether it was let go.
    func abandon() -> Bool {
        progress.withLock { progress in
            guard progress.claims == 0 else { return false }
            progress.isAbandoned = true
            return true
        }
    }

    /// Waits for some bytes of the object, which must lie within the part.
    func bytes(_ wanted: Range<Int64>) throws(StorageError) -> ByteSlice {
        let wanted = wanted.clamped(to: range)
        let start = Int(wanted.lowerBound - range.lowerBound)
        let end = Int(wanted.upperBound - range.lowerBound)
        let failure: StorageError?? = progress.wait { progress in
            if progress.filled >= end { return .some(nil) }
            switch progress.outcome {
            case .failed(let error): return .some(error)
            case .complete: return .some(StorageError(.corrupted, "the store sent too few bytes"))
            case nil:
                progress.wanted = min(progress.wanted, end)
                return nil
            }
        }
        if let failure, let failure { throw failure }
        return ByteSlice(buffer, start..<end)
    }
}
