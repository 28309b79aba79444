"""Kills a server while files are written, starts it again, and looks whether anything was acknowledged in vain.

usage: outage.py OBJFS RCLONE SCRATCH ROUNDS

The bucket is a folder of `rclone serve s3`, so what it has can be seen.
"""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

_, objfs, rclone, scratch, rounds = sys.argv
bucket, mount = f"{scratch}/served/outage", f"{scratch}/outage-mount"
os.makedirs(bucket)
os.makedirs(mount)
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
os.environ.update(AWS_ACCESS_KEY_ID="ACCESS", AWS_SECRET_ACCESS_KEY="SECRET", AWS_REGION="us-east-1")
os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"


def serve():
    server = subprocess.Popen(
        [rclone, "serve", "s3", "--config", "/dev/null", "--auth-key", "ACCESS,SECRET"]
        + ["--addr", f"127.0.0.1:{port}", f"{scratch}/served"],
        stderr=subprocess.DEVNULL,
    )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.05)
    sys.exit("the server does not start")


def write(acknowledged, failed, stop):
    number = 0
    while not stop.is_set():
        number += 1
        name, body = f"{threading.get_ident()}-{number}", os.urandom(20_000)
        try:
            with open(f"{mount}/{name}", "wb") as file:
                file.write(body)
            acknowledged[name] = body
        except OSError as error:
            failed[name] = error.errno


server = serve()
subprocess.run([objfs, "mount", "s3://outage", mount], check=True)
acknowledged, failed, stop = {}, {}, threading.Event()
writers = [threading.Thread(target=write, args=(acknowledged, failed, stop)) for _ in range(3)]
try:
    for writer in writers:
        writer.start()
    for _ in range(int(rounds)):
        time.sleep(0.5)
        server.send_signal(signal.SIGKILL)
        server.wait()
        time.sleep(0.5)
        server = serve()
    time.sleep(1)
finally:
    stop.set()
    for writer in writers:
        writer.join()
    subprocess.run([objfs, "umount", mount])
    server.kill()
    server.wait()
for name, body in acknowledged.items():
    with open(f"{bucket}/{name}", "rb") as file:
        assert file.read() == body, f"{name} was acknowledged and is not in the bucket"
assert acknowledged, "nothing was written"
print(f"{len(acknowledged)} acknowledged, {len(failed)} failed, nothing lost")
