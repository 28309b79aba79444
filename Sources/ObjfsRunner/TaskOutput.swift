import Bytes
import Records
package import Storage
import Synchronization

/// What one run of a task has written: its first parts in the job's folder, the rest in memory.
///
/// One thread fills it, and then one writes it out.
final class TaskOutput: @unchecked Sendable {
    // Handed from the thread that runs the task to the one that writes its output, never used by both.
    private let folder: JobFolder
    /// Makes a name for a part, which no other part has; `nil` if there is none left.
    private let newName: (Int) -> String?
    private var parts: [String] = []
    private var memory: [UInt8] = []
    /// How many bytes there are in all.
    private(set) var count: Int64 = 0
    /// How many of them have been written out already.
    private var shown: Int64 = 0
    /// The task, if its record has the bytes that were let go of here.
    private var recorded: Int?
    /// Why it could not be kept.
    private(set) var failure: StorageError?
    private let tag: [UInt8]
    private var isAtLineStart = true

    /// How much output of all tasks waits in memory, in bytes.
    private static let waiting = Atomic<Int>(0)
    private static let limit = 64 << 20
    /// How large a part in the folder is: smaller where memory is short.
    private static let partSize = 4 << 20
    private static let smallPart = 256 << 10
    /// Up to this size the end of an output is in its task's record.
    private static let inlineLimit = 64 << 10

    /// Makes an empty one.
    ///
    /// - Parameters:
    ///   - names: Makes names for parts; `nil` for the usual ones.
    ///   - tag: What each line begins with.
    init(_ task: Int, in folder: JobFolder, names: (@Sendable () -> String?)?, tag: String) {
        self.folder = folder
        let name = folder.newOutput(task)
        newName = { part in names.map { $0() } ?? JobFolder.part(part, of: name) }
        self.tag = Array(tag.utf8)
    }

    /// The output that a record tells of.
    init(_ record: TaskRecord, in folder: JobFolder) {
        self.folder = folder
        newName = { _ in nil }
        parts = record.parts
        tag = []
        recorded = record.task
        count = record.bytesOut
    }

    deinit { release() }

    /// Whether nobody has seen anything of it.
    var isHidden: Bool { shown == 0 }

    /// Adds output.
    func add(_ bytes: UnsafeRawBufferPointer) { tagged(bytes) { keep($0) } }

    /// Adds output, and writes it out as well, behind all that came before it.
    func add(_ bytes: UnsafeRawBufferPointer, showingOn sink: OutputSink) {
        if shown < count { show(on: sink) }
        tagged(bytes) { bytes in
            keep(bytes)
            sink.write(bytes)
            shown = count
        }
    }

    /// Hands output on as it is to be seen, with a tag at the start of each line.
    private func tagged(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        guard !tag.isEmpty else { return body(bytes) }
        var text: [UInt8] = []
        for byte in bytes {
            if isAtLineStart { text += tag }
            text.append(byte)
            isAtLineStart = byte == 0x0A
        }
        text.withUnsafeBytes { body($0) }
    }

    private func keep(_ bytes: UnsafeRawBufferPointer) {
        memory.append(contentsOf: bytes)
        count += Int64(bytes.count)
        let waiting = Self.waiting.add(bytes.count, ordering: .relaxed).newValue
        if memory.count >= (waiting > Self.limit ? Self.smallPart : Self.partSize) { writePart() }
    }

    private func writePart() {
        guard failure == nil, !memory.isEmpty else { return }
        do throws(StorageError) {
            guard let name = newName(parts.count) else {
                throw StorageError(.noSpace, "the job's folder takes no more of this worker")
            }
            try folder.put(name, memory)
            parts.append(name)
            release()
        } catch {
            failure = error
        }
    }

    private func release() {
        Self.waiting.subtract(memory.count, ordering: .relaxed)
        memory.removeAll(keepingCapacity: false)
    }

    /// Deletes what is in the folder: nobody will want it.
    func discard() {
        for part in parts { try? folder.store.delete(folder.key(part)) }
        parts = []
        release()
    }

    /// Ends the filling: what is too much for a record becomes a part.
    func finish() { if memory.count > Self.inlineLimit { writePart() } }

    /// Writes into a record where the output is.
    func describe(in record: inout TaskRecord) {
        record.parts = parts
        record.inline = memory
        record.bytesOut = count
    }

    /// Says that a record holds what is in memory; where memory is short, it is let go.
    func isRecorded(as task: Int) {
        guard Self.waiting.load(ordering: .relaxed) > Self.limit else { return }
        recorded = task
        release()
    }

    /// Writes out all that has not been yet.
    ///
    /// - Throws: Why it can't be read back.
    func write(to sink: OutputSink) throws(StorageError) {
        var skipped = shown
        for part in parts {
            guard sink.failure == nil else { return }
            let bytes: [UInt8] = try folder.store.read(folder.key(part))
            Self.write(bytes, to: sink, &skipped)
        }
        var rest = memory
        if let recorded {
            guard let record = try folder.record(recorded) else { throw StorageError(.corrupted, "its record is gone") }
            rest = record.inline
        }
        Self.write(rest, to: sink, &skipped)
        release()
    }

    private static func write(_ bytes: [UInt8], to sink: OutputSink, _ skipped: inout Int64) {
        let skip = Int(min(skipped, Int64(bytes.count)))
        skipped -= Int64(skip)
        bytes.withUnsafeBytes { sink.write(UnsafeRawBufferPointer(rebasing: $0[skip...])) }
    }

    private func show(on sink: OutputSink) {
        do throws(StorageError) {
            var skipped = shown
            for part in parts {
                let bytes: [UInt8] = try folder.store.read(folder.key(part))
                Self.write(bytes, to: sink, &skipped)
            }
            Self.write(memory, to: sink, &skipped)
            shown = count
        } catch {
            failure = error
        }
    }
}

extension JobFolder {
    /// The output of a task that has a record, as the input of another one.
    package func outputPieces(_ task: Int) throws(StorageError) -> [Piece] {
        guard let record = try record(task) else { throw StorageError(.corrupted, "a record is gone") }
        return try record.pieces(in: self)
    }
}

extension TaskRecord {
    /// The output of the task as the input of another one, what is short of it in memory; empty if there is none.
    package func pieces(in folder: JobFolder) throws(StorageError) -> [Piece] {
        var pieces = try partPieces(in: folder)
        var inline = inline
        if isShortened {
            guard let record = try folder.record(task) else { throw StorageError(.corrupted, "a record is gone") }
            inline = record.inline
        }
        guard !inline.isEmpty else { return pieces }
        // What is inline comes before no bytes of nothing.
        let nothing = ObjectInfo(
            key: folder.key("records"), size: 0, etag: ETag(token), modified: Timestamp(nanoseconds: 0))
        let content = ChunkContent(header: ByteSlice(inline), 0..<0)
        pieces.append(Piece(store: folder.store, object: nothing, range: 0..<0, content: content))
        return pieces
    }

    /// The output of the task as parts of the folder's objects, of which a plan can tell.
    package func storedPieces(in folder: JobFolder) throws(StorageError) -> [Piece] {
        let (object, offset) = try folder.recordObject(task)
        return try partPieces(in: folder)
            + [Piece(store: folder.store, object: object, range: offset..<object.size)]
    }

    private func partPieces(in folder: JobFolder) throws(StorageError) -> [Piece] {
        var pieces: [Piece] = []
        for part in parts {
            let object = try folder.store.info(folder.key(part))
            pieces.append(Piece(store: folder.store, object: object, range: 0..<object.size))
        }
        return pieces
    }
}
