"""Rows about objfs exec and about copying without a mount."""

import os
import shutil
import subprocess

import world
from measuring import ROUNDS, Contender, compare, drop_caches
from world import GIB, OBJFS


def exec_cat():
    """objfs exec -- cat of 1 GiB, against cat of the same in a mount (wanted: 1.1 times)"""
    endpoint = world.rclone_server(world.bucket_of_one_gib())
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
    endpoint = world.rclone_server(world.bucket_of_one_gib())
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
    environment = world.exec_environment(world.rclone_server(world.bucket_of_one_gib()))
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
    """Takes away what an earlier round left in a folder, and has all written that it left in memory."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    os.sync()


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


ROWS = (exec_cat, exec_start, stat_storm, copy_large, copy_small)
