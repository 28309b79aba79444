import Bytes
import Glibc
package import Storage
package import VFS

/// What a file system keeps of a file beside its content, in the names that s3fs has for it.
///
/// `mode`, `uid` and `gid` are decimal numbers, times are seconds with nine digits after the point.
/// rclone's `mtime` is the same; its other names are not read.
package struct FileMetadata: Equatable, Sendable {
    /// Type and permission bits, as `st_mode` has them; `nil` if nothing is said.
    package var mode: UInt32?
    package var owner: UInt32?
    package var group: UInt32?
    package var modified: FileTime?
    package var accessed: FileTime?
    /// When these were changed; s3fs calls it `ctime`.
    package var changed: FileTime?
    /// The user's extended attributes, `user.` and all.
    package var extended: [String: [UInt8]] = [:]

    package init() {}

    /// Reads what an object carries; what is not well-formed counts as nothing.
    package init(_ attributes: ObjectAttributes) {
        let metadata = attributes.metadata
        mode = metadata["mode"].flatMap { UInt32($0) }
        owner = metadata["uid"].flatMap { UInt32($0) }
        group = metadata["gid"].flatMap { UInt32($0) }
        modified = metadata["mtime"].flatMap { FileTime(text: $0) }
        accessed = metadata["atime"].flatMap { FileTime(text: $0) }
        changed = metadata["ctime"].flatMap { FileTime(text: $0) }
        if let text = metadata["xattr"] { extended = ExtendedAttributeText.read(text) }
    }

    /// Writes these into what an object carries, and leaves the rest of it.
    package func written(into attributes: ObjectAttributes) -> ObjectAttributes {
        var attributes = attributes
        attributes.metadata["mode"] = mode.map { String($0) }
        attributes.metadata["uid"] = owner.map { String($0) }
        attributes.metadata["gid"] = group.map { String($0) }
        attributes.metadata["mtime"] = modified?.text
        attributes.metadata["atime"] = accessed?.text
        attributes.metadata["ctime"] = changed?.text
        attributes.metadata["xattr"] = extended.isEmpty ? nil : ExtendedAttributeText.write(extended)
        return attributes
    }

    /// Whether an object that carries some attributes carries these, but for the time of the last change.
    func isCarried(by attributes: ObjectAttributes) -> Bool {
        var own = written(into: attributes)
        own.metadata["mtime"] = attributes.metadata["mtime"]
        return own == attributes
    }

    /// What the type bits of the mode say; `nil` if there are none, or of a kind that is not shown.
    var type: FileType? {
        switch (mode ?? 0) & UInt32(S_IFMT) {
        case UInt32(S_IFLNK): .symbolicLink
        case UInt32(S_IFDIR): .directory
        case UInt32(S_IFREG): .regular
        case UInt32(S_IFIFO): .fifo
        case UInt32(S_IFSOCK): .socket
        default: nil
        }
    }

    /// What a file is by its mode; a folder's mode makes no folder of a file.
    var fileType: FileType { type.flatMap { $0 == .directory ? nil : $0 } ?? .regular }

    /// Sets the permission bits, and the type that goes with them.
    mutating func setPermissions(_ permissions: UInt32, type: FileType) {
        let bits: UInt32 =
            switch type {
            case .regular: UInt32(S_IFREG)
            case .directory: UInt32(S_IFDIR)
            case .symbolicLink: UInt32(S_IFLNK)
            case .fifo: UInt32(S_IFIFO)
            case .socket: UInt32(S_IFSOCK)
            }
        mode = bits | (permissions & 0o7777)
    }

    /// Takes over what `chmod`, `chown` and `utimensat` ask for.
    mutating func apply(_ change: AttributeChange, type: FileType, permissions: UInt32) {
        if mode == nil || change.permissions != nil {
            setPermissions(change.permissions ?? permissions, type: type)
        }
        if let owner = change.owner { self.owner = owner }
        if let group = change.group { self.group = group }
        if let modified = change.modified { self.modified = modified }
        if let accessed = change.accessed { self.accessed = accessed }
        changed = .now
    }
}

extension FileTime {
    /// Reads seconds, with up to nine digits after the point.
    init?(text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let seconds = parts.first.flatMap({ Int64($0) }) else { return nil }
        let digits = parts.count == 2 ? parts[1].prefix(9) : ""
        guard let fraction = Int64(digits + String(repeating: "0", count: 9 - digits.count)), fraction >= 0 else {
            return nil
        }
        // Towards zero first: the earliest second of all begins before the earliest nanosecond does.
        let isBefore = seconds < 0
        let (whole, isTooLarge) = (isBefore ? seconds + 1 : seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow) = whole.addingReportingOverflow(isBefore ? fraction - 1_000_000_000 : fraction)
        guard !isTooLarge, !overflow else { return nil }
        self.init(nanoseconds: sum)
    }

    /// Seconds, a point and nine digits.
    var text: String {
        let rest = nanoseconds % 1_000_000_000
        let seconds = nanoseconds / 1_000_000_000 - (rest < 0 ? 1 : 0)
        let fraction = String(rest < 0 ? rest + 1_000_000_000 : rest)
        return "\(seconds)." + String(repeating: "0", count: 9 - fraction.utf8.count) + fraction
    }

    /// The time of day.
    package static var now: FileTime { FileTime(nanoseconds: Complaints.now) }
}

/// Extended attributes as s3fs writes them into one header: `{"user.name":"BASE64"}`, percent-encoded.
enum ExtendedAttributeText {
    /// How many bytes the header has at most: S3 takes 2 KiB of them all, names and values, and the others take 128.
    static let longest = 2048 - 128

    static func write(_ values: [String: [UInt8]]) -> String {
        let pairs = values.sorted { comesBefore($0.key, $1.key) }.map {
            quoted($0.key) + ":" + quoted(Base64.string($0.value))
        }
        return encoded("{" + pairs.joined(separator: ",") + "}")
    }

    static func read(_ text: String) -> [String: [UInt8]] {
        guard let bytes = decoded(text), let text = String(validating: bytes, as: UTF8.self),
            case .object(let values) = JSON(text)
        else {
            return [:]
        }
        var result: [String: [UInt8]] = [:]
        for (name, value) in values {
            guard case .string(let text) = value, let bytes = Base64.bytes(text) else { continue }
            result[name] = bytes
        }
        return result
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\" + String(scalar)
            case "\0"..<" ": result += "\\u00" + Hex.string([UInt8(truncatingIfNeeded: scalar.value)])
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += "%" + Hex.string([byte]).uppercased()
            }
        }
        return result
    }

    private static func decoded(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
