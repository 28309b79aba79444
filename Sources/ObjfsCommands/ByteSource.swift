import Bytes
import Chunks
import Decompression
import Records
import Storage
import Threads

/// What a name of bytes means: an object, one chunk of it, as `KEY@chunks@16/chunk-03`, or what it decompresses to,
/// as `KEY@plain`.
struct ByteSource {
    private let store: any ObjectStore
    private let object: ObjectInfo
    private let content: ChunkContent

    /// Finds the bytes that a location names; an object whose own key looks like a chunk's wins.
    init(_ location: Location) throws(StorageError) {
        if let object = try Selection.find(location) {
            self.init(location.store, object, ChunkContent(0..<object.size))
            return
        }
        if let plain = PlainFileName(location.key) {
            try self.init(chunk: "chunk-0", of: plain.file, ChunkParameters(cut: .count(1)), location)
            return
        }
        guard let (key, words, name) = Self.split(location.key) else { throw .notFound() }
        let parameters: ChunkParameters
        do {
            parameters = try ChunkParameters(words: words, defaults: ChunkParameters())
        } catch {
            throw StorageError(.invalid, error.description)
        }
        try self.init(chunk: name, of: key, parameters, location)
    }

    private init(_ store: any ObjectStore, _ object: ObjectInfo, _ content: ChunkContent) {
        self.store = store
        self.object = object
        self.content = content
    }

    private init(
        chunk name: String, of key: String, _ parameters: ChunkParameters, _ location: Location
    ) throws(StorageError) {
        let found = try location.store.info(ObjectKey(key))
        let index = try ChunkIndex.open(
            store: location.store, object: found, parameters: parameters,
            borders: BorderCache(folder: CacheFolder.borders), pool: WorkerPool("objfs-borders", limit: 8),
            effort: .readingAhead(WorkerPool("objfs-ahead", limit: 8)))
        guard let number = ChunkName(count: index.count).index(name) else {
            throw StorageError(.notFound, "there are \(index.count) chunks, from chunk-0 on")
        }
        self.init(index.store, index.object, try index.content(of: try index.chunk(number)))
    }

    /// The key, the words and the name of a chunk file; `nil` if a name is not of this form.
    private static func split(_ name: String) -> (key: String, words: [String], chunk: String)? {
        guard let slash = name.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        let folder = name[..<slash].split(separator: "@", omittingEmptySubsequences: false)
        guard let place = folder.lastIndex(of: "chunks"), place > 0 else { return nil }
        return (
            folder[..<place].joined(separator: "@"), folder[(place + 1)...].map(String.init),
            String(name[name.utf8.index(after: slash)...])
        )
    }

    /// How many bytes there are.
    var count: Int64 { content.count }

    /// Some of the bytes, in memory; the end of the range is excluded.
    func bytes(_ range: Range<Int64>) throws(StorageError) -> [UInt8] {
        var bytes: [UInt8] = []
        try read(ByteRange(range)) { part in
            bytes.append(contentsOf: part)
            return true
        }
        return bytes
    }

    /// Hands on the bytes, or some of them.
    func read(_ part: ByteRange?, into sink: (UnsafeRawBufferPointer) -> Bool) throws(StorageError) {
        let whole = 0..<count
        for (part, _) in content.parts((part?.range ?? whole).clamped(to: whole)) {
            var isEnough = false
            switch part {
            case .literal(let bytes): isEnough = !bytes.withUnsafeBytes { sink($0) }
            case .object(let range):
                try store.read(object.key, range: range, ifVersion: object.etag) { bytes in
                    isEnough = !sink(bytes)
                    return !isEnough
                }
            }
            if isEnough { return }
        }
    }
}
