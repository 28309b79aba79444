import Storage

/// The media type of an object by the end of its name, as far as browsers and tools go by it.
package enum MediaType {
    private static let types: [String: String] = [
        "avif": "image/avif", "bz2": "application/x-bzip2", "css": "text/css", "csv": "text/csv",
        "gif": "image/gif", "gz": "application/gzip", "htm": "text/html", "html": "text/html",
        "jpeg": "image/jpeg", "jpg": "image/jpeg", "js": "text/javascript", "json": "application/json",
        "jsonl": "application/jsonl", "md": "text/markdown", "mp3": "audio/mpeg", "mp4": "video/mp4",
        "parquet": "application/vnd.apache.parquet", "pdf": "application/pdf", "png": "image/png",
        "svg": "image/svg+xml", "tar": "application/x-tar", "tsv": "text/tab-separated-values",
        "txt": "text/plain", "webp": "image/webp", "xml": "application/xml", "xz": "application/x-xz",
        "zip": "application/zip", "zst": "application/zstd",
    ]

    /// The type that a key's extension stands for.
    package static func of(_ key: String) -> String {
        let name = key.pathParts.last ?? ""
        let parts = name.split(separator: ".")
        guard parts.count > 1, let end = parts.last else { return "application/octet-stream" }
        return types[end.lowercased()] ?? "application/octet-stream"
    }
}
