"""Rows about writing through a mount, until what was written is in the bucket."""

import os
import random
import statistics
import subprocess
import time

import world
from measuring import ROUNDS, Contender, compare, drop_caches, peak_memory, wait_until_idle
from world import GIB, MIB

# What s3fs and rclone do unless told otherwise.
ABSENCE = ("--absence-ttl", "60")

ENDED = "test $(stat -c %s {served} 2> /dev/null || echo 0) = {size}"


def _landed(served, size):
    """Shell that waits until a file of the server's own folder has its whole size."""
    return f"until {ENDED.format(served=served, size=size)}; do sleep 0.02; done"


def write_sequential():
    """1 GiB written in order and closed, to a server that checks signatures, until it is in the bucket"""
    size = int(os.environ.get("BYTES", GIB))
    source = world.text(os.path.join(world.folder("source"), "big"), size)
    size = os.path.getsize(source)
    served = world.folder("served", "bucket")
    endpoint = world.rclone_server(os.path.dirname(served))
    mounts = {
        "objfs": world.mount_objfs("s3://bucket", endpoint, name="objfs-write"),
        "s3fs": world.mount_s3fs("bucket", endpoint, name="s3fs-write"),
        "rclone": world.mount_rclone(
            "bucket", endpoint, "--vfs-cache-mode", "writes", "--vfs-write-back", "0s", name="rclone-write"),
    }

    keys = "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_REGION=us-east-1".format(*world.KEYS)

    def cleared(name):
        def clear():
            command = f"rm -f {mounts[name][0]}/{name}" if name in mounts else (
                f"{keys} s5cmd --endpoint-url {endpoint} rm s3://bucket/{name}")
            subprocess.run(command, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while os.path.exists(os.path.join(served, name)):
                time.sleep(0.02)
            # Nobody pays for what another one has left to be written; the source comes from the page cache for all.
            os.sync()
            subprocess.run(["cat", source], stdout=subprocess.DEVNULL, check=True)
            wait_until_idle()
        return clear

    contenders = [
        Contender(
            name, f"cat {source} > {point}/{name} && {_landed(f'{served}/{name}', size)}", daemon, cleared(name))
        for name, (point, daemon) in mounts.items()]
    contenders.append(Contender(
        "s5cmd cp", f"{keys} s5cmd --endpoint-url {endpoint} cp {source} s3://bucket/s5cmd", None, cleared("s5cmd")))
    compare(contenders, {"s3fs": "0.7", "rclone": "0.5", "s5cmd cp": "1.3"})


def write_small():
    """2,000 files of 4 KiB, written 8 at a time, until all are in a bucket of Ceph (wanted: at most 2 requests a file)"""
    count = int(os.environ.get("FILES", 2000))
    writer = os.path.join(world.work, "writer.py")
    with open(writer, "w") as file:
        file.write(
            "import concurrent.futures, os, sys\n"
            "def write(index):\n"
            "    with open(f'{sys.argv[1]}/{index:04}', 'wb', buffering=0) as file: file.write(os.urandom(4096))\n"
            "with concurrent.futures.ThreadPoolExecutor(8) as pool: list(pool.map(write, range(int(sys.argv[2]))))\n")
    endpoint = world.ceph_server()
    world.make_bucket(endpoint, "small")
    meters = {name: world.Meter(endpoint) for name in ("objfs", "objfs-absence", "s3fs", "rclone")}
    keys = "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_REGION=us-east-1".format(*world.KEYS)
    listing = f"{keys} s5cmd --endpoint-url {endpoint} ls"

    rounds = {name: 0 for name in meters}

    def contenders(urls, label):
        mounts = {
            "objfs": world.mount_objfs("s3://small", urls["objfs"], name=f"objfs-{label}"),
            "objfs-absence": world.mount_objfs(
                "s3://small", urls["objfs-absence"], *ABSENCE, name=f"objfs-absence-{label}"),
            "s3fs": world.mount_s3fs("small", urls["s3fs"], name=f"s3fs-{label}"),
            "rclone": world.mount_rclone(
                "small", urls["rclone"], "--vfs-cache-mode", "writes", "--vfs-write-back", "0s",
                "--transfers", "8", name=f"rclone-{label}"),
        }

        def next_folder(contender, point):
            def prepare():
                folder = f"{contender.name}-{rounds[contender.name]}"
                rounds[contender.name] += 1
                os.mkdir(f"{point}/{folder}")
                contender.command = (
                    f"python3 {writer} {point}/{folder} {count} && "
                    f"until [ $({listing} 's3://small/{folder}/*' | grep -c ' 4096 ') = {count} ]; do sleep 0.1; done")
            return prepare

        made = [Contender(name, "", daemon) for name, (_, daemon) in mounts.items()]
        for contender in made:
            contender.prepare = next_folder(contender, mounts[contender.name][0])
        return made

    compare(contenders({name: endpoint for name in meters}, "timed"), {"s3fs": "0.4", "rclone": "1"})
    for contender in contenders({name: meter.url for name, meter in meters.items()}, "counted"):
        meter = meters[contender.name]
        before = meter.requests
        contender.run()
        print(f"{contender.name:28} {(meter.requests - before) / count:8.2f} requests a file", flush=True)


def append():
    """1 KiB appended to an object of 1 GiB on Ceph: bytes that are sent (wanted: 0.05 of what s3fs sends)"""
    size = int(os.environ.get("BYTES", GIB))
    endpoint = world.ceph_server()
    world.make_bucket(endpoint, "append")
    source = world.text(os.path.join(world.folder("source"), "big"), size)
    meters = {name: world.Meter(endpoint) for name in ("objfs", "s3fs")}
    mounts = {
        "objfs": world.mount_objfs("s3://append", meters["objfs"].url, name="objfs-append"),
        "s3fs": world.mount_s3fs("append", meters["s3fs"].url, name="s3fs-append"),
    }
    sent = {name: [] for name in mounts}
    line = "x" * 1023
    contenders = []
    for name, (point, daemon) in mounts.items():
        subprocess.run(["cp", source, f"{point}/{name}"], check=True)
        contenders.append(Contender(name, f"echo {line} >> {point}/{name}", daemon))
    for _ in range(ROUNDS):
        for contender in contenders:
            before = meters[contender.name].sent
            contender.run()
            sent[contender.name].append(meters[contender.name].sent - before)
    for contender in contenders:
        print(f"{contender.name:28} {contender.wall:8.3f} s wall  {statistics.median(sent[contender.name]):12.0f} bytes sent")
    ratio = statistics.median(sent["objfs"]) / statistics.median(sent["s3fs"])
    print(f"objfs/s3fs {ratio:.4f} of the bytes  goal 0.05", flush=True)


def _source_tree(count):
    """Files of a source tree: small ones, in folders of twenty, with modes, times and links."""
    tree, numbers = world.folder("tree"), random.Random(1)
    for index in range(count):
        directory = os.path.join(tree, f"part{index // 400:02}", f"module{index // 20:03}")
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, f"file{index:05}.c")
        with open(path, "wb") as file:
            file.write(numbers.randbytes(int(numbers.paretovariate(1.2) * 800) % 100_000))
        os.chmod(path, 0o755 if index % 10 == 0 else 0o644)
        if index % 50 == 0:
            os.symlink(f"file{index:05}.c", os.path.join(directory, "link"))
    return tree


def copy_tree():
    """cp -a of a source tree of 5,000 files to a mount of Ceph and back, with nothing that differs"""
    tree = _source_tree(int(os.environ.get("FILES", 5000)))
    endpoint = world.ceph_server()
    world.make_bucket(endpoint, "tree")
    mounts = {
        "objfs": world.mount_objfs("s3://tree", endpoint, name="objfs-tree"),
        "objfs-absence": world.mount_objfs("s3://tree", endpoint, *ABSENCE, name="objfs-absence-tree"),
        "s3fs": world.mount_s3fs("tree", endpoint, name="s3fs-tree"),
    }
    rounds = {name: 0 for name in mounts}
    into, out = [], []
    for name, (point, daemon) in mounts.items():
        into.append(Contender(name, f"cp -a {tree} {point}/{name}", daemon))
        out.append(Contender(name, f"cp -a {point}/{name} {world.work}/back-{name}", daemon))
    for _ in range(ROUNDS):
        for first, second in zip(into, out):
            point, back = mounts[first.name][0], f"{world.work}/back-{first.name}"
            rounds[first.name] += 1
            target = f"{point}/{first.name}-{rounds[first.name]}"
            first.command = f"cp -a {tree} {target}"
            second.command = f"cp -a {target} {back}"
            first.run()
            drop_caches()
            time.sleep(1.2)
            second.run()
            same = subprocess.run(["diff", "-r", "--no-dereference", tree, back]).returncode == 0
            if not same:
                raise SystemExit(f"bench: {first.name}: what came back differs")
            subprocess.run(["rm", "-rf", back], check=True)
    for label, contenders in (("in", into), ("out", out)):
        print(f"-- {label}")
        compare(contenders, {"s3fs": "0.4"}, rounds=0)


def write_memory():
    """16 files of 1 GiB written at once under --memory-limit 256M: the daemon's peak must stay under 350 MiB"""
    size = int(os.environ.get("BYTES", GIB))
    bucket = world.folder("served-memory", "bucket")
    point, daemon = world.mount_objfs(f"file://{bucket}", None, "--memory-limit", "256M", name="objfs-write-memory")
    begin = time.monotonic()
    writers = [
        subprocess.Popen(
            ["dd", "if=/dev/zero", f"of={point}/{index:02}", "bs=1M", f"count={size // MIB}", "status=none"])
        for index in range(16)
    ]
    failed = sum(writer.wait() != 0 for writer in writers)
    print(f"{'objfs':28} {time.monotonic() - begin:8.1f} s  {peak_memory(daemon):5.0f} MiB peak  {failed} failed")
    whole = sum(os.path.getsize(os.path.join(bucket, f"{index:02}")) == size for index in range(16))
    print(f"{whole} of 16 files of {size // MIB} MiB are in the bucket", flush=True)


ROWS = (write_sequential, write_small, append, copy_tree, write_memory)
