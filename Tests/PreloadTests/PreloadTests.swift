import ObjfsTesting
import Testing

/// The library alone, with a folder where a mount would be.
@Suite struct PreloadTests {
    private static let library =
        Program.objfs.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        + "/libobjfs-preload.so"

    /// Runs a program with the library, a bucket `b` that holds a file `k`, and another folder to work in.
    private func run(_ arguments: [String], _ folder: borrowing TemporaryFolder) throws -> Program {
        folder.write("root/s3/b/k", Array("hello\n".utf8))
        folder.write("root/s3/b/d/x.txt", Array("x\n".utf8))
        return try Program.run(
            arguments, environment: ["LD_PRELOAD": Self.library, "OBJFS_ROOT": folder.path + "/root"],
            folder: folder.makeFolder("work"))
    }

    @Test(arguments: ["s3://b/k", "s3:/b/k", "/tmp/s3:/b/k", "./s3:/b/k", "/s3:/c/s3:/b/k"] as [String])
    func `S3: each spelling of a URL is the object`(url: String) throws {
        let folder = TemporaryFolder()
        let program = try run(["cat", url], folder)
        #expect(program.standardOutput == "hello\n", "\(url): \(program.standardError)")
    }

    @Test func `S3: a file URL is the file`() throws {
        let folder = TemporaryFolder()
        let program = try run(["cat", "file://\(folder.path)/root/s3/b/k"], folder)
        #expect(program.standardOutput == "hello\n", "\(program.standardError)")
    }

    @Test func `S3: the functions that take a path take a URL`() throws {
        let folder = TemporaryFolder()
        let script = """
            import os, glob, pathlib, tempfile, subprocess, shutil, ctypes
            u = 's3://b/'
            with open(u + 'n', 'w') as f: f.write('new')
            assert os.stat(u + 'n').st_size == 3 and os.lstat(u + 'n').st_size == 3
            assert os.access(u + 'n', os.R_OK) and not os.access(u + 'none', os.F_OK)
            os.rename(u + 'n', u + 'm'); os.replace(u + 'm', u + 'n')
            os.link(u + 'n', u + 'l'); os.unlink(u + 'l')
            os.symlink(u + 'n', u + 's'); assert open(u + 's').read() == 'new'
            assert os.readlink(u + 's') == '/s3:/b/n', os.readlink(u + 's')
            os.remove(u + 's')
            os.truncate(u + 'n', 1); assert os.path.getsize(u + 'n') == 1
            os.chmod(u + 'n', 0o600); assert os.stat(u + 'n').st_mode & 0o777 == 0o600
            os.utime(u + 'n', (5, 6)); assert os.stat(u + 'n').st_mtime == 6
            os.chown(u + 'n', os.getuid(), os.getgid()); os.lchown(u + 'n', os.getuid(), os.getgid())
            os.makedirs(u + 'p/q/r'); os.removedirs(u + 'p/q/r'); assert not os.path.exists(u + 'p')
            os.mkfifo(u + 'fifo'); os.unlink(u + 'fifo')
            assert sorted(os.listdir(u)) == ['d', 'k', 'n'] and sorted(e.name for e in os.scandir(u)) == ['d', 'k', 'n']
            assert [d for d, _, _ in os.walk(u)] == [u, u + 'd']
            assert glob.glob(u + 'd/*.txt') == [u + 'd/x.txt']
            assert pathlib.Path(u + 'k').read_text() == 'hello\\n' and pathlib.Path(u + 'k').resolve().exists()
            os.statvfs(u); os.pathconf(u, 'PC_NAME_MAX')
            d = os.open('/', os.O_RDONLY)
            os.close(os.open(u + 'k', os.O_RDONLY, dir_fd=d)); os.stat(u + 'k', dir_fd=d)
            t = tempfile.mkdtemp(dir=u); os.rmdir(t)
            h, t = tempfile.mkstemp(dir=u); os.close(h); os.unlink(t)
            shutil.copytree(u + 'd', u + 'e'); shutil.rmtree(u + 'e')
            try: open(u + 'none')
            except FileNotFoundError: pass
            try: open(u + 'x' * 5000)
            except OSError as e: assert e.errno == 36, e
            c = ctypes.CDLL(None, use_errno=True)
            c.realpath.restype = c.mkdtemp.restype = c.canonicalize_file_name.restype = ctypes.c_char_p
            c.fopen.restype = c.freopen.restype = c.opendir.restype = ctypes.c_void_p
            assert c.realpath(b's3://b/k', None) == b'/s3:/b/k'
            assert c.canonicalize_file_name(b's3:/b/d/../k') == b'/s3:/b/k'
            assert c.fopen(b's3://b/k', b'r') and c.fopen64(b's3://b/k', b'r') and c.opendir(b's3://b')
            for f in c.__open_2, c.__open64_2, c.open, c.open64: assert f(b's3://b/k', 0) >= 0
            for f in c.__openat_2, c.__openat64_2, c.openat, c.openat64: assert f(-100, b's3://b/k', 0) >= 0
            for f in c.creat, c.creat64: assert f(b's3://b/c', 0o600) >= 0
            b = ctypes.create_string_buffer(4096)
            for f in c.__xstat, c.__lxstat, c.__xstat64, c.__lxstat64: assert f(1, b's3://b/k', b) == 0
            assert c.__fxstatat(1, -100, b's3://b/k', b, 0) == 0 and c.statx(-100, b's3://b/k', 0, 0xfff, b) == 0
            for f in c.eaccess, c.euidaccess: assert f(b's3://b/k', 4) == 0
            for n in 'mkstemp', 'mkstemp64':
                s = ctypes.create_string_buffer(b's3://b/tXXXXXX'); assert getattr(c, n)(s) >= 0
                assert s.value != b's3://b/tXXXXXX'; os.unlink(s.value)
            s = ctypes.create_string_buffer(b's3://b/tXXXXXX.c'); assert c.mkstemps(s, 2) >= 0; os.unlink(s.value)
            assert c.unlink(b's3://b/c') == 0 and c.remove(b's3://b/n') == 0
            open(u + 'run', 'w').write('#!/bin/sh\\necho ran $1\\n'); os.chmod(u + 'run', 0o755)
            assert subprocess.check_output([u + 'run', 's3://b/z']) == b'ran s3://b/z\\n'
            p = os.posix_spawn(u + 'run', ['run'], os.environ); assert os.waitpid(p, 0)[1] == 0
            assert subprocess.check_output(['cat', 'k'], cwd='s3://b') == b'hello\\n'
            os.chdir('s3://b/d'); assert os.getcwd() == '/s3:/b/d' and open('x.txt').read() == 'x\\n'
            assert open(os.path.abspath('x.txt')).read() == 'x\\n' and open(os.path.realpath('s3://b/k')).read() == 'hello\\n'
            os.chdir('..'); assert os.getcwd() == '/s3:/b'
            print('done')
            """
        let program = try run(["python3", "-c", script], folder)
        #expect(program.standardOutput.hasSuffix("done\n"), "\(program.standardOutput)\(program.standardError)")
    }

    @Test func `S2: the library needs the library of C, and nothing of Swift`() throws {
        let shown = try Program.run(["readelf", "-d", "--wide", Self.library]).standardOutput
        let needed = shown.split(separator: "\n").filter { $0.contains("(NEEDED)") }
        #expect(needed.count == 1 && needed[0].contains("[libc.so.6]"), "\(needed)")
        let symbols = try Program.run(["nm", "-D", Self.library]).standardOutput
        #expect(!symbols.contains("swift"), "\(symbols)")
    }

    /// The functions of glibc that take a path, or answer with one.
    private static let functions = """
        open open64 openat openat64 __open_2 __open64_2 __openat_2 __openat64_2 creat creat64
        fopen fopen64 freopen freopen64 opendir scandir scandir64 scandirat scandirat64
        ftw ftw64 nftw nftw64 glob glob64 fts_open fts64_open inotify_add_watch
        mkstemp mkstemp64 mkostemp mkostemp64 mkstemps mkstemps64 mkostemps mkostemps64 mkdtemp mktemp
        stat stat64 lstat lstat64 fstatat fstatat64 statx
        __xstat __xstat64 __lxstat __lxstat64 __fxstatat __fxstatat64
        access faccessat eaccess euidaccess statfs statfs64 statvfs statvfs64 pathconf name_to_handle_at
        truncate truncate64 chmod lchmod fchmodat chown lchown fchownat
        utime utimes lutimes futimesat utimensat
        unlink unlinkat remove mkdir mkdirat rmdir mknod mknodat __xmknod __xmknodat mkfifo mkfifoat
        rename renameat renameat2 link linkat symlink symlinkat
        readlink readlinkat __readlink_chk __readlinkat_chk
        setxattr lsetxattr getxattr lgetxattr listxattr llistxattr removexattr lremovexattr
        realpath __realpath_chk canonicalize_file_name chdir chroot
        getcwd __getcwd_chk getwd __getwd_chk get_current_dir_name
        execve execv execvp execvpe execveat execl execlp execle
        posix_spawn posix_spawnp posix_spawn_file_actions_addopen posix_spawn_file_actions_addchdir_np syscall
        """

    @Test func `S3: each function of the C library that takes a path is there`() throws {
        let wanted = Set(Self.functions.split(whereSeparator: \.isWhitespace).map(String.init))
        let symbols = try Program.run(["nm", "-D", "--defined-only", Self.library]).standardOutput
        // Those that some linkers add to any library.
        let marks = ["_edata", "_end", "__bss_start"]
        let defined = Set(symbols.split(separator: "\n").compactMap { $0.split(separator: " ").last.map(String.init) })
            .subtracting(marks)
        #expect(defined == wanted, "\(wanted.symmetricDifference(defined))")
    }

    @Test func `S3: each of them takes a URL, in a program that was built with checked buffers`() throws {
        let folder = TemporaryFolder()
        let source = #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 } + "/Suites/calls.c"
        let built = try Program.run(
            ["gcc", "-O2", "-D_FORTIFY_SOURCE=2", "-o", folder.path + "/calls", source])
        try #require(built.status == 0, "\(built.standardError)")
        let called = try run([folder.path + "/calls", "s3://b"], folder)
        #expect(called.standardOutput == "done\n", "\(called.standardError)")
    }

    @Test func `S3: an empty root refuses every object, and no local file is made in its place`() throws {
        let folder = TemporaryFolder()
        let program = try Program.run(
            ["cat", "s3://b/k"], environment: ["LD_PRELOAD": Self.library, "OBJFS_ROOT": "", "LC_ALL": "C"],
            folder: folder.path)
        #expect(program.status == 1)
        #expect(program.standardError.contains("Permission denied"))
    }
}
