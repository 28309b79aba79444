import Bytes
import CLinux
import Glibc
import Storage
import Synchronization
import SystemPackage

/// The two files of the journal for one file that is being written: its bytes, each at its own offset, and a log.
///
/// The log is text, a line for each fact, so that `objfs recover` can make the object of the two:
///
///     objfs 1
///     store s3://bucket
///     service URL             where that is, unless it is AWS
///     boot ID                 of the system at that time
///     key a/b
///     base ETAG SIZE END KEY  what is not in the data file is in this version of that object, below END
///     size N
///     write OFFSET END        those bytes are in the data file
///     gone OFFSET END         those are no longer there: they were sent, and the disk was full
///     freed OFFSET END        nor are those, which the base has
///     beginning SECONDS       an upload was about to begin, then
///     upload ID               an upload was begun
///     stored                  the store has all of it, as a version that is not known yet
///     metadata NAME VALUE
///     header NAME VALUE
///     failed REASON
///     kept                    the daemon has done with it
///     unlinked                the file has no name any more
///
/// A later line counts more than an earlier one. Text is percent-encoded where it must be. A log that has become long
/// is written anew as the shortest that says the same.
final class StagedFile: Sendable {
    /// What has been written to the log.
    private struct Log {
        var end: off_t = 0
        /// The last line, if it tells of a write that may go on.
        var last: (start: Int64, end: Int64, position: off_t)?
        /// From which length on it is written anew.
        var limit: off_t = 1 << 20
    }

    let path: String
    private let data: Int32
    private let log: Int32
    /// Held while a line is written: those who send parts note what they do while others write.
    private let written: Mutex<Log>

    /// How the name of a log ends that is being written anew.
    static let newLog = ".log.new"

    /// What the log begins with.
    struct Header {
        var store: String
        var service: String
        var boot: String
        var key: ObjectKey

        fileprivate var text: String {
            StagedLog.head(store: store, key: key.string, service: service, boot: boot).joined(separator: "\n")
        }
    }

    init(creating path: String, _ header: Header) throws(Errno) {
        self.path = path
        let flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        data = open(path + ".data", flags, 0o600)
        guard data >= 0 else { throw Errno(rawValue: errno) }
        log = open(path + ".log", flags, 0o600)
        guard log >= 0 else {
            let reason = errno
            close(data)
            unlink(path + ".data")
            throw Errno(rawValue: reason)
        }
        written = Mutex(Log())
        do throws(Errno) {
            // What was taken so far needs some to be stored.
            guard !Self.isLast(log) else { throw Errno(rawValue: ENFILE) }
            try add(header.text)
        } catch {
            discard()
            throw error
        }
    }

    /// Whether few more descriptors can be opened after one: a quarter of them, or 256, are kept for connections.
    ///
    /// The corresponding C function is `getrlimit`.
    private static func isLast(_ descriptor: Int32) -> Bool {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return false }
        return rlim_t(descriptor) >= limit.rlim_cur - min(limit.rlim_cur / 4, 256)
    }

    /// Opens what a daemon left behind.
    init(opening path: String) throws(Errno) {
        self.path = path
        data = open(path + ".data", O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard data >= 0 else { throw Errno(rawValue: errno) }
        log = open(path + ".log", O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard log >= 0 else {
            let reason = errno
            close(data)
            throw Errno(rawValue: reason)
        }
        written = Mutex(Log(end: max(lseek(log, 0, SEEK_END), 0)))
    }

    deinit {
        close(data)
        close(log)
    }

    /// Removes both files: what they held is in the store, or not wanted.
    func discard() {
        unlink(path + ".data")
        unlink(path + ".log")
    }

    // MARK: The bytes

    /// How many bytes are written at a time: larger pages of the kernel's take longer, as ``Storage/DraftStretch`` tells.
    private static let piece = 32 << 10

    /// Writes all the bytes or fails.
    ///
    /// The corresponding C function is `pwrite`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...].prefix(Self.piece))
            let count = pwrite(data, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Errno(rawValue: count == 0 ? EIO : errno) }
            done += count
        }
    }

    /// Reads bytes that were written; what a file lacks at its end reads as zeros.
    ///
    /// The corresponding C function is `pread`.
    func read(_ offset: Int64, into memory: UnsafeMutableRawBufferPointer) throws(Errno) {
        var done = 0
        while done < memory.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: memory[done...])
            let count = pread(data, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Errno(rawValue: errno) }
            guard count > 0 else {
                rest.initializeMemory(as: UInt8.self, repeating: 0)
                return
            }
            done += count
        }
    }

    /// Cuts off what lies beyond a size.
    func truncate(to size: Int64) throws(Errno) {
        guard ftruncate(data, off_t(size)) == 0 else { throw Errno(rawValue: errno) }
    }

    /// Gives the disk back what some bytes took.
    ///
    /// The corresponding C function is `fallocate` with `FALLOC_FL_PUNCH_HOLE`.
    func punch(_ range: Range<Int64>) {
        _ = clinux_punch_hole(data, Int(range.lowerBound), range.count)
    }

    /// What of some bytes the disk does not have, though they were written: the system ended before it had brought them
    /// there.
    ///
    /// The corresponding C function is `lseek` with `SEEK_HOLE`.
    func holes(in written: RangeSet<Int64>) -> RangeSet<Int64> {
        var holes = RangeSet<Int64>()
        for range in written.ranges {
            var position = range.lowerBound
            while position < range.upperBound {
                let hole = seek(position, SEEK_HOLE_VALUE) ?? position
                guard hole < range.upperBound else { break }
                let end = min(seek(hole, SEEK_DATA_VALUE) ?? .max, range.upperBound)
                holes.insert(contentsOf: hole..<end)
                position = end
            }
        }
        return holes
    }

    /// Where the next hole or the next data begin; `nil` if there are none before the end of the file.
    private func seek(_ position: Int64, _ whence: Int32) -> Int64? {
        let found = lseek(data, off_t(position), whence)
        return found < 0 ? nil : max(Int64(found), position)
    }

    // MARK: The log

    /// Adds a line for bytes that were written, or lets the last line tell of more.
    func note(write range: Range<Int64>) throws(Errno) {
        try written.withLock { written throws(Errno) in
            var line = (start: range.lowerBound, end: range.upperBound, position: written.end)
            if let last = written.last, range.lowerBound >= last.start, range.lowerBound <= last.end {
                guard range.upperBound > last.end else { return }
                line = (last.start, range.upperBound, last.position)
            }
            let text = "write \(Self.padded(line.start)) \(Self.padded(line.end))\n"
            try put(text, at: line.position)
            written.end = max(written.end, line.position + off_t(text.utf8.count))
            written.last = line
            shorten(&written)
        }
    }

    func note(size: Int64) throws(Errno) { try add("size \(size)") }
    /// Notes that a file ends at a size, and its base at another: both or neither.
    func note(size: Int64, base: ObjectInfo?, end: Int64) throws(Errno) {
        try add(Self.line(base: base, end: end) + "\nsize \(size)")
    }
    func note(gone range: Range<Int64>) throws(Errno) { try add("gone \(range.lowerBound) \(range.upperBound)") }
    func note(stored range: Range<Int64>) throws(Errno) { try add("freed \(range.lowerBound) \(range.upperBound)") }
    func note(base: ObjectInfo?, end: Int64) throws(Errno) { try add(Self.line(base: base, end: end)) }
    func note(key: ObjectKey) throws(Errno) { try add("key \(StagedLog.encoded(key.string))") }
    /// Notes that an upload is about to begin, whose name a crash may leave unknown.
    func noteBeginning() throws(Errno) { try add("beginning \(Complaints.now / 1_000_000_000)") }
    func note(upload: Upload) throws(Errno) { try add("upload \(StagedLog.encoded(upload.id))") }
    func noteStored() throws(Errno) { try add("stored") }
    func noteNoUpload() throws(Errno) { try add("upload -") }
    func note(failure: String) throws(Errno) { try add("failed \(StagedLog.encoded(failure))") }
    func noteKept() throws(Errno) { try add("kept") }
    func noteUnlinked() throws(Errno) { try add("unlinked") }
    func note(metadata: ObjectAttributes) throws(Errno) {
        try add(StagedLog.lines(metadata).joined(separator: "\n"))
    }

    private static func line(base: ObjectInfo?, end: Int64) -> String {
        guard let base else { return "base - 0 0" }
        return StagedLog.line(base: base.etag, base.size, end, key: base.key.string)
    }

    private func add(_ lines: String) throws(Errno) {
        try written.withLock { written throws(Errno) in
            try put(lines + "\n", at: written.end)
            written.end += off_t(lines.utf8.count) + 1
            written.last = nil
            shorten(&written)
        }
    }

    private func put(_ text: String, at position: off_t) throws(Errno) {
        guard Self.isPut(text, at: position, log) else { throw Errno(rawValue: errno) }
    }

    /// Writes all of a text, or sets `errno` and says that it could not.
    private static func isPut(_ text: String, at position: off_t, _ file: Int32) -> Bool {
        var text = text
        let count = text.withUTF8 { pwrite(file, $0.baseAddress, $0.count, position) }
        if count >= 0, count < text.utf8.count { errno = ENOSPC }
        return count == text.utf8.count
    }

    /// Writes the log anew where it has become long; if that fails, it stays as it is.
    ///
    /// The corresponding C functions are `rename` and `dup3`.
    private func shorten(_ written: inout Log) {
        guard written.end > written.limit else { return }
        written.limit = 4 * written.end
        guard let read = StagedLog(reading: path + ".log"), !read.isDamaged else { return }
        let shorter = read.text
        let new = path + Self.newLog
        let file = open(new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        // The name must not reach the disk before the bytes do.
        guard Self.isPut(shorter, at: 0, file), fdatasync(file) == 0, rename(new, path + ".log") == 0 else {
            unlink(new)
            return
        }
        // Whoever reads it by its name has the new one already; both say the same.
        while clinux_replace(file, log) < 0, errno == EINTR || errno == EBUSY {}
        written.end = off_t(shorter.utf8.count)
        written.last = nil
        written.limit = max(1 << 20, 4 * written.end)
    }

    /// A number of as many digits as the largest has, so that another can be written over it.
    private static func padded(_ number: Int64) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(19 - text.utf8.count, 0)) + text
    }

}

/// `SEEK_DATA` and `SEEK_HOLE`, which Swift does not see.
private let (SEEK_DATA_VALUE, SEEK_HOLE_VALUE): (Int32, Int32) = (3, 4)
