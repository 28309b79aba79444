"""Servers, mounts and data of the benchmarks; all are taken down when the program ends."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
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


KEYS = ("ACCESS", "SECRET")


def rclone_server(directory):
    """`rclone serve s3` over a folder of buckets; returns the URL of the service."""
    port = free_port()
    start(["rclone", "serve", "s3", "--auth-key", ",".join(KEYS), "--addr", f"127.0.0.1:{port}", directory])
    wait_for_port(port)
    return f"http://127.0.0.1:{port}"


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


def mount_rclone(bucket, endpoint, *options, name="rclone"):
    point = folder("mnt-" + name)
    remote = (f":s3,provider=Other,access_key_id={KEYS[0]},secret_access_key={KEYS[1]},"
              f"endpoint='{endpoint}':{bucket}")
    process = start(["rclone", "mount", remote, point, "--cache-dir", folder("cache-" + name), *options])
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
