import Glibc

/// A folder that is there for one test, and gone with everything in it afterwards.
package struct TemporaryFolder: ~Copyable {
    package let path: String

    package init() {
        var template = Array("/tmp/objfs-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { fatalError("no temporary folder: errno \(errno)") }
        path = String(cString: made)
    }

    deinit {
        var status = stat()
        if lstat(path, &status) == 0 { Self.remove(path, device: status.st_dev) }
    }

    /// Removes a file or a folder with all in it, but nothing of another file system:
    /// a mount that a failed test left behind keeps its content.
    private static func remove(_ path: String, device: dev_t) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_dev == device else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            unlink(path)
            return
        }
        for name in names(in: path) { remove(path + "/" + name, device: device) }
        rmdir(path)
    }

    /// Makes a file below the folder, with its folders.
    @discardableResult
    package func write(_ name: String, _ bytes: [UInt8]) -> String {
        let file = path + "/" + name
        makeFolders(above: file)
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        precondition(descriptor >= 0, "\(file) can't be written: errno \(errno)")
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            precondition(count > 0, "\(file) can't be written: errno \(errno)")
            rest = rest.dropFirst(count)
        }
        return file
    }

    /// Makes a folder below the folder.
    @discardableResult
    package func makeFolder(_ name: String) -> String {
        makeFolders(above: path + "/" + name + "/x")
        return path + "/" + name
    }

    private func makeFolders(above file: String) {
        var folder = ""
        for part in file.split(separator: "/").dropLast() {
            folder += "/" + part
            mkdir(folder, 0o755)
        }
    }
}

extension TemporaryFolder {
    /// The names in the folder, in no order, without `.` and `..`.
    package func names() -> [String] { Self.names(in: path) }

    /// The content of a file.
    package static func bytes(of path: String) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = Glibc.read(file, &block, block.count), count > 0 { bytes += block[..<count] }
        return bytes
    }

    /// The names in a folder, in no order, without `.` and `..`.
    package static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// The content of a file below the folder.
    package func read(_ name: String) -> [UInt8] {
        let descriptor = open(path + "/" + name, O_RDONLY | O_CLOEXEC)
        precondition(descriptor >= 0, "\(name) can't be read: errno \(errno)")
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            guard count > 0 else { return bytes }
            bytes += block[..<count]
        }
    }
}
