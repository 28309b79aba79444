import CLinux
import Glibc
import Processes

/// The file of a program, and how URLs reach it.
struct ShimProgram {
    /// How a program finds what its URLs name.
    enum Way: String {
        /// The library translates what it opens.
        case preloaded = "preloaded"
        /// The library does, but its arguments are paths already: URLs would mean something of its own.
        case preloadedWithPaths = "preloaded, arguments rewritten"
        /// It can't be reached, and gets paths as arguments.
        case rewritten = "arguments rewritten"

        /// How URLs in its arguments are written; `nil` if they stay as they are.
        func spelling(_ root: ShimRoot?) -> ShimPath.Spelling? {
            guard let root else { return nil }
            return switch self {
            case .preloaded: nil
            case .preloadedWithPaths: .named
            case .rewritten: .mounted(root)
            }
        }
    }

    /// Where it is; as it was given if it is nowhere, for the system then says why.
    let path: String
    let way: Way
    /// Whether it runs with rights that are not its caller's.
    let hasOtherRights: Bool

    /// Programs for which `s3:` before a path is a host, a protocol or a format.
    private static let readsURLs: Set<String> = [
        "rsync", "scp", "sftp", "rclone", "aws", "s5cmd", "curl", "wget", "ffmpeg", "ffprobe", "ffplay", "convert",
        "magick", "git", "identify", "mogrify", "composite", "montage", "compare", "gdalinfo", "gdal_translate",
        "ogrinfo",
        "samtools", "bcftools", "tabix", "bgzip",
    ]

    /// Finds a program as a shell does.
    init(_ name: String, root: ShimRoot?) {
        if name.contains("/") {
            path = ShimPath.rewritten(name, root.map { .mounted($0) })
        } else {
            let folders = (Environment.value("PATH") ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
            path = folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 && !Self.isFolder($0) } ?? name
        }
        hasOtherRights = Self.hasOtherRights(path)
        let base = path.split(separator: "/").last.map(String.init) ?? path
        if !Self.canPreload(path, depth: 0) {
            way = .rewritten
        } else {
            way = Self.readsURLs.contains(base) ? .preloadedWithPaths : .preloaded
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether the loader puts the library into it, or into the program that reads its script.
    private static func canPreload(_ path: String, depth: Int) -> Bool {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return !hasOtherRights(path) }
        defer { close(file) }
        var head = [UInt8](repeating: 0, count: 256)
        let found = pread(file, &head, head.count, 0)
        head.removeLast(head.count - max(found, 0))
        if head.starts(with: Array("#!".utf8)), depth < 4 {
            let line = String(decoding: head.dropFirst(2).prefix { $0 != 0x0A }, as: UTF8.self)
            let interpreter = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).first
            return interpreter.map { canPreload(String($0), depth: depth + 1) } ?? true
        }
        guard head.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else { return true }
        return !hasOtherRights(path) && ElfFile(file).takesPreloads
    }

    /// Whether it is setuid, setgid, or has capabilities: the loader ignores foreign libraries then.
    private static func hasOtherRights(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        return status.st_mode & (S_ISUID | S_ISGID) != 0 || getxattr(path, "security.capability", nil, 0) > 0
    }
}
