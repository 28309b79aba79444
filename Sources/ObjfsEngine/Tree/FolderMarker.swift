import Storage

/// What is known of the marker of a folder: an object whose key ends in `/`, and that mostly has no bytes.
struct FolderMarker: Sendable {
    /// The object with what it carries; `nil` if there is none.
    let info: ObjectInfo?
    /// What it carries of a file system's.
    let metadata: FileMetadata
    let learned: ContinuousClock.Instant

    init(_ info: ObjectInfo?) {
        self.info = info
        metadata = FileMetadata(info?.attributes ?? ObjectAttributes())
        learned = .now
    }

    /// The version, if it has bytes: other programs keep something there.
    var versionWithBytes: ETag? { info.flatMap { $0.size > 0 ? $0.etag : nil } }
}
