import Glibc
import Synchronization

/// What one attempt of a task has written so far and nobody has seen yet: in memory, and in a file past a limit.
///
/// One thread fills it, and then one writes it out.
final class TaskOutput: @unchecked Sendable {
    // Handed from the thread that runs the task to the one that writes its output, never used by both.
    private var memory: [UInt8] = []
    private var file: Int32 = -1
    /// Why it could not be kept.
    private(set) var failure: Int32?
    private let tag: [UInt8]
    private var isAtLineStart = true

    /// How much output of all tasks waits in memory, in bytes.
    private static let waiting = Atomic<Int>(0)
    private static let limit = 64 << 20

    /// Makes an empty one.
    ///
    /// - Parameter tag: What each line begins with.
    init(tag: String) { self.tag = Array(tag.utf8) }

    deinit {
        Self.waiting.subtract(memory.count, ordering: .relaxed)
        if file >= 0 { close(file) }
    }

    var isEmpty: Bool { memory.isEmpty && file < 0 }

    /// Adds output.
    func add(_ bytes: UnsafeRawBufferPointer) {
        tagged(bytes) { keep($0) }
    }

    /// Hands output on as it is to be seen, with a tag at the start of each line.
    func tagged(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
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
        if file < 0, Self.waiting.load(ordering: .relaxed) + bytes.count <= Self.limit {
            memory.append(contentsOf: bytes)
            Self.waiting.add(bytes.count, ordering: .relaxed)
            return
        }
        if file < 0 { file = Self.makeFile() }
        var rest = bytes[...]
        while !rest.isEmpty, failure == nil {
            let count = Glibc.write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                failure = errno
                return
            }
            rest = rest.dropFirst(count)
        }
    }

    /// A file that has no name, and is gone when it is closed.
    ///
    /// The corresponding C function is `mkstemp`.
    private static func makeFile() -> Int32 {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(folder)/objfs-output-XXXXXX".utf8CString)
        let file = mkstemp(&template)
        guard file >= 0 else { return -1 }
        _ = fcntl(file, F_SETFD, FD_CLOEXEC)
        template.withUnsafeBufferPointer { _ = $0.baseAddress.map { unlink($0) } }
        return file
    }

    /// Writes all of it, and forgets it.
    func write(to sink: OutputSink) {
        memory.withUnsafeBytes { sink.write($0) }
        Self.waiting.subtract(memory.count, ordering: .relaxed)
        memory = []
        guard file >= 0 else { return }
        var block = [UInt8](repeating: 0, count: 1 << 18)
        var offset: off_t = 0
        while true {
            let count = pread(file, &block, block.count, offset)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            block.withUnsafeBytes { sink.write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            offset += off_t(count)
        }
        close(file)
        file = -1
    }
}
