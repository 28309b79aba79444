import Bytes
import Digests
import Glibc
import ObjfsEngine
import Storage
import VFS

/// Brings objects from one place to another.
///
/// An object becomes visible in its new place whole or not at all, be that a bucket or a folder.
struct Transfer: Sendable {
    /// What is kept of a file beside its content.
    enum Keeping: Sendable {
        case content
        /// The time of its change too.
        case time
        /// Time and permissions.
        case all
    }

    let source: any ObjectStore
    let target: any ObjectStore
    /// The folders of this machine, where they are such.
    let sourceFolder: DirectoryStore?
    let drafts: DirectoryDrafts?
    let keeping: Keeping
    /// Whether what an earlier attempt has brought is gone on with.
    let resumes: Bool
    /// Whether a large object that comes down is checked by its MD5, which takes longer than to fetch it.
    let verifies: Bool
    let team: TransferTeam
    let report: TransferReport
    let leftovers: Leftovers

    /// How large a part is, and up to which size an object is one, in bytes; that of Amazon's own programs.
    static let part: Int64 = 8 << 20

    /// The size of the parts of an object: 10,000 parts must do.
    static func part(of size: Int64) -> Int64 {
        guard size > part * 9_000 else { return part }
        return ((size / 9_000) >> 20 + 1) << 20
    }

    /// The size of the parts in which an object comes down: they go to the disk as they come, and so may be larger.
    static func partDown(of size: Int64) -> Int64 {
        let sixteenth = (size / (16 << 20)) << 20
        return max(min(max(sixteenth, part), 64 << 20), part(of: size))
    }

    /// The ranges of the parts of an object; the end of each is excluded.
    static func range(_ index: Int, of size: Int64, by part: Int64) -> Range<Int64> {
        let start = min(Int64(index) * part, size)
        return start..<min(start + part, size)
    }

    /// The numbers of the parts of an object, from 0 on.
    static func indices(of size: Int64, by part: Int64) -> [Int] {
        Array(0..<Int((size / part) + (size % part > 0 ? 1 : 0)))
    }

    /// Copies one version of an object.
    func copy(_ object: ObjectInfo, to key: ObjectKey) throws(StorageError) {
        guard source.name != target.name || object.key != key else {
            throw StorageError(.invalid, "source and target are the same")
        }
        if object.key.endsInSlash {
            try makeFolder(key)
        } else if let drafts {
            try download(object, to: key, drafts)
        } else if source.name == target.name {
            try target.copy(object.key, ifVersion: object.etag, to: key, attributes: nil)
            report.add(Int(clamping: object.size))
        } else if let sourceFolder {
            try upload(DirectoryReading(sourceFolder, object.key), to: key)
        } else if try !copyInside(object, to: key) {
            try pass(object, to: key)
        }
    }

    /// Makes a folder; one that is there keeps what it carries.
    private func makeFolder(_ key: ObjectKey) throws(StorageError) {
        let attributes: ObjectAttributes = drafts == nil ? .folder : ObjectAttributes()
        do throws(StorageError) {
            try target.write(key, .empty, attributes: attributes, lookedAt: .absent)
        } catch {
            guard error.code == .preconditionFailed else { throw error }
        }
    }

    // MARK: Between stores

    /// Lets the service copy an object from one of its buckets to another; `false` if it can't.
    private func copyInside(_ object: ObjectInfo, to key: ObjectKey) throws(StorageError) -> Bool {
        guard let reference = source.reference, target.reference?.isNeighbour(of: reference) == true else {
            return false
        }
        do throws(StorageError) {
            try target.copy(object.key, of: reference, ifVersion: object.etag, to: key)
        } catch {
            switch error.code {
            // Rules for each bucket may allow to read here and to write there, and no copy.
            case .unsupported, .invalid, .accessDenied, .corrupted: return false
            default: throw error
            }
        }
        report.add(Int(clamping: object.size))
        return true
    }

    /// Copies an object through this machine, from one service to another or from one bucket to another.
    private func pass(_ object: ObjectInfo, to key: ObjectKey) throws(StorageError) {
        guard object.size > Self.part else {
            return try team.with(memory: object.size) { () throws(StorageError) in
                let (bytes, info) = try read(object, 0..<object.size)
                try check(bytes, info)
                try target.write(key, bytes, attributes: info.attributes ?? ObjectAttributes(), condition: .always)
            }
        }
        let info = try source.info(object.key)
        guard info.etag == object.etag else { throw .changed() }
        try inParts(info.size, key, info.attributes ?? ObjectAttributes()) { (range) throws(StorageError) in
            try read(info, range).0
        }
    }

    private func read(_ object: ObjectInfo, _ range: Range<Int64>) throws(StorageError) -> (ByteSlice, ObjectInfo) {
        let buffer = Buffer(count: range.count)
        var filled = 0
        // A whole object needs no range, and an empty one can have none.
        let isWhole = range == 0..<object.size
        let info = try source.read(object.key, range: isWhole ? nil : range, ifVersion: object.etag) { part in
            guard filled + part.count <= buffer.count else { return false }
            UnsafeMutableRawBufferPointer(rebasing: buffer.memory[filled...]).copyMemory(from: part)
            filled += part.count
            report.add(part.count)
            return true
        }
        guard filled == range.count else { throw Self.wrongSize }
        return (ByteSlice(buffer), info)
    }

    private func check(_ bytes: ByteSlice, _ info: ObjectInfo) throws(StorageError) {
        guard let digest = info.contentMD5, bytes.withUnsafeBytes({ Digest.md5($0) }) != digest else { return }
        throw Self.wrongDigest
    }

    static let wrongSize = StorageError(.corrupted, "the store sent another number of bytes than the object has")
    static let wrongDigest = StorageError(.corrupted, "what the store sent has not the MD5 that it told")
}
