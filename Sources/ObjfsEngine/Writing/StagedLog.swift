import Bytes
import Glibc
import Storage

/// What the log of a staged file says, read back; see ``StagedFile`` for its lines.
struct StagedLog: Sendable {
    var store = ""
    /// Where the store's service is; `nil` if an older program did not say so.
    var service: String?
    /// The system that ran then, which has another identifier each time it is started.
    var boot: String?
    var key = ""
    var base: (etag: ETag, size: Int64)?
    var baseKey: String?
    var baseEnd: Int64 = 0
    var size: Int64 = 0
    /// What the data file has, and what of it differs from the base.
    var staged = RangeSet<Int64>()
    var dirty = RangeSet<Int64>()
    /// What was sent to an upload and is in no file any more.
    var gone = RangeSet<Int64>()
    var upload: String?
    /// When an upload was about to begin whose name is not known.
    var beginning: Timestamp?
    var attributes = ObjectAttributes()
    /// Whether the store has all of it, as a version that nobody asked for.
    private var isUnlearned = false
    /// Why it was not stored; `nil` if nobody tried.
    var failure: String?
    /// Whether the daemon has done with it.
    var isKept = false

    /// Whether the file had no name any more, and was there for who had it open.
    var isUnlinked = false

    /// Whether there are lines that make no sense: what they told of is not known.
    var isDamaged = false

    /// Whether the store has all of it.
    var isStored: Bool {
        isUnlearned
            || dirty.isEmpty && size == baseEnd && size == base?.size && upload == nil && beginning == nil
                && baseKey == key
    }

    /// What is known where there is no log that could be read.
    static var none: StagedLog {
        var log = StagedLog()
        log.isDamaged = true
        return log
    }

    private init() {}

    /// Reads a log, without a last line that was cut short by a crash; `nil` if it is none.
    init?(_ text: String) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
        guard lines.popFirst() == "objfs 1" else { return nil }
        // Nothing, or what was cut short.
        _ = lines.popLast()
        for line in lines { read(line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)) }
        guard !store.isEmpty, !key.isEmpty else { return nil }
    }

    /// Reads the log that a file has; `nil` also if the file can't be read just now.
    init?(reading path: String) {
        guard let bytes = Self.bytes(of: path) else { return nil }
        // What was damaged makes no sense of its line alone.
        self.init(String(decoding: bytes, as: UTF8.self))
    }

    /// All that a file has; nothing if there is none, and `nil` if it can't be read.
    static func bytes(of path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return errno == ENOENT ? [] : nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = block.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            guard count > 0 else { return bytes }
            bytes += block[..<count]
        }
    }

    private mutating func read(_ words: [String]) {
        guard let word = words.first else { return }
        let numbers = words.dropFirst().map { Int64($0) ?? -1 }
        switch (word, words.count) {
        case ("store", 2): store = Self.decoded(words[1])
        case ("service", 2): service = Self.decoded(words[1])
        case ("boot", 2): boot = Self.decoded(words[1])
        case ("key", 2): key = Self.decoded(words[1])
        case ("base", 4): readBase(words[1], size: numbers[1], end: numbers[2])
        case ("base", 5):
            baseKey = Self.decoded(words[4])
            readBase(words[1], size: numbers[1], end: numbers[2])
        case ("size", 2) where numbers[0] >= 0:
            isUnlearned = false
            size = numbers[0]
            staged.remove(contentsOf: size..<Int64.max)
            dirty.remove(contentsOf: size..<Int64.max)
            gone.remove(contentsOf: size..<Int64.max)
        case ("write", 3) where numbers[0] >= 0 && numbers[1] > numbers[0]:
            isUnlearned = false
            staged.insert(contentsOf: numbers[0]..<numbers[1])
            gone.remove(contentsOf: numbers[0]..<numbers[1])
            dirty.insert(contentsOf: numbers[0]..<numbers[1])
            size = max(size, numbers[1])
        case ("gone", 3) where numbers[0] >= 0 && numbers[1] > numbers[0]:
            staged.remove(contentsOf: numbers[0]..<numbers[1])
            gone.insert(contentsOf: numbers[0]..<numbers[1])
        case ("freed", 3) where numbers[0] >= 0 && numbers[1] > numbers[0]:
            staged.remove(contentsOf: numbers[0]..<numbers[1])
        case ("beginning", 2): beginning = numbers[0] < 0 ? nil : Timestamp(seconds: numbers[0])
        case ("upload", 2):
            beginning = nil
            upload = words[1] == "-" ? nil : Self.decoded(words[1])
        case ("stored", 1):
            isUnlearned = true
            beginning = nil
            upload = nil
        case ("metadata", 2): attributes = ObjectAttributes()
        case ("metadata", 3): attributes.metadata[Self.decoded(words[1])] = Self.decoded(words[2])
        case ("header", 3): attributes.headers[Self.decoded(words[1])] = Self.decoded(words[2])
        case ("type", 2): attributes.contentType = Self.decoded(words[1])
        case ("failed", 2): failure = Self.decoded(words[1])
        case ("kept", 1): isKept = true
        case ("unlinked", 1): isUnlinked = true
        default: isDamaged = true
        }
    }

    private mutating func readBase(_ etag: String, size: Int64, end: Int64) {
        guard etag != "-", size >= 0, end >= 0 else {
            base = nil
            baseEnd = 0
            return
        }
        let etag = ETag(Self.decoded(etag))
        // A version that was stored has all that was written until then.
        if base?.etag != etag {
            dirty = RangeSet()
            gone = RangeSet()
        }
        base = (etag, size)
        baseEnd = end
    }

    private static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = Hex.bytes(String(decoding: rest.prefix(2), as: UTF8.self))?.first
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

// MARK: Writing it

extension StagedLog {
    /// The shortest log that says the same.
    var text: String {
        var lines = Self.head(store: store, key: key, service: service, boot: boot) + Self.lines(attributes)
        // What is in the data file, and then what of it differs from the base.
        lines += staged.ranges.map { "write \($0.lowerBound) \($0.upperBound)" }
        if let base { lines.append(Self.line(base: base.etag, base.size, baseEnd, key: baseKey ?? key)) }
        lines += dirty.ranges.map { "write \($0.lowerBound) \($0.upperBound)" }
        lines += gone.ranges.map { "gone \($0.lowerBound) \($0.upperBound)" }
        lines.append("size \(size)")
        if isUnlearned { lines.append("stored") }
        if let upload { lines.append("upload \(Self.encoded(upload))") }
        if let beginning { lines.append("beginning \(beginning.nanoseconds / 1_000_000_000)") }
        if let failure { lines.append("failed \(Self.encoded(failure))") }
        if isKept { lines.append("kept") }
        if isUnlinked { lines.append("unlinked") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What a log begins with.
    static func head(store: String, key: String, service: String?, boot: String?) -> [String] {
        var lines = ["objfs 1", "store \(encoded(store))", "key \(encoded(key))"]
        if let service { lines.append("service \(encoded(service))") }
        if let boot { lines.append("boot \(encoded(boot))") }
        return lines
    }

    static func line(base: ETag, _ size: Int64, _ end: Int64, key: String) -> String {
        "base \(encoded(base.string)) \(size) \(end) \(encoded(key))"
    }

    static func lines(_ attributes: ObjectAttributes) -> [String] {
        var lines = ["metadata -"]
        if let type = attributes.contentType { lines.append("type \(encoded(type))") }
        lines += attributes.headers.map { "header \(encoded($0)) \(encoded($1))" }
        return lines + attributes.metadata.map { "metadata \(encoded($0)) \(encoded($1))" }
    }

    /// Text without blanks and line ends, and never a mere `-`.
    static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "%"), byte != UInt8(ascii: "-") || text.utf8.count > 1 {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                result += "%" + Hex.string([byte])
            }
        }
        return result
    }
}
