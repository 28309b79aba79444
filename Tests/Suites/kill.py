"""Kills the daemon of a mount at random moments while files are written, and looks what became of them.

usage: kill.py OBJFS MOUNT ENDPOINT BUCKET SEED ROUNDS

What close() had reported is in the bucket, whole; no object is anything but what some writer meant; and what was
written but not acknowledged is offered by `objfs recover`, or is not there at all.
"""
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import boto3


def content(name, version, size):
    """The bytes of a version of a file: they tell by themselves whether they are whole."""
    body = random.Random(f"{name} {version}").randbytes(size)
    return hashlib.sha256(body).digest() + body


def is_whole(body):
    return len(body) >= 32 and hashlib.sha256(body[32:]).digest() == body[:32]


def write(folder, name, seed, acknowledged, attempted, stop):
    def opener(path, flags):
        # Relative to the mount's own root: when the mount is gone, the folder beneath must not be written.
        return os.open(path, flags, 0o644, dir_fd=folder)

    source = random.Random(seed)
    version = 0
    while not stop.is_set():
        version += 1
        size = source.choice([10, 5000, 300_000, 20_000_000])
        body = content(name, version, size)
        attempted[name] = body
        try:
            if source.random() < 0.5:
                with open(name, "wb", opener=opener) as file:
                    file.write(body)
            else:
                with open(name + ".tmp", "wb", opener=opener) as file:
                    file.write(body)
                os.rename(name + ".tmp", name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            return
        acknowledged[name] = body


def objfs(*words):
    return subprocess.run([sys.argv[1], *words], capture_output=True, text=True)


def daemon(mount):
    for process in os.listdir("/proc"):
        if process.isdigit():
            try:
                words = open(f"/proc/{process}/cmdline").read().split("\0")
            except OSError:
                continue
            if "--foreground" in words and mount in words:
                return int(process)
    sys.exit(f"no daemon of {mount}")


def round_of(number, source, client, mount, name):
    log = f"{os.path.dirname(mount)}/kill-{number}.log"
    mounted = objfs("mount", f"s3://{name}", mount, "--log-file", log)
    assert mounted.returncode == 0, mounted.stderr
    folder = os.open(mount, os.O_RDONLY | os.O_DIRECTORY)
    acknowledged, attempted, stop = {}, {}, threading.Event()
    writers = [
        threading.Thread(
            target=write, args=(folder, f"r{number}-{i}", source.random(), acknowledged, attempted, stop)
        )
        for i in range(4)
    ]
    for writer in writers:
        writer.start()
    time.sleep(source.uniform(0.05, 0.8))
    os.kill(daemon(mount), signal.SIGKILL)
    stop.set()
    for writer in writers:
        writer.join()
    os.close(folder)
    for attempt in range(600):
        # What fusermount3 left because it was in use at that moment, the next mount needs gone all the same.
        if attempt in (10, 200):
            subprocess.run(["fusermount3", "-u", "-z", mount], stderr=subprocess.DEVNULL)
        # A mount that has died answers nothing, and ismount() takes it for none.
        if f" {mount} " not in open("/proc/self/mountinfo").read():
            break
        time.sleep(0.05)
    else:
        sys.exit(f"round {number}: the mount is still there")
    check(number, client, name, acknowledged, attempted)


# The files that were listed as written and not stored, in all rounds.
kept = []


def check(number, client, name, acknowledged, attempted):
    stored = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=f"r{number}-"):
        for item in page.get("Contents", []):
            stored[item["Key"]] = client.get_object(Bucket=name, Key=item["Key"])["Body"].read()
    for key, body in stored.items():
        # An object of no bytes is what open(…, "w") leaves if it is closed before anything is written.
        assert is_whole(body) or not body, f"round {number}: {key} is not whole: {len(body)} bytes"
    for key, body in acknowledged.items():
        allowed = [body, attempted[key]]
        assert stored.get(key) in allowed, f"round {number}: {key}: what was acknowledged is not in the bucket"
    listed = objfs("recover", "--json")
    assert listed.returncode == 0, listed.stderr
    left = [json.loads(line) for line in listed.stdout.splitlines()]
    kept.extend(left)
    if number % 2:
        recovered = objfs("recover", "--upload", "--force")
        assert recovered.returncode == 0, recovered.stderr
        for file in left:
            key = file["url"].split("/", 3)[3]
            body = client.get_object(Bucket=name, Key=key)["Body"].read()
            assert len(body) == file["size"], f"round {number}: {key} was recovered with {len(body)} bytes"
    else:
        assert objfs("recover", "--discard").returncode == 0
    assert not objfs("recover").stdout, f"round {number}: something is left"


def main():
    _, _, mount, endpoint, name, seed, rounds = sys.argv
    source = random.Random(int(seed))
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    for number in range(int(rounds)):
        round_of(number, source, client, mount, name)
        for item in client.list_objects_v2(Bucket=name).get("Contents", []):
            client.delete_object(Bucket=name, Key=item["Key"])
    # A request that the service had received may have begun an upload after its client was gone.
    time.sleep(2)
    assert objfs("recover", "--discard").returncode == 0
    uploads = client.list_multipart_uploads(Bucket=name).get("Uploads", [])
    assert not uploads, f"uploads are left: {[upload['Key'] for upload in uploads]}"
    print(f"seed {seed}: {rounds} rounds, {len(kept)} files recovered or discarded, nothing lost")


main()
