import Storage
import VFS

/// What an inode number stands for.
///
/// A file is one *version* of an object: when an object is replaced, the new version has another number,
/// so that the kernel never takes cached bytes of one for the other's.
enum Node: Sendable {
    /// The folder of all buckets.
    case account
    case folder(Folder)
    case object(ObjectVersion)
    /// A file that was changed here, whatever version the store has.
    case file(LiveFile)
    case chunkFolder(ChunkFolder)
    case chunk(ChunkFolder, Int64)
}

/// A folder of a bucket.
struct Folder: Sendable {
    let bucket: Bucket
    /// What its keys begin with: empty, or with a `/` at its end.
    let prefix: String
}

/// One version of one object.
struct ObjectVersion: Sendable {
    let bucket: Bucket
    let info: ObjectInfo

    var key: ObjectKey { info.key }

    /// Whether the store was seen to have another version by now.
    var isRetired: Bool { bucket.isRetired(info) }
}

extension Node {
    /// The bucket and the key of a file.
    var place: (bucket: Bucket, key: ObjectKey)? {
        switch self {
        case .object(let object): (object.bucket, object.key)
        case .file(let file): (file.bucket, file.key)
        case .account, .folder, .chunkFolder, .chunk: nil
        }
    }

    /// Whether two nodes are the same thing; two names of one version of an object are.
    func isSame(as other: Node) -> Bool {
        switch (self, other) {
        case (.account, .account): true
        case (.folder(let left), .folder(let right)):
            left.bucket === right.bucket && sameBytes(left.prefix, right.prefix)
        case (.object(let left), .object(let right)): left.isSame(as: right)
        case (.file(let left), .file(let right)): left === right
        case (.chunkFolder(let left), .chunkFolder(let right)): left.isSame(as: right)
        case (.chunk(let left, let index), .chunk(let right, let otherIndex)):
            index == otherIndex && left.isSame(as: right)
        case (.account, _), (.folder, _), (.object, _), (.file, _), (.chunkFolder, _), (.chunk, _): false
        }
    }

    /// A number for the same thing at every time; different things have different ones but for rare accidents.
    var fingerprint: UInt64 {
        var sum = Fingerprint()
        switch self {
        case .account: sum.add(tag: 0)
        case .folder(let folder):
            sum.add(tag: 1)
            sum.add(folder.bucket.name)
            sum.add(folder.prefix)
        case .object(let object):
            sum.add(tag: 2)
            sum.add(object)
        case .file(let file): return file.inode.rawValue
        case .chunkFolder(let folder):
            sum.add(tag: 3)
            sum.add(folder)
        case .chunk(let folder, let index):
            sum.add(tag: 4)
            sum.add(folder)
            sum.add(UInt64(bitPattern: index))
        }
        return sum.value
    }
}

extension ObjectVersion {
    func isSame(as other: ObjectVersion) -> Bool {
        bucket === other.bucket && info.key == other.info.key && info.etag == other.info.etag
            && info.size == other.info.size
    }
}

/// A checksum of 64 bits that is the same in every run: FNV-1a.
private struct Fingerprint {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(tag byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    mutating func add(_ string: String) {
        for byte in string.utf8 { add(tag: byte) }
        // No byte of UTF-8 is this one, so two strings in a row can't pass for two others.
        add(tag: .max)
    }

    mutating func add(_ number: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) { add(tag: UInt8(truncatingIfNeeded: number >> UInt64(shift))) }
    }

    mutating func add(_ object: ObjectVersion) {
        add(object.bucket.name)
        add(object.key.string)
        add(object.info.etag.string)
    }

    mutating func add(_ folder: ChunkFolder) {
        add(folder.object)
        add(folder.words)
    }
}
