import Bytes
import CFUSE
import Glibc
import SystemPackage
import VFS

extension Session {
    /// How long the kernel believes attributes that it asked for by themselves.
    private static let attributeTimeout = Duration.seconds(1)

    /// What libfuse calls for each kind of request.
    static func operations() -> fuse_lowlevel_ops {
        var table = fuse_lowlevel_ops()
        addSession(to: &table)
        addNames(to: &table)
        addFiles(to: &table)
        addDirectories(to: &table)
        addChanges(to: &table)
        addExtendedAttributes(to: &table)
        return table
    }

    private static func addSession(to table: inout fuse_lowlevel_ops) {
        table.`init` = { _, connection in
            guard let connection else { return }
            connection.pointee.max_background = Session.background
            connection.pointee.congestion_threshold = Session.background
            connection.pointee.max_write = Session.largestRequest
            connection.pointee.max_readahead = Session.largestRequest
            // Splicing from memory costs more than it saves, measured.
            connection.pointee.want &= ~UInt32(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE)
        }
        table.statfs = { request, _ in
            answer(request) { files throws(Errno) in
                try files.statistics()
            } _: { request, statistics in
                var status = statvfs(statistics)
                fuse_reply_statfs(request, &status)
            }
        }
    }

    private static func addNames(to table: inout fuse_lowlevel_ops) {
        table.lookup = { request, parent, pointer in
            answer(request) { files throws(Errno) in
                guard let pointer, let name = String(validatingCString: pointer) else { throw .noSuchFileOrDirectory }
                return try files.lookup(name, in: Inode(rawValue: parent))
            } _: {
                Reply.entry($0, $1)
            }
        }
        table.forget = { request, inode, count in
            guard let request else { return }
            Session.current(request)?.fileSystem.forget(Inode(rawValue: inode), references: count)
            fuse_reply_none(request)
        }
        table.forget_multi = { request, count, list in
            guard let request else { return }
            let files = Session.current(request)?.fileSystem
            for forget in UnsafeBufferPointer(start: list, count: count) {
                files?.forget(Inode(rawValue: forget.ino), references: forget.nlookup)
            }
            fuse_reply_none(request)
        }
        table.getattr = { request, inode, _ in
            answer(request) { files throws(Errno) in
                try files.attributes(of: Inode(rawValue: inode))
            } _: {
                Reply.attributes($0, $1, timeout: Session.attributeTimeout)
            }
        }
        table.setattr = { request, inode, status, which, info in
            answer(request) { files throws(Errno) in
                guard let status else { throw .invalidArgument }
                return try files.setAttributes(
                    of: Inode(rawValue: inode), AttributeChange(status.pointee, which),
                    handle: info.map { FileHandle(rawValue: $0.pointee.fh) })
            } _: {
                Reply.attributes($0, $1, timeout: Session.attributeTimeout)
            }
        }
        table.readlink = { request, inode in
            answer(request) { files throws(Errno) in
                try files.readLink(Inode(rawValue: inode))
            } _: {
                fuse_reply_readlink($0, $1)
            }
        }
    }

    private static func addFiles(to table: inout fuse_lowlevel_ops) {
        table.open = { request, inode, info in
            guard let info else { return }
            answer(request) { files throws(Errno) in
                try files.open(Inode(rawValue: inode), OpenFlags(info.pointee.flags))
            } _: { request, file in
                let files = Session.current(request)?.fileSystem
                Reply.opened(file, info)
                // A file that the kernel no longer wants is never released by it.
                if fuse_reply_open(request, info) == -ENOENT { files?.release(file.handle) }
            }
        }
        table.read = { request, _, size, offset, info in
            answer(request) { files throws(Errno) in
                try files.read(openHandle(info), at: Int64(offset), count: size)
            } _: {
                Reply.bytes($0, $1)
            }
        }
        table.write = { request, _, bytes, size, offset, info in
            answer(request) { files throws(Errno) in
                // The bytes are libfuse's, and stay until the request is answered.
                let memory = UnsafeMutableRawBufferPointer(
                    mutating: UnsafeRawBufferPointer(start: bytes, count: size))
                let slice = ByteSlice(Buffer(takingOwnershipOf: memory) { _ in })
                try files.write(openHandle(info), at: Int64(offset), slice)
            } _: { request, _ in
                fuse_reply_write(request, size)
            }
        }
        table.flush = { request, _, info in
            guard let caller = request.map(Caller.init) else { return }
            answer(request) { files throws(Errno) in try files.flush(openHandle(info), by: caller) }
        }
        table.fsync = { request, _, dataOnly, info in
            answer(request) { files throws(Errno) in
                try files.synchronize(openHandle(info), dataOnly: dataOnly != 0)
            }
        }
        table.release = { request, _, info in
            answer(request) { files throws(Errno) in files.release(try openHandle(info)) }
        }
        table.fallocate = { request, _, mode, offset, length, info in
            answer(request) { files throws(Errno) in
                try files.allocate(openHandle(info), mode: mode, offset: Int64(offset), length: Int64(length))
            }
        }
        table.copy_file_range = { request, _, offset, source, _, targetOffset, target, count, _ in
            answer(request) { files throws(Errno) in
                try files.copyRange(
                    openHandle(source), at: Int64(offset), to: openHandle(target), at: Int64(targetOffset), count: count
                )
            } _: {
                fuse_reply_write($0, $1)
            }
        }
        table.lseek = { request, _, offset, whence, info in
            answer(request) { files throws(Errno) in
                try files.seek(openHandle(info), offset: Int64(offset), whence: whence)
            } _: {
                fuse_reply_lseek($0, off_t($1))
            }
        }
    }

    private static func addDirectories(to table: inout fuse_lowlevel_ops) {
        table.opendir = { request, inode, info in
            guard let info else { return }
            answer(request) { files throws(Errno) in
                try files.openDirectory(Inode(rawValue: inode))
            } _: {
                request, handle in
                let files = Session.current(request)?.fileSystem
                info.pointee.fh = handle.rawValue
                if fuse_reply_open(request, info) == -ENOENT { files?.releaseDirectory(handle) }
            }
        }
        table.readdir = { request, _, size, offset, info in
            Session.readDirectory(request, size, offset, info, withAttributes: false)
        }
        table.readdirplus = { request, _, size, offset, info in
            Session.readDirectory(request, size, offset, info, withAttributes: true)
        }
        table.releasedir = { request, _, info in
            answer(request) { files throws(Errno) in files.releaseDirectory(try openHandle(info)) }
        }
        table.fsyncdir = { request, _, _, _ in
            guard let request else { return }
            fuse_reply_err(request, 0)
        }
    }

    private static func readDirectory(
        _ request: fuse_req_t?, _ size: Int, _ offset: off_t, _ info: UnsafeMutablePointer<fuse_file_info>?,
        withAttributes: Bool
    ) {
        guard let request, let files = current(request)?.fileSystem else { return }
        var buffer = DirectoryBuffer(request, room: size)
        do throws(Errno) {
            let cookie = UInt64(bitPattern: Int64(offset))
            try files.readDirectory(openHandle(info), after: cookie, withAttributes: withAttributes) { entry in
                withAttributes ? buffer.addWithAttributes(entry) : buffer.add(entry)
            }
            buffer.reply(files)
        } catch {
            fuse_reply_err(request, error.rawValue)
        }
    }

    private static func addChanges(to table: inout fuse_lowlevel_ops) {
        table.create = { request, parent, pointer, mode, info in
            guard let info, let request else { return }
            let caller = Caller(request)
            answer(request) { files throws(Errno) in
                try files.create(
                    name(pointer), in: Inode(rawValue: parent), mode: UInt32(mode), OpenFlags(info.pointee.flags),
                    by: caller)
            } _: { request, created in
                let files = Session.current(request)?.fileSystem
                var parameters = fuse_entry_param(created.entry)
                Reply.opened(created.file, info)
                if fuse_reply_create(request, &parameters, info) == -ENOENT {
                    files?.release(created.file.handle)
                    files?.forget(created.entry.attributes.inode, references: 1)
                }
            }
        }
        table.mkdir = { request, parent, pointer, mode in
            guard let request else { return }
            let caller = Caller(request)
            answer(request) { files throws(Errno) in
                try files.makeDirectory(name(pointer), in: Inode(rawValue: parent), mode: UInt32(mode), by: caller)
            } _: {
                Reply.entry($0, $1)
            }
        }
        table.symlink = { request, target, parent, pointer in
            guard let request else { return }
            let caller = Caller(request)
            answer(request) { files throws(Errno) in
                try files.makeSymbolicLink(name(pointer), in: Inode(rawValue: parent), to: name(target), by: caller)
            } _: {
                Reply.entry($0, $1)
            }
        }
        table.link = { request, _, _, _ in
            guard let request else { return }
            // Objects have one name each.
            fuse_reply_err(request, EPERM)
        }
        table.mknod = { request, parent, pointer, mode, _ in
            guard let request else { return }
            let caller = Caller(request)
            answer(request) { files throws(Errno) in
                // Devices are the system's own, and no store's.
                guard let type = VFS.FileType(mode) else { throw .notPermitted }
                return try files.makeNode(
                    name(pointer), in: Inode(rawValue: parent), type: type, permissions: UInt32(mode) & 0o7777,
                    by: caller)
            } _: {
                Reply.entry($0, $1)
            }
        }
        table.unlink = { request, parent, pointer in
            answer(request) { files throws(Errno) in try files.unlink(name(pointer), in: Inode(rawValue: parent)) }
        }
        table.rmdir = { request, parent, pointer in
            answer(request) { files throws(Errno) in
                try files.removeDirectory(name(pointer), in: Inode(rawValue: parent))
            }
        }
        table.rename = { request, parent, pointer, newParent, newPointer, flags in
            answer(request) { files throws(Errno) in
                try files.rename(
                    name(pointer), in: Inode(rawValue: parent), to: name(newPointer),
                    in: Inode(rawValue: newParent), flags: flags)
            }
        }
    }

    private static func addExtendedAttributes(to table: inout fuse_lowlevel_ops) {
        table.getxattr = { request, inode, pointer, room in
            answer(request) { files throws(Errno) in
                try files.extendedAttribute(name(pointer), of: Inode(rawValue: inode))
            } _: {
                Reply.value($0, $1, room: room)
            }
        }
        table.listxattr = { request, inode, room in
            answer(request) { files throws(Errno) in
                try files.extendedAttributeNames(of: Inode(rawValue: inode))
            } _: { request, names in
                Reply.value(request, names.flatMap { Array($0.utf8) + [0] }, room: room)
            }
        }
        table.setxattr = { request, inode, pointer, value, size, flags in
            answer(request) { files throws(Errno) in
                let bytes = Array(UnsafeRawBufferPointer(start: value, count: size))
                try files.setExtendedAttribute(
                    name(pointer), of: Inode(rawValue: inode), to: bytes, flags: flags)
            }
        }
        table.removexattr = { request, inode, pointer in
            answer(request) { files throws(Errno) in
                try files.removeExtendedAttribute(name(pointer), of: Inode(rawValue: inode))
            }
        }
    }
}

/// The number that the file system gave to an open file or directory.
private func openHandle(_ info: UnsafeMutablePointer<fuse_file_info>?) throws(Errno) -> FileHandle {
    guard let info else { throw .badFileDescriptor }
    return FileHandle(rawValue: info.pointee.fh)
}

extension Caller {
    /// Who sent a request.
    fileprivate init(_ request: fuse_req_t) {
        guard let context = fuse_req_ctx(request) else {
            self.init(user: 0, group: 0, umask: 0)
            return
        }
        self.init(
            user: context.pointee.uid, group: context.pointee.gid, umask: UInt32(context.pointee.umask),
            process: context.pointee.pid)
    }
}

extension VFS.FileType {
    /// What `mknod(2)` is to make; `nil` for what only a real disk can hold.
    fileprivate init?(_ mode: mode_t) {
        switch mode & Glibc.S_IFMT {
        case Glibc.S_IFREG, 0: self = .regular
        case Glibc.S_IFIFO: self = .fifo
        case Glibc.S_IFSOCK: self = .socket
        default: return nil
        }
    }
}
