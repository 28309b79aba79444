"""Rows about `objfs run`: whole jobs, against what else runs jobs. The peers' programs are in peers/."""

import os
import re
import shlex
import subprocess
import urllib.request

import clusters
import world
from measuring import Contender, compare
from world import GIB, OBJFS

PEERS = os.path.join(os.path.dirname(__file__), "peers")
PYTHON = os.path.join(world.ROOT, ".build-bench", "bin", "python")
SUM = "awk '{ n += $1 } END { print n }'"
REDUCE = "--reduce " + shlex.quote(SUM)


def _peer(program, *words):
    # What peers leave in a home folder goes with the work folder.
    return f"HOME={world.folder('home')} {PYTHON} {os.path.join(PEERS, program)} {' '.join(words)}"


def _big():
    """1 GiB of text in a bucket, in the page cache; its path."""
    path = world.text(os.path.join(world.folder("data", "bucket"), "big"), GIB)
    subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
    return path


def _count(flag, path):
    return subprocess.run(["wc", flag, path], stdout=subprocess.PIPE, check=True).stdout.decode().split()[0]


def run_map():
    """lines and words of 1 GiB in 16 chunks, -j2: Lithops, parallel --pipepart, Spark and Ray Data, each from its start"""
    path = _big()
    split = world.folder("split")
    subprocess.run(["split", "-n", "l/16", path, os.path.join(split, "part-")], check=True)
    goals = {"Lithops": "0.067", "parallel --pipepart": "0.77", "Spark local[2]": "0.2", "Ray Data": "0.2"}
    for name, command in {"lines": "wc -l", "words": "wc -w"}.items():
        print(f"-- {name}")
        wanted = _count(command.split()[1], path)
        compare([
            Contender("objfs run", f"{OBJFS} run -j2 --chunks 16 {REDUCE} {path} -- {command}", wanted=wanted),
            Contender("Lithops", _peer("lithops_map.py", name, path), wanted=wanted),
            Contender("parallel --pipepart",
                      f"parallel --will-cite --pipepart -a {path} -j2 --block 64M {command} | {SUM}", wanted=wanted),
            Contender("Spark local[2]", _peer("spark_count.py", name, path), wanted=wanted),
            Contender("Ray Data", _peer("ray_data_count.py", name, split), wanted=wanted),
        ], goals)


def run_nothing():
    """1,000 tasks of nothing, -j2, against GNU parallel, and Lithops (once, for it takes minutes)"""
    path = os.path.join(world.folder("nothing"), "lines")
    with open(path, "w") as file:
        file.writelines(f"line {index:03}\n" for index in range(1000))
    compare([
        Contender("objfs run", f"{OBJFS} run -j2 --chunks 1000 {path} -- true"),
        Contender("parallel", f"parallel --will-cite -j2 -a {path} true"),
        Contender("Lithops", _peer("lithops_map.py", "nothing", "1000"), rounds=1),
    ], {"parallel": "0.83", "Lithops": "0.02"})


def run_on_ray():
    """lines of 1 GiB in 16 chunks on a Ray cluster that runs, of a file and of an object, against Ray's own tasks in Python"""
    path = _big()
    wanted = _count("-l", path)
    service = world.rclone_server(os.path.dirname(os.path.dirname(path)))
    environment = {name: value for name, value in world.aws_environment(service).items() if name.startswith("AWS_")}
    environment |= clusters.ray(PYTHON, environment)
    words = " ".join(f"{name}={value}" for name, value in environment.items())
    run = f'{words} {OBJFS} run --engine ray --address {environment["RAY_DASHBOARD"]} --workers 2 %s --chunks 16'
    for name, source, words_of_source in ("file", path, path), ("object", "s3://bucket/big", "bucket big"):
        print(f"-- a {name}")
        compare([
            Contender("objfs run, brought along", f'{run % ""} {REDUCE} {source} -- wc -l', wanted=wanted),
            Contender("objfs run, --worker-path",
                      f'{run % f"--worker-path {OBJFS}"} {REDUCE} {source} -- wc -l', wanted=wanted),
            Contender("Ray tasks", f"{words} {_peer('ray_tasks.py', words_of_source)}", wanted=wanted),
        ], {"Ray tasks": "1.5"})


def run_on_slurm():
    """500 tasks of nothing on 3 nodes of Slurm, against an array of 500 (once, for it takes minutes; wanted: 20 times)"""
    environment = clusters.slurm()
    path = os.path.join(world.folder("nothing"), "lines")
    with open(path, "w") as file:
        file.writelines(f"line {index:03}\n" for index in range(500))
    configuration = f"SLURM_CONF={environment['SLURM_CONF']}"
    # --wait would look only at 2, 10, 42 ... seconds.
    array = (f"export {configuration}; job=$(sbatch --parsable --array=0-499 -o /dev/null --wrap true); "
             "while [ -n \"$(squeue -h -j $job 2> /dev/null)\" ]; do sleep 0.2; done")
    compare([
        Contender("objfs run", f"{configuration} {OBJFS} run --engine slurm --chunks 500 {path} -- true"),
        Contender("sbatch --array", array, rounds=1),
    ], {"sbatch --array": "0.05"})


def _accepted(url):
    """How many connections nginx has accepted, this one not counted, and requests."""
    with urllib.request.urlopen(url + "/nginx_status") as answer:
        accepts, _, requests = re.search(rb"requests\s+(\d+) (\d+) (\d+)", answer.read()).groups()
    return int(accepts) - 1, int(requests) - 1


def connections():
    """connections (wanted: about as many as tasks run at a time) and requests for credentials (1 a worker) of many tasks"""
    directory = world.folder("tasks-of-an-object", "bucket")
    path = os.path.join(directory, "lines")
    with open(path, "w") as file:
        file.writelines(f"a line of twenty {index:06}\n" for index in range(200_000))
    url = world.nginx_server(os.path.dirname(directory), "bucket")
    home = world.folder("home-of-credentials")
    log, program, worker = (os.path.join(home, name) for name in ("asked", "credentials", "worker"))
    environment = f"HOME={home} AWS_CONFIG_FILE={home}/config AWS_ENDPOINT_URL={url}"
    scripts = {
        program: f"echo asked >> {log}\n"
                 """echo '{"Version": 1, "AccessKeyId": "ACCESS", "SecretAccessKey": "SECRET"}'""",
        # Workers use what their own machine has.
        worker: f'exec env {environment} {OBJFS} "$@"',
    }
    for name, script in scripts.items():
        with open(name, "w") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(name, 0o755)
    with open(os.path.join(home, "config"), "w") as file:
        file.write(f"[default]\nregion = us-east-1\ncredential_process = {program}\n")
    slurm = f"SLURM_CONF={clusters.slurm()['SLURM_CONF']}"
    for name, tasks, options in (
        ("-j4", 100_000, "-j4"), ("6 workers", 3000, f"--engine slurm --workers 6 --worker-path {worker}"),
    ):
        before = _accepted(url)
        open(log, "w").close()
        run = f"{environment} {slurm} {OBJFS} run {options} --chunks {tasks} {REDUCE} s3://bucket/lines -- wc -c"
        compare([Contender(f"{tasks} tasks, {name}", run, wanted=str(os.path.getsize(path)))], rounds=1)
        after = _accepted(url)
        with open(log) as file:
            asked = len(file.readlines())
        print(f"{after[0] - before[0]} connections, {after[1] - before[1]} requests, {asked} times asked for credentials")


ROWS = [run_map, run_nothing, run_on_ray, run_on_slurm, connections]
