import Glibc
import ObjfsTesting
import Testing

@Suite(.serialized) struct BuiltProgramTests {
    /// Mounts an empty folder that stands for a bucket, which whoever calls this unmounts.
    ///
    /// - Parameters:
    ///   - limits: What the shell is told before.
    ///   - options: Those of `objfs mount`.
    private func mounted(
        in folder: borrowing TemporaryFolder, limits: String = ":", options: String = ""
    ) throws -> (store: String, point: String) {
        let store = folder.makeFolder("store")
        let point = folder.makeFolder("mount")
        let mount = "(\(limits); '\(Program.objfs)' mount \(options) 'file://\(store)' '\(point)')"
        let mounted = try Shell.run(mount, scratch: folder.path)
        try #require(mounted.status == 0, "\(mounted.output)")
        return (store, point)
    }

    @Test func `C3: the built program mounts a folder, whose chunk files in order are the file, and unmounts`() throws {
        let folder = TemporaryFolder()
        let content = Array((0..<50_000).map { "line \($0)\n" }.joined().utf8)
        let file = folder.write("store/d/f.txt", content)
        let store = folder.path + "/store"
        let point = folder.makeFolder("mount")
        let mounted = try Shell.run("'\(Program.objfs)' mount 'file://\(store)' '\(point)'", scratch: folder.path)
        try #require(mounted.status == 0, "\(mounted.output)")
        defer { umount2(point, 2) }
        let compared = try Shell.run("cat '\(point)'/d/f.txt@chunks@16/* | cmp - '\(file)'", scratch: folder.path)
        #expect(compared.status == 0, "\(compared.output)")
        let counted = try Shell.run("grep -c 7 '\(point)/d/f.txt'; grep -c 7 '\(file)'", scratch: folder.path)
        let counts = counted.output.split(separator: "\n")
        #expect(counts.count == 2 && counts.first == counts.last)
        let unmounted = try Shell.run("'\(Program.objfs)' umount '\(point)'", scratch: folder.path)
        #expect(unmounted.status == 0, "\(unmounted.output)")
    }

    @Test func `W2: more files can be open to write them than the shell's limit of descriptors is`() throws {
        let folder = TemporaryFolder()
        let (store, point) = try mounted(in: folder, limits: "ulimit -Sn 64")
        defer { umount2(point, 2) }
        let script =
            "f = [open(f'\(point)/{n}', 'w') for n in range(200)]\nfor x in f: x.write('x')\nfor x in f: x.close()"
        let written = try Shell.run("python3 -c \"\(script)\"", scratch: folder.path)
        #expect(written.status == 0, "\(written.output)")
        #expect(TemporaryFolder.names(in: store).filter { !$0.hasPrefix(".") }.count == 200)
    }

    @Test func `W1, W2: more files than there can be descriptors for are refused, and those that were not are stored`()
        throws
    {
        let folder = TemporaryFolder()
        let (store, point) = try mounted(in: folder, limits: "ulimit -n 256")
        defer { umount2(point, 2) }
        let script = folder.write(
            "script",
            Array(
                """
                import errno
                files = []
                try:
                    for n in range(200):
                        files.append(open(f'\(point)/{n}', 'w'))
                        files[-1].write('x')
                except OSError as error: print(errno.errorcode[error.errno])
                for file in files: file.close()
                print(len(files) > 50)
                print(all(open(f'\(store)/{n}').read() == 'x' for n in range(len(files))))
                """.utf8))
        let written = try Shell.run("timeout -s KILL 30 python3 '\(script)'", scratch: folder.path)
        #expect(written.output == "ENFILE\nTrue\nTrue\n")
    }

    @Test func `W2: a read of what was written here and there is answered`() throws {
        let folder = TemporaryFolder()
        let (_, point) = try mounted(in: folder)
        defer { umount2(point, 2) }
        // More pieces than one call of the kernel takes.
        let script = folder.write(
            "script",
            Array(
                """
                import mmap, os
                f = os.open('\(point)/a', os.O_RDWR | os.O_CREAT)
                for n in range(2048): os.pwrite(f, b'x', n * 512)
                d = os.open('\(point)/a', os.O_RDONLY | os.O_DIRECT)
                buffer = mmap.mmap(-1, 1 << 20)
                wanted = (b'x' + bytes(511)) * 2047 + b'x'
                assert os.preadv(d, [buffer], 0) == len(wanted) and buffer[:len(wanted)] == wanted
                assert os.pread(f, 1 << 20, 0) == wanted
                """.utf8))
        let read = try Shell.run("timeout -s KILL 20 python3 '\(script)'", scratch: folder.path)
        #expect(read.status == 0, "\(read.output)")
    }

    @Test func `M7, W8: a folder that stands for a bucket keeps what its folders are given, and they move as a whole`()
        throws
    {
        let folder = TemporaryFolder()
        // Names and attributes are asked for anew each time, as another mount would.
        let (store, point) = try mounted(in: folder, options: "--metadata-ttl 0")
        defer { umount2(point, 2) }
        let done = try Shell.run(
            """
            set -e; cd '\(point)'; umask 022
            mkdir -m 700 d; chmod 1777 d; mkdir d/e; chmod 750 d/e; echo x > d/e/f; touch -d 2001-02-03 d/e
            setfattr -n user.k -v v d/e
            mkdir -p k/b/c/e; echo 1 > k/b/c/e/g
            sleep 1.1
            stat -c '%a' d d/e; stat -c '%y' d/e | cut -c1-10; getfattr --only-values -n user.k d/e; echo
            mv d n; mv k kz
            ls -A; find kz | sort
            stat -c '%a' n n/e; stat -c '%y' n/e | cut -c1-10
            rm -r n kz; ls -A
            """, scratch: folder.path)
        #expect(done.status == 0, "\(done.output)")
        let wanted = """
            1777
            750
            2001-02-03
            v
            kz
            n
            kz
            kz/b
            kz/b/c
            kz/b/c/e
            kz/b/c/e/g
            1777
            750
            2001-02-03

            """
        #expect(done.output == wanted)
        #expect(TemporaryFolder.names(in: store).isEmpty)
    }

    @Test func `who is killed need not wait for a store that does not answer`() throws {
        let folder = TemporaryFolder()
        let point = folder.makeFolder("mount")
        let server = folder.write(
            "server",
            Array(
                """
                import http.server, os, sys, time
                class Handler(http.server.BaseHTTPRequestHandler):
                    def do_GET(self):
                        while os.path.exists('\(folder.path)/silent'): time.sleep(0.05)
                        body = (b'<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated><Contents><Key>f</Key>'
                                b'<LastModified>2026-01-01T00:00:00Z</LastModified><ETag>"e"</ETag><Size>9</Size>'
                                b'</Contents></ListBucketResult>')
                        self.send_response(200); self.send_header('Content-Length', str(len(body)))
                        self.send_header('ETag', '"e"')
                        self.end_headers(); self.wfile.write(body)
                    do_HEAD = do_GET
                    def log_message(self, *words): pass
                server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
                open('\(folder.path)/port', 'w').write(str(server.server_port))
                server.serve_forever()
                """.utf8))
        let done = try Shell.run(
            """
            cd '\(folder.path)'
            python3 '\(server)' & server=$!
            trap 'kill $server; rm -f silent; fusermount3 -uqz "\(point)"' EXIT
            until [ -s port ]; do sleep 0.05; done
            export AWS_ACCESS_KEY_ID=k AWS_SECRET_ACCESS_KEY=s AWS_ENDPOINT_URL=http://127.0.0.1:$(cat port)
            '\(Program.objfs)' mount --metadata-ttl 0 s3://b '\(point)' || exit 1
            stat -c %s '\(point)/f' || exit 1
            touch silent
            for program in 'stat \(point)/f' 'ls \(point)/' 'cat \(point)/f' 'touch \(point)/new'; do
                for signal in KILL TERM INT; do
                    timeout -s $signal 1 env $program > program.out 2>&1 &
                    waiting="$waiting $!"
                done
            done
            # A signal that is handled interrupts nothing; one after it that kills, does.
            cat > handled.py <<'END'
            import os, signal, sys
            signal.signal(signal.SIGALRM, lambda *words: None)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            os.stat(sys.argv[1])
            print('answered')
            END
            timeout -s TERM 2 python3 handled.py '\(point)/f' & handled=$!
            sleep 1; kill -0 $handled || echo 'ended by a signal that is handled'
            start=$(date +%s)
            wait $handled; echo $?
            for program in $waiting; do wait $program; done
            [ $(($(date +%s) - start)) -lt 20 ] || echo late
            rm silent
            stat -c %s '\(point)/f'
            """, scratch: folder.path)
        #expect(done.output == "9\n124\n9\n", "\(done.output)")
    }

    @Test func `a folder is not mounted over or inside itself`() throws {
        let folder = TemporaryFolder()
        folder.write("store/sub/x", [])
        symlink(folder.path + "/store", folder.path + "/link")
        for point in ["store", "store/sub", "link/sub"] {
            for source in ["file://\(folder.path)/store", "\(folder.path)/link"] {
                let mounted = try Shell.run(
                    "timeout -s KILL 20 '\(Program.objfs)' mount '\(source)' '\(folder.path)/\(point)'",
                    scratch: folder.path)
                #expect(mounted.status == 3 && mounted.output.contains("inside itself"), "\(mounted.output)")
            }
        }
    }
}
