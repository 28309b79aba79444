"""Runs things in alternation and says how long they took, and what they cost."""

import os
import resource
import statistics
import subprocess
import tempfile
import time

ROUNDS = int(os.environ.get("ROUNDS", "5"))


def cpu_seconds(pid):
    """User and system time of a process so far, in seconds."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid):
    """The largest resident size of a process so far, in MiB."""
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


def drop_caches():
    """Empties the kernel's page cache, so that nothing is read twice from it; needs root."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("1")
    except PermissionError:
        raise SystemExit("bench: emptying the page cache needs root")


def wait_until_idle():
    """Waits until the machine has nothing to do: servers go on for a while after they have answered."""
    def busy():
        with open("/proc/stat") as file:
            ticks = [int(word) for word in file.readline().split()[1:8]]
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks)

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        work, total = busy()
        time.sleep(0.5)
        more, end = busy()
        if more - work < (end - total) / 20:
            return
    raise SystemExit("bench: the machine has other things to do")


class Contender:
    """One of those that are compared: a command, and the daemon that serves it, if there is one."""

    def __init__(self, name, command, daemon=None, prepare=None, environment=None, wanted=None, rounds=None):
        """`wanted` is what it must print, if that is given; `rounds` how often it is run at most."""
        self.name = name
        self.wanted = wanted
        self.rounds = rounds
        self.command = command
        self.daemon = daemon
        self.prepare = prepare
        self.environment = environment
        self.walls, self.costs, self.daemons = [], [], []

    def run(self):
        if self.rounds and len(self.walls) >= self.rounds:
            return
        if self.prepare:
            self.prepare()
        before = cpu_seconds(self.daemon) if self.daemon else 0.0
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        # Not the null device: grep ends at the first match where it sees that one.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                self.command, shell=True, stdout=output, stderr=subprocess.PIPE, env=self.environment)
            wall = time.monotonic() - start
            output.seek(0)
            printed = output.read().decode().strip() if self.wanted is not None else None
        if done.returncode != 0:
            raise SystemExit(f"bench: {self.name} failed ({done.returncode}): {done.stderr.decode()[-500:]}")
        if printed != self.wanted:
            raise SystemExit(f"bench: {self.name} printed {printed}, and not {self.wanted}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.walls.append(wall)
        self.costs.append(after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime)
        self.daemons.append(cpu_seconds(self.daemon) - before if self.daemon else 0.0)

    wall = property(lambda self: statistics.median(self.walls))
    cost = property(lambda self: statistics.median(self.costs))
    daemon_cost = property(lambda self: statistics.median(self.daemons))


def compare(contenders, goals=None, rounds=None):
    """Runs all in alternation; objfs comes first, or objfs with two sets of options.

    `goals` maps a peer's name to the ratio that is wanted.
    """
    for _ in range(rounds if rounds is not None else ROUNDS):
        for contender in contenders:
            contender.run()
    ours = [contender for contender in contenders if contender.name.startswith("objfs")]
    for contender in contenders:
        line = f"{contender.name:28} {contender.wall:8.3f} s wall  {contender.cost:6.2f} s CPU"
        if contender.daemon:
            line += f"  {contender.daemon_cost:6.2f} s daemon  {peak_memory(contender.daemon):5.0f} MiB"
        if contender not in ours:
            for own in ours:
                line += f"  {own.name}/it {own.wall / contender.wall:6.3f}"
                if contender.daemon_cost:
                    line += f" (daemon {own.daemon_cost / contender.daemon_cost:4.2f})"
            if goals and contender.name in goals:
                line += f"  goal {goals[contender.name]}"
        print(line, flush=True)
