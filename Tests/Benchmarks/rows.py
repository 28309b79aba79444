"""What is measured: one function a row, its first line says what is compared."""

import os
import random
import re
import shlex
import shutil
import statistics
import subprocess
import threading
import time

import compressed
import jobs
import world
from measuring import ROUNDS, Contender, compare, drop_caches, peak_memory
from world import GIB, MIB, OBJFS

RCLONE_TUNED = ["--vfs-read-chunk-streams", "4", "--vfs-read-chunk-size", "8M", "--no-checksum", "--buffer-size", "0"]


def _bucket_of_one_gib():
    directory = world.folder("data", "bucket")
    world.text(os.path.join(directory, "big"), GIB)
    return os.path.dirname(directory)


def dd_signed():
    """dd of 1 GiB through a mount, from a server that checks signatures (rclone serve s3)"""
    endpoint = world.rclone_server(_bucket_of_one_gib())
    mounts = {
        "objfs": world.mount_objfs("s3://bucket", endpoint),
        "s3fs": world.mount_s3fs("bucket", endpoint),
        "rclone": world.mount_rclone("bucket", endpoint),
        "rclone tuned": world.mount_rclone("bucket", endpoint, *RCLONE_TUNED, name="rclone-tuned"),
    }
    compare(
        [Contender(name, f"dd if={point}/big of=/dev/null bs=1M status=none", daemon, drop_caches)
         for name, (point, daemon) in mounts.items()],
        {"s3fs": "0.75 (daemon 0.45)", "rclone": "0.35", "rclone tuned": "0.65"},
    )


def dd_nginx():
    """dd of 1 GiB through a mount, unsigned from nginx, against curl of the object"""
    url = world.nginx_server(_bucket_of_one_gib(), "bucket")
    point, daemon = world.mount_objfs("s3://bucket", url, "--no-sign-request", name="objfs-nginx")
    compare(
        [Contender("objfs", f"dd if={point}/big of=/dev/null bs=1M status=none", daemon, drop_caches),
         Contender("curl", f"curl -s -o /dev/null {url}/bucket/big")],
        {"curl": "2.2"},
    )


def far_away():
    """dd of 1 GiB through a mount, from a server with 20 ms to the first byte and 80 MB/s a connection"""
    endpoint = world.far_server(_bucket_of_one_gib())
    mounts = {
        "objfs": world.mount_objfs("s3://bucket", endpoint, name="objfs-far"),
        "s3fs": world.mount_s3fs("bucket", endpoint, name="s3fs-far"),
        "rclone": world.mount_rclone("bucket", endpoint, name="rclone-far"),
    }
    compare(
        [Contender(name, f"dd if={point}/big of=/dev/null bs=1M status=none", daemon, drop_caches)
         for name, (point, daemon) in mounts.items()],
        {"s3fs": "0.35", "rclone": "0.1"},
    )


def random_reads():
    """16 threads of random 4 KiB reads in 1 GiB, unsigned from nginx, against rclone mount (wanted: 10 times)"""
    url = world.nginx_server(_bucket_of_one_gib(), "bucket")
    rates = {"objfs": [], "rclone": []}
    mounts = {
        "objfs": world.mount_objfs("s3://bucket", url, "--no-sign-request", name="objfs-random"),
        "rclone": world.mount_rclone_http(url, "rclone-random"),
    }
    for _ in range(ROUNDS):
        for name, (point, _) in mounts.items():
            drop_caches()
            rates[name].append(1600 / _read_randomly(os.path.join(point, "big"), threads=16, reads=100))
    for name, found in rates.items():
        print(f"{name:28} {statistics.median(found):8.0f} reads/s", flush=True)
    print(f"objfs/rclone {statistics.median(rates['objfs']) / statistics.median(rates['rclone']):.1f}")


def _read_randomly(path, threads, reads):
    descriptor = os.open(path, os.O_RDONLY)

    def work(seed):
        numbers = random.Random(seed)
        for _ in range(reads):
            os.pread(descriptor, 4096, numbers.randrange(0, GIB - 4096))

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(threads)]
    begin = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    os.close(descriptor)
    return time.monotonic() - begin


def listings():
    """ls -l of 10,000 objects (wanted: at most 12 requests), and find over 100,000 keys against objfs ls -r (2 times)"""
    source = world.folder("many", "bucket")
    flat, deep = world.folder("many", "bucket", "flat"), world.folder("many", "bucket", "deep")
    for index in range(10_000):
        open(os.path.join(flat, f"{index:05}"), "w").close()
    for index in range(90_000):
        if index % 1000 == 0:
            os.makedirs(os.path.join(deep, f"{index // 1000:02}"))
        open(os.path.join(deep, f"{index // 1000:02}", f"{index:05}"), "w").close()
    point, daemon = world.mount_objfs(f"file://{source}", None, name="objfs-many")
    compare(
        [Contender("find", f"find {point} -type f", daemon), Contender("objfs ls -r", f"{OBJFS} ls -r file://{source}")],
        {"objfs ls -r": "2"},
    )
    log = os.path.join(world.work, "requests")
    with open(log, "w") as file:
        point, _ = world.mount_objfs(f"file://{source}", None, "-v", name="objfs-counted", stderr=file)
        subprocess.run(["ls", "-l", point + "/flat"], stdout=subprocess.DEVNULL, check=True)
    with open(log) as file:
        print(f"ls -l of 10,000 objects: {sum('many/bucket/flat' in line for line in file)} requests")


def run_local():
    """objfs run over 1 GiB in 16 chunks, -j2, against one process and parallel --pipepart"""
    file = os.path.join(_bucket_of_one_gib(), "bucket", "big")
    subprocess.run(["cat", file], stdout=subprocess.DEVNULL, check=True)
    goals = {"grep": ("1.7", "1.3"), "wc": ("1.1", "1"), "awk": ("1.8", "1")}
    for name, command in {
        "grep": "grep -c 'fox jumps.*99'", "wc": "wc -l", "awk": "awk '{ n += NF } END { print n }'",
    }.items():
        print(f"-- {name}: wanted {goals[name][0]} times as fast as one process, {goals[name][1]} times as parallel")
        compare([
            Contender("objfs run", f"{OBJFS} run -j2 --chunks 16 {file} -- {command}"),
            Contender("one process", f"{command} {file}"),
            Contender("parallel --pipepart", f"parallel --will-cite --pipepart -a {file} -j2 --block 64M \"{command}\""),
        ])


def csv_scan():
    """the borders of 8 chunks of 1 GiB of CSV, which takes a scan of it all, against wc -l of the same (wanted: 2 times)"""
    directory = world.folder("csv")
    file = os.path.join(directory, "table.csv")
    row = 'number %d,"name, ""quoted""","two\nlines",plain text of a field\n'
    block = "".join(row % number for number in range(100_000)).encode()
    with open(file, "wb") as table:
        for _ in range(GIB // len(block)):
            table.write(block)
    subprocess.run(["cat", file], stdout=subprocess.DEVNULL, check=True)
    cache = os.path.join(directory, "cache")
    scan = f"rm -rf {cache}; XDG_CACHE_HOME={cache} %s {OBJFS} chunks --format csv --chunks 8 {file} > {directory}/borders"
    compare([
        Contender("objfs chunks, one core", scan % "taskset -c 0"),
        Contender("objfs chunks", scan % ""),
        Contender("wc -l", f"taskset -c 0 wc -l {file} > {directory}/lines"),
    ], {"wc -l": "2"})


def parquet_chunk():
    """one of 8 chunks of 200 MiB of Parquet that DuckDB sums up, against the whole (wanted: 1/6 of the bytes)"""
    directory, log = world.folder("parquet"), os.path.join(world.work, "parquet-requests")
    path = os.path.join(directory, "table.parquet")
    rows = "select range i, hash(range) h, 'text ' || (range % 1000003) t from range(11000000)"
    subprocess.run(_duckdb(f"copy ({rows}) to '{path}' (row_group_size 122880)"), shell=True, check=True)
    with open(log, "w") as file:
        point, daemon = world.mount_objfs(f"file://{directory}", None, "-v", name="objfs-parquet", stderr=file)
    fetched = {}

    def command(name, file):
        def forget():
            drop_caches()
            fetched[name] = _bytes_read(log)

        sums = f"select count(*), sum(h), max(t) from read_parquet('{point}/{file}')"
        return Contender(name, _duckdb(sums), daemon, forget)

    contenders = [
        command("one chunk", "table.parquet@chunks@8@parquet/chunk-3.parquet"), command("whole", "table.parquet"),
    ]
    compare(contenders)
    for contender in contenders:
        contender.run()
        fetched[contender.name] = _bytes_read(log) - fetched[contender.name]
    print(f"{fetched['one chunk'] / MIB:.1f} MiB of {os.path.getsize(path) / MIB:.1f} MiB were fetched for the chunk, "
          f"{fetched['whole'] / MIB:.1f} MiB for the whole: {fetched['one chunk'] / fetched['whole']:.3f}")


def _duckdb(query):
    """A line of shell that has DuckDB answer a query."""
    program = f"import duckdb; duckdb.connect().execute({query!r}).fetchall()"
    return f"{os.path.join(world.TOOLS, 'python3')} -c {shlex.quote(program)}"


def _bytes_read(log):
    """How many bytes a mount with -v has read of its store so far."""
    with open(log) as file:
        return sum(int(end) - int(start) for start, end in re.findall(r"read \S+ (\d+)\.\.<(\d+)", file.read()))


def run_tasks():
    """2,000 tasks of true, against xargs -P2"""
    directory = world.folder("tasks")
    for index in range(2000):
        open(os.path.join(directory, f"{index:04}"), "w").close()
    compare([
        Contender("objfs run", f"{OBJFS} run -j2 --per-object file://{directory}/ -- true"),
        Contender("xargs", f"ls {directory} | xargs -P2 -n1 true"),
    ])


def starting():
    """objfs --version and mounting to ready, against rclone"""
    compare([Contender("objfs", f"{OBJFS} --version"), Contender("rclone", "rclone version")], {"rclone": "0.5"})
    source, point = world.folder("empty"), world.folder("mnt-start")
    compare(
        [Contender("objfs mount", f"{OBJFS} mount file://{source} {point} && fusermount3 -u {point}"),
         Contender("rclone mount", f"rclone mount --daemon {source} {point} && fusermount3 -u {point}")],
        {"rclone mount": "0.5"},
    )


def memory():
    """64 files of 1 GiB read at once under --memory-limit 256M: the daemon's peak must stay under 350 MiB"""
    directory = world.folder("sparse", "bucket")
    for index in range(64):
        with open(os.path.join(directory, f"{index:02}"), "wb") as file:
            file.truncate(GIB)
    point, daemon = world.mount_objfs(f"file://{directory}", None, "--memory-limit", "256M", name="objfs-memory")
    begin = time.monotonic()
    readers = [
        subprocess.Popen(["dd", f"if={point}/{index:02}", "of=/dev/null", "bs=1M", "count=256", "status=none"])
        for index in range(64)
    ]
    failed = sum(reader.wait() != 0 for reader in readers)
    print(f"{'objfs':28} {time.monotonic() - begin:8.1f} s  {peak_memory(daemon):5.0f} MiB peak  {failed} failed")


# -- Writing

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
            # The source comes from the page cache for all.
            subprocess.run(["cat", source], stdout=subprocess.DEVNULL, check=True)
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
    meters = {name: world.Meter(endpoint) for name in ("objfs", "s3fs", "rclone")}
    keys = "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={} AWS_REGION=us-east-1".format(*world.KEYS)
    listing = f"{keys} s5cmd --endpoint-url {endpoint} ls"

    rounds = {name: 0 for name in meters}

    def contenders(urls, label):
        mounts = {
            "objfs": world.mount_objfs("s3://small", urls["objfs"], name=f"objfs-{label}"),
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
    """1 KiB appended to an object of 1 GiB on Ceph: bytes that are sent (both copy the rest inside the store)"""
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
    print(f"objfs/s3fs {ratio:.4f} of the bytes", flush=True)


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
def exec_cat():
    """objfs exec -- cat of 1 GiB, against cat of the same in a mount (wanted: 1.1 times)"""
    endpoint = world.rclone_server(_bucket_of_one_gib())
    environment = world.exec_environment(endpoint)
    point, daemon = world.mount_objfs("s3://bucket", endpoint, name="objfs-cat")
    compare(
        [Contender("objfs exec -- cat", f"{OBJFS} exec -- cat s3://bucket/big", world.exec_daemon(environment),
                   drop_caches, environment),
         Contender("cat in a mount", f"cat {point}/big", daemon, drop_caches)],
        {"cat in a mount": "1.1"},
    )


def exec_start():
    """twenty times objfs exec -- true: with the daemon up (wanted: 15 ms each), and without (wanted: 60 ms each)"""
    endpoint = world.rclone_server(_bucket_of_one_gib())
    environment = world.exec_environment(endpoint)
    again = "for i in $(seq 20); do %s; done"
    compare(
        [Contender("objfs exec -- true", again % f"{OBJFS} exec -- true", world.exec_daemon(environment),
                   environment=environment),
         Contender("env true", again % "env true"),
         Contender("objfs --version", again % f"{OBJFS} --version")])
    once = [Contender("objfs exec, no daemon", f"{OBJFS} exec -- true", None, lambda: world.stop_exec(environment),
                      environment),
            Contender("objfs exec, daemon", f"{OBJFS} exec -- true", environment=environment)]
    compare(once, rounds=4 * ROUNDS)


STORM = r"""
#include <sys/stat.h>
int main(int count, char *arguments[]) {
    struct stat status;
    for (int i = 0; i < 3000000; i++)
        if (stat(arguments[1], &status) != 0) return 1;
    return 0;
}
"""


def stat_storm():
    """three million times stat of a local file, with the library preloaded and without (wanted: 1.05 times)"""
    environment = world.exec_environment(world.rclone_server(_bucket_of_one_gib()))
    world.exec_daemon(environment)
    program = os.path.join(world.folder("storm"), "storm")
    subprocess.run(["gcc", "-O2", "-x", "c", "-o", program, "-"], input=STORM.encode(), check=True)
    file = "/usr/share/common-licenses/GPL-3"
    compare(
        [Contender("preloaded", f"{OBJFS} exec -- {program} {file}", environment=environment),
         Contender("plain", f"{program} {file}")],
        {"plain": "1.05"},
    )


def _copiers(endpoint, ours, s5cmd, rclone, prepare):
    """Those that copy, each with its own way to say what; `{remote}` is rclone's name of the service."""
    environment = world.aws_environment(endpoint)
    remote = world.rclone_remote(endpoint)
    compare(
        [Contender("objfs cp", f"{OBJFS} cp -q {ours}", None, prepare, environment),
         Contender("s5cmd", f"s5cmd --endpoint-url {endpoint} {s5cmd}", None, prepare, environment),
         Contender("rclone copy", f"rclone {rclone.format(remote=remote)}", None, prepare, environment),
         Contender("rclone copy tuned", f"rclone --transfers 32 --checkers 32 --multi-thread-streams 16 "
                   f"{rclone.format(remote=remote)}", None, prepare, environment)],
        {"s5cmd": "1", "rclone copy": "1"},
    )


def _emptied(directory):
    """Takes away what an earlier round left in a folder."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)


# Each round has a name of its own, the number of its shell: a server may believe that an older one is still there, and
# rclone copies nothing twice.


def copy_large():
    """1 GiB up and down, against s5cmd and rclone copy (wanted: no slower than the faster, with less CPU)"""
    file = world.text(os.path.join(world.folder("copy"), "big"), GIB)
    buckets = world.folder("copied")
    up, down = world.folder("copied", "target"), world.folder("copied-down")
    os.link(file, os.path.join(world.folder("copied", "bucket"), "big"))
    endpoint = world.rclone_server(buckets)
    subprocess.run(["cat", file], stdout=subprocess.DEVNULL, check=True)
    print("-- up")
    _copiers(endpoint, f"{file} s3://target/$$", f"cp {file} s3://target/$$", f"copyto {file} \"{{remote}}target/$$\"",
             lambda: _emptied(up))
    _emptied(up)
    print("-- down")
    _copiers(endpoint, f"s3://bucket/big {down}/big", f"cp s3://bucket/big {down}/big",
             f"copyto \"{{remote}}bucket/big\" {down}/big", lambda: _emptied(down))


def copy_small():
    """5,000 objects of 16 KiB up and down, against s5cmd and rclone copy (wanted: as for large ones)"""
    buckets = world.folder("copied-small")
    source, up = world.folder("copied-small", "bucket", "p"), world.folder("copied-small", "target")
    for index in range(5000):
        with open(os.path.join(source, f"{index:04}"), "wb") as file:
            file.write(os.urandom(16 << 10))
    endpoint, down = world.rclone_server(buckets), world.folder("down-small")
    print("-- up")
    _copiers(endpoint, f"-r {source} s3://target/$$/", f"cp {source}/ s3://target/$$/", f"copy {source} \"{{remote}}target/$$\"",
             lambda: _emptied(up))
    _emptied(up)
    print("-- down")
    _copiers(endpoint, f"-r s3://bucket/p/ {down}", f"cp 's3://bucket/p/*' {down}/",
             f"copy \"{{remote}}bucket/p\" {down}", lambda: _emptied(down))


ROWS = {
    function.__name__: function
    for function in (
        dd_signed, dd_nginx, far_away, random_reads, listings, run_local, csv_scan, parquet_chunk, run_tasks,
        starting, memory,
        write_sequential, write_small, append, copy_tree, write_memory,
        exec_cat, exec_start, stat_storm, copy_large, copy_small,
        *jobs.ROWS,
        *compressed.ROWS,
    )
}
