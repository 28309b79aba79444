import Bytes
import CFUSE
import Glibc
import SystemPackage
import VFS

/// Answers a request with what a file system says, exactly once: `reply` for a result, an errno for an error.
func answer<Result>(
    _ request: fuse_req_t?, _ body: (any FileSystem) throws(Errno) -> Result,
    _ reply: (fuse_req_t, Result) -> Void
) {
    guard let request else { return }
    guard let session = Session.current(request) else {
        fuse_reply_err(request, ENODEV)
        return
    }
    session.countRequest()
    do throws(Errno) {
        reply(request, try body(session.fileSystem))
    } catch {
        fuse_reply_err(request, error.rawValue)
    }
}

/// Answers a request whose answer is only that it was done.
func answer(_ request: fuse_req_t?, _ body: (any FileSystem) throws(Errno) -> Void) {
    answer(request, body) { request, _ in fuse_reply_err(request, 0) }
}

/// The name in a request.
///
/// - Throws: `EILSEQ` if it is not UTF-8: no key of a bucket is.
func name(_ pointer: UnsafePointer<CChar>?) throws(Errno) -> String {
    guard let pointer, let name = String(validatingCString: pointer) else { throw .illegalByteSequence }
    return name
}

enum Reply {
    static func entry(_ request: fuse_req_t, _ entry: Entry) {
        var parameters = fuse_entry_param(entry)
        // If the kernel did not take the entry, it will not forget it either.
        let session = Session.current(request)
        if fuse_reply_entry(request, &parameters) == -ENOENT {
            session?.fileSystem.forget(entry.attributes.inode, references: 1)
        }
    }

    /// The attributes of a file; the kernel asks again when their time is over.
    static func attributes(_ request: fuse_req_t, _ attributes: Attributes, timeout: Duration) {
        var status = stat(attributes)
        fuse_reply_attr(request, &status, timeout.seconds)
    }

    /// Bytes, as slices that go to the kernel from where they are.
    ///
    /// The corresponding C function is `fuse_reply_iov`.
    static func bytes(_ request: fuse_req_t, _ slices: [ByteSlice]) {
        // The kernel takes 1024 parts at most, libfuse's head among them, and else there would be no answer at all.
        let slices = slices.count < 1000 ? slices : [ByteSlice(joining: slices)]
        // The slices keep their memory while this runs, so the pointers stay good.
        withExtendedLifetime(slices) {
            let parts = slices.map { slice in
                slice.withUnsafeBytes {
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
                }
            }
            fuse_reply_iov(request, parts, Int32(parts.count))
        }
    }

    /// The value of an extended attribute, or a list of names, or only how long it is where nobody gave it room.
    static func value(_ request: fuse_req_t, _ value: [UInt8], room: Int) {
        if room == 0 {
            fuse_reply_xattr(request, value.count)
        } else if value.count > room {
            fuse_reply_err(request, ERANGE)
        } else {
            _ = value.withUnsafeBytes { fuse_reply_buf(request, $0.baseAddress, $0.count) }
        }
    }

    /// Where an open file's number and its ways of caching are told.
    static func opened(_ file: OpenedFile, _ info: UnsafeMutablePointer<fuse_file_info>) {
        info.pointee.fh = file.handle.rawValue
        info.pointee.keep_cache = file.keepsCache ? 1 : 0
        info.pointee.direct_io = file.isDirect ? 1 : 0
    }
}
