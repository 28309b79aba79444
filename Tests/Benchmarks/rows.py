"""What is measured: one function a row, its first line says what is compared."""

import os
import random
import re
import shlex
import statistics
import subprocess
import threading
import time

import compressed
import jobs
import programs
import world
import writing
from measuring import ROUNDS, Contender, compare, drop_caches, peak_memory
from world import GIB, MIB, OBJFS

RCLONE_TUNED = ["--vfs-read-chunk-streams", "4", "--vfs-read-chunk-size", "8M", "--no-checksum", "--buffer-size", "0"]


def dd_signed():
    """dd of 1 GiB through a mount, from a server that checks signatures (rclone serve s3)"""
    endpoint = world.rclone_server(world.bucket_of_one_gib())
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
    url = world.nginx_server(world.bucket_of_one_gib(), "bucket")
    point, daemon = world.mount_objfs("s3://bucket", url, "--no-sign-request", name="objfs-nginx")
    compare(
        [Contender("objfs", f"dd if={point}/big of=/dev/null bs=1M status=none", daemon, drop_caches),
         Contender("curl", f"curl -s -o /dev/null {url}/bucket/big")],
        {"curl": "2.2"},
    )


def far_away():
    """dd of 1 GiB through a mount, from a server with 20 ms to the first byte and 80 MB/s a connection"""
    endpoint = world.far_server(world.bucket_of_one_gib())
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
    url = world.nginx_server(world.bucket_of_one_gib(), "bucket")
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
    file = os.path.join(world.bucket_of_one_gib(), "bucket", "big")
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


ROWS = {
    function.__name__: function
    for function in (
        dd_signed, dd_nginx, far_away, random_reads, listings, run_local, csv_scan, parquet_chunk,
        run_tasks, starting, memory,
        *writing.ROWS, *programs.ROWS, *jobs.ROWS, *compressed.ROWS,
    )
}
