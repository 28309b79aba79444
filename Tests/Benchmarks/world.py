"""Servers, mounts and data of the benchmarks; all are taken down when the program ends."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
OBJFS = os.path.join(ROOT, ".build", "release", "objfs")
TOOLS = os.path.join(ROOT, ".build-tools", "bin")
os.environ["PATH"] += os.pathsep + TOOLS
MIB = 1 << 20
GIB = 1 << 30

work = tempfile.mkdtemp(prefix="objfs-bench-")
_mounts, _processes = [], []


def _take_down():
    for point in reversed(_mounts):
        subprocess.run(["fusermount3", "-uz", point], stderr=subprocess.DEVNULL)
    for process in reversed(_processes):
        process.terminate()
    for process in reversed(_processes):
        process.wait()
    shutil.rmtree(work, ignore_errors=True)


atexit.register(_take_down)


def folder(*names):
    path = os.path.join(work, *names)
    os.makedirs(path, exist_ok=True)
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"bench: nothing listens on port {port}")


def start(command, **options):
    """Starts a program that is ended with the benchmarks."""
    options.setdefault("stderr", subprocess.DEVNULL)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    _processes.append(process)
    return process


def text(path, size):
    """A file of text lines, of this size or a line more."""
    if os.path.exists(path) and os.path.getsize(path) >= size:
        return path
    lines = b"".join(b"%08d the quick brown fox jumps over the lazy dog %d\n" % (i, i * i) for i in range(20000))
    with open(path, "wb") as file:
        while file.tell() < size:
            file.write(lines)
    return path


def bucket_of_one_gib():
    """A folder of buckets, with one object of 1 GiB of text in one of them."""
    directory = folder("data", "bucket")
    text(os.path.join(directory, "big"), GIB)
    return os.path.dirname(directory)


KEYS = ("ACCESS", "SECRET")


def rclone_server(directory):
    """`rclone serve s3` over a folder of buckets; returns the URL of the service."""
    port = free_port()
    start(["rclone", "serve", "s3", "--auth-key", ",".join(KEYS), "--addr", f"127.0.0.1:{port}", directory])
    wait_for_port(port)
    return f"http://127.0.0.1:{port}"


def ceph_server():
    """Ceph's object gateway over a cluster of one disk in a folder; returns the URL of the service."""
    home, port = folder("ceph"), free_port()
    first, second = free_port(), free_port()
    for name in ("mon", "osd", "rgw", "run", "log"):
        folder("ceph", name)
    cluster, number = f"[v2:127.0.0.1:{first},v1:127.0.0.1:{second}]", "6b1c9a7e-0d3f-4c52-9f5e-2a8d7c1b4e90"
    with open(f"{home}/ceph.conf", "w") as file:
        file.write(f"""[global]
fsid = {number}
mon host = {cluster}
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
mon allow pool size one = true
mon max pg per osd = 1000
osd crush chooseleaf type = 0
run dir = {home}/run
admin socket = {home}/run/$name.asok
pid file = {home}/run/$name.pid
log file = {home}/log/$name.log
[mon]
mon data = {home}/mon
[osd]
osd data = {home}/osd
osd objectstore = bluestore
bluestore block size = 42949672960
[client.rgw.a]
rgw data = {home}/rgw
ms mon client mode = crc secure
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
""")
    conf = ["-c", f"{home}/ceph.conf"]

    def run(*words):
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    run("monmaptool", "--create", "--fsid", number, "--addv", "a", cluster, f"{home}/monmap")
    run("ceph-mon", *conf, "-i", "a", "--mkfs", "--monmap", f"{home}/monmap")
    start(["ceph-mon", *conf, "-f", "-i", "a"])
    run("ceph", *conf, "osd", "new", number)
    run("ceph-osd", *conf, "-i", "0", "--mkfs", "--osd-uuid", number)
    start(["ceph-osd", *conf, "-f", "-i", "0"])
    start(["radosgw", *conf, "-f", "-n", "client.rgw.a", "--setuser", "root", "--setgroup", "root"])
    run("radosgw-admin", *conf, "-n", "client.rgw.a", "user", "create", "--uid=t", "--display-name=t",
        f"--access-key={KEYS[0]}", f"--secret-key={KEYS[1]}")
    wait_for_port(port, 120)
    return f"http://127.0.0.1:{port}"


class Meter:
    """Stands before a service, and counts the bytes and the requests that it is sent."""

    def __init__(self, endpoint):
        self.target = ("127.0.0.1", int(endpoint.rsplit(":", 1)[1]))
        self.sent = self.requests = 0
        self.lock = threading.Lock()
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            client = listener.accept()[0]
            server = socket.create_connection(self.target)
            for ends in ((client, server, True), (server, client, False)):
                for end in ends[:2]:
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, target, counts):
        try:
            while data := source.recv(1 << 18):
                if counts:
                    with self.lock:
                        self.sent += len(data)
                        # A request has one such line, and the bytes of files here have none.
                        self.requests += data.count(b" HTTP/1.1\r\n")
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def _listing(directory, bucket):
    """What a service would answer to a listing of a bucket of plain files, with nginx's own ETags."""
    contents = ""
    for name in sorted(os.listdir(os.path.join(directory, bucket))):
        status = os.stat(os.path.join(directory, bucket, name))
        tag = f"{int(status.st_mtime):x}-{status.st_size:x}"
        contents += f"<Contents><Key>{name}</Key><Size>{status.st_size}</Size><ETag>{tag}</ETag></Contents>"
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"


def nginx_server(directory, bucket):
    """nginx over a folder, with a listing of one bucket in it; returns its URL."""
    port, home = free_port(), folder("nginx")
    with open(os.path.join(home, "conf"), "w") as file:
        file.write(
            f"daemon off; worker_processes 1; pid {home}/pid; error_log {home}/log; user root;\n"
            "events { worker_connections 512; }\n"
            "http { access_log off; sendfile on; tcp_nopush off; tcp_nodelay on; keepalive_requests 1000000; autoindex on;\n"
            f" client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;\n"
            f" uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;\n"
            f" server {{ listen 127.0.0.1:{port}; root {directory};\n"
            "  location = /nginx_status { stub_status; }\n"
            f"  location = /{bucket} {{ default_type application/xml; return 200 '{_listing(directory, bucket)}'; }} }} }}\n"
        )
    start(["nginx", "-p", home, "-c", os.path.join(home, "conf")])
    wait_for_port(port)
    return f"http://127.0.0.1:{port}"


def far_server(directory):
    """A server that takes 20 ms to its first byte and gives each connection 80 MB/s; returns its URL."""
    port = free_port()
    start([sys.executable, os.path.join(os.path.dirname(__file__), "far.py"), str(port), directory])
    wait_for_port(port)
    return f"http://127.0.0.1:{port}"


def make_bucket(endpoint, name):
    subprocess.run([OBJFS, "mkdir", f"s3://{name}"], env=aws_environment(endpoint), check=True)


def _mounted(point, process=None):
    deadline = time.monotonic() + 20
    while not os.path.ismount(point):
        if time.monotonic() > deadline or (process and process.poll() is not None):
            raise SystemExit(f"bench: {point} was not mounted")
        time.sleep(0.01)
    _mounts.append(point)
    return point


def aws_environment(endpoint):
    return dict(os.environ, AWS_ACCESS_KEY_ID=KEYS[0], AWS_SECRET_ACCESS_KEY=KEYS[1], AWS_REGION="us-east-1",
                AWS_ENDPOINT_URL=endpoint)


def mount_objfs(source, endpoint=None, *options, name="objfs", **how):
    """Mounts by objfs in the foreground; returns the mount point and the daemon's process number."""
    point = folder("mnt-" + name)
    environment = aws_environment(endpoint) if endpoint else None
    process = start([OBJFS, "mount", "-f", source, point, *options], env=environment, **how)
    return _mounted(point, process), process.pid


def exec_environment(endpoint):
    """What `objfs exec` needs for a daemon of its own, which is ended with the benchmarks."""
    environment = aws_environment(endpoint)
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        environment[name] = folder("exec", name)
    os.chmod(environment["XDG_RUNTIME_DIR"], 0o700)
    atexit.register(stop_exec, environment)
    return environment


def stop_exec(environment):
    subprocess.run([OBJFS, "exec", "--stop"], env=environment, check=True)


def exec_daemon(environment):
    """Starts the daemon of `objfs exec`; returns its process number."""
    subprocess.run([OBJFS, "exec", "--", "true"], env=environment, check=True)
    root = "--exec-root=" + environment["XDG_RUNTIME_DIR"]
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline") as file:
                    if any(word.startswith(root) for word in file.read().split("\0")):
                        return int(name)
            except OSError:
                continue
    raise SystemExit("bench: objfs exec has no daemon")


def rclone_remote(endpoint):
    """rclone's name of the service."""
    return f":s3,provider=Other,access_key_id={KEYS[0]},secret_access_key={KEYS[1]},endpoint='{endpoint}':"


def mount_rclone(bucket, endpoint, *options, name="rclone"):
    point = folder("mnt-" + name)
    process = start(["rclone", "mount", rclone_remote(endpoint) + bucket, point, "--cache-dir", folder("cache-" + name), *options])
    return _mounted(point, process), process.pid


def mount_rclone_http(url, name):
    """rclone's mount of what nginx shows, unsigned."""
    point = folder("mnt-" + name)
    process = start(["rclone", "mount", f":http,url='{url}/bucket/':", point, "--cache-dir", folder("cache-" + name)])
    return _mounted(point, process), process.pid


def mount_s3fs(bucket, endpoint, *options, name="s3fs"):
    point, passwords = folder("mnt-" + name), os.path.join(work, "passwd-s3fs")
    with open(passwords, "w") as file:
        file.write(":".join(KEYS))
    os.chmod(passwords, 0o600)
    extra = [word for option in options for word in ("-o", option)]
    process = start(["s3fs", bucket, point, "-f", "-o", f"url={endpoint}", "-o", "use_path_request_style",
                     "-o", f"passwd_file={passwords}", *extra])
    return _mounted(point, process), process.pid
