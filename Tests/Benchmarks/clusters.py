"""Slurm and Ray on this machine, as Tests/ObjfsTesting starts them; all is taken down when the program ends."""

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import world

_sessions, _marks, _folders = [], [], []


def _processes():
    """Those of what was started here: by their session, or by the folder that is in their environment."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                state, *fields = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue
        if state != "Z" and (int(fields[2]) in _sessions or any(mark in environment for mark in _marks)):
            yield int(pid)


def _take_down():
    for _ in range(50):
        found = list(_processes())
        if not found:
            break
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


atexit.register(_take_down)


def _folder(name):
    # The names of Ray's sockets are long, and may not be much longer.
    path = tempfile.mkdtemp(prefix=f"objfs-{name}-", dir="/tmp")
    _folders.append(path)
    _marks.append(path.encode())
    return path


def _daemon(command, log, environment):
    with open(log, "wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            env=dict(os.environ, **environment))
    _sessions.append(process.pid)
    return process


def _wait(what, seconds, is_ready):
    deadline = time.monotonic() + seconds
    while not is_ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: {what} does not begin to serve")
        time.sleep(0.1)


def slurm(nodes=3):
    """A controller and nodes of two processors each; returns what a program needs in its environment."""
    folder = _folder("slurm")
    os.chmod(folder, 0o755)
    for name in ("munge", "state"):
        os.mkdir(os.path.join(folder, name), 0o700)
    with open(os.path.join(folder, "munge", "key"), "wb") as file:
        os.fchmod(file.fileno(), 0o400)
        file.write(secrets.token_bytes(128))
    host = socket.gethostname().split(".")[0]
    names = [f"n{number}" for number in range(1, nodes + 1)]
    lines = "".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={world.free_port()} CPUs=2 RealMemory=500\n"
        for name in names)
    with open(os.path.join(folder, "slurm.conf"), "w") as file:
        file.write(f"""ClusterName=objfs
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={world.free_port()}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
{lines}PartitionName=all Nodes=n[1-{nodes}] Default=YES MaxTime=INFINITE State=UP
""")
    environment = {"SLURM_CONF": os.path.join(folder, "slurm.conf")}
    munge = os.path.join(folder, "munge")
    _daemon(
        ["munged", "--foreground", "--force", f"--key-file={munge}/key", f"--socket={folder}/munge.sock",
         f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed"],
        os.path.join(folder, "munged.out"), environment)
    _wait("munged", 60, lambda: os.path.exists(os.path.join(folder, "munge.sock")))
    configuration = environment["SLURM_CONF"]
    _daemon(["slurmctld", "-D", "-i", "-f", configuration], os.path.join(folder, "slurmctld.out"), environment)
    for name in names:
        _daemon(["slurmd", "-D", "-N", name, "-f", configuration], os.path.join(folder, name + ".out"), environment)
    _wait("slurmctld", 60, lambda: len(subprocess.run(
        ["sinfo", "-h", "-N", "-t", "idle", "-o", "%N"], env=dict(os.environ, **environment), stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL).stdout.split()) == nodes)
    return environment


def ray(python, environment=None):
    """A head of two processors, of the Ray beside that Python; returns what its drivers and objfs need to know."""
    folder = _folder("ray")
    token = secrets.token_hex(32)
    port, dashboard = world.free_port(), world.free_port()
    known = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    process = _daemon(
        [os.path.join(os.path.dirname(python), "ray"), "start", "--head", "--block", f"--port={port}",
         f"--dashboard-port={dashboard}", f"--ray-client-server-port={world.free_port()}", f"--temp-dir={folder}/ray",
         f"--dashboard-agent-listen-port={world.free_port()}", "--num-cpus=2", "--object-store-memory=200000000",
         "--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats"],
        os.path.join(folder, "head.out"), dict(environment or {}, HOME=folder, **known))
    url = f"http://127.0.0.1:{dashboard}"

    def is_ready():
        if process.poll() is not None:
            raise SystemExit("bench: Ray does not start")
        question = urllib.request.Request(
            url + "/api/cluster_status?format=0", headers={"Authorization": "Bearer " + token})
        try:
            with urllib.request.urlopen(question, timeout=5) as answer:
                return b'"CPU": [' in answer.read()
        except OSError:
            return False

    _wait("Ray", 120, is_ready)
    return dict(known, RAY_ADDRESS=f"127.0.0.1:{port}", RAY_DASHBOARD=url)
