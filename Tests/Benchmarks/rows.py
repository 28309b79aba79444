"""What is measured: one function a row, its first line says what is compared."""

import os
import random
import shutil
import statistics
import subprocess
import threading
import time

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
        dd_signed, dd_nginx, far_away, random_reads, listings, run_local, csv_scan, run_tasks, starting, memory,
        exec_cat, exec_start, stat_storm, copy_large, copy_small,
    )
}
