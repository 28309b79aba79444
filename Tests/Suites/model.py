"""Random operations on a mount, compared with the same on a plain folder, and with what another S3 client sees.

usage: model.py MOUNT PLAIN ENDPOINT BUCKET SEED STEPS

After each operation that was acknowledged, the bucket has what the plain folder has. The operations of a run that
fails are printed with their seed.
"""
import os
import random
import shutil
import stat
import sys

import boto3

NAMES = ["a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "x", "x/a"]


def operations(random):
    """One operation after the other, each a name and its arguments."""
    while True:
        path, other = random.choice(NAMES), random.choice(NAMES)
        size = random.choice([0, 1, 100, 5000, 200_000])
        yield random.choice(
            [
                ("put", path, random.randbytes(size)),
                ("put", path, random.randbytes(size)),
                ("append", path, random.randbytes(random.choice([1, 5000]))),
                ("patch", path, random.randrange(0, 300_000), random.randbytes(random.choice([1, 7000]))),
                ("truncate", path, random.choice([0, 10, 4096, 150_000])),
                ("unlink", path),
                ("mkdir", path),
                ("rmdir", path),
                ("rename", path, other),
                ("chmod", path, random.choice([0o600, 0o644, 0o755])),
                ("utime", path, random.randrange(10**18)),
                ("symlink", path, other),
                ("temporary", path, random.randbytes(size)),
                ("held", path, random.randbytes(size)),
            ]
        )


def perform(root, operation):
    """Performs an operation below a folder; the errno, or 0."""
    name, path, *rest = operation
    full = os.path.join(root, path)
    try:
        if name == "put":
            with open(full, "wb") as file:
                file.write(rest[0])
        elif name == "append":
            with open(full, "ab") as file:
                file.write(rest[0])
        elif name == "patch":
            with open(full, "r+b") as file:
                file.seek(rest[0])
                file.write(rest[1])
                os.fsync(file.fileno())
        elif name == "truncate":
            os.truncate(full, rest[0])
        elif name == "unlink":
            os.unlink(full)
        elif name == "mkdir":
            os.mkdir(full)
        elif name == "rmdir":
            os.rmdir(full)
        elif name == "rename":
            os.rename(full, os.path.join(root, rest[0]))
        elif name == "chmod":
            os.chmod(full, rest[0])
        elif name == "utime":
            os.utime(full, ns=(rest[0], rest[0]))
        elif name == "symlink":
            os.symlink(rest[0], full)
        elif name == "temporary":
            # As editors write: beside the file, and over it by one rename.
            with open(full + ".tmp", "wb") as file:
                file.write(rest[0])
            try:
                os.rename(full + ".tmp", full)
            except OSError:
                os.unlink(full + ".tmp")
                raise
        elif name == "held":
            # A file that is unlinked while open is written and read as before.
            with open(full, "w+b") as file:
                os.unlink(full)
                file.write(rest[0])
                file.seek(0)
                assert file.read() == rest[0], "a file without a name lost its bytes"
        return 0
    except OSError as error:
        return error.errno


def picture(root):
    """All that a program can see below a folder."""
    seen = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            key = os.path.relpath(path, root)
            if stat.S_ISLNK(status.st_mode):
                seen[key] = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                seen[key] = ("folder", stat.S_IMODE(status.st_mode))
            else:
                with open(path, "rb") as file:
                    content = file.read()
                assert len(content) == status.st_size, f"{key}: {len(content)} bytes, but the size is {status.st_size}"
                seen[key] = ("file", stat.S_IMODE(status.st_mode), content)
    return seen


def bucket(client, name):
    """The objects of the bucket as files."""
    seen = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for item in page.get("Contents", []):
            if not item["Key"].endswith("/"):
                seen[item["Key"]] = client.get_object(Bucket=name, Key=item["Key"])["Body"].read()
    return seen


def main():
    mount, plain, endpoint, name, seed, steps = sys.argv[1:]
    source = random.Random(int(seed))
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    os.umask(0o022)
    done = []
    for step, operation in zip(range(int(steps)), operations(source)):
        done.append(operation[:2])
        expected, actual = perform(plain, operation), perform(mount, operation)
        where = f"seed {seed} step {step} {operation[:2]}"
        # Which of two reasons is told first is the file system's choice.
        assert bool(expected) == bool(actual), f"{where}: errno {actual}, expected {expected}; {done[-12:]}"
        left, right = picture(mount), picture(plain)
        if left != right:
            wrong = [key for key in left.keys() | right.keys() if left.get(key) != right.get(key)]
            short = {key: (str(left.get(key))[:80], str(right.get(key))[:80]) for key in wrong}
            sys.exit(f"{where}: mount and folder differ: {short}; {done[-12:]}")
        if step % 10 == 0 or step + 1 == int(steps):
            stored = bucket(client, name)
            shown = {
                key: value[1].encode() if value[0] == "link" else value[2]
                for key, value in right.items()
                if value[0] != "folder"
            }
            assert stored == shown, f"{where}: the bucket has {sorted(stored)} and not {sorted(shown)}; {done[-12:]}"
    print(f"seed {seed}: {steps} operations, all the same")


main()
