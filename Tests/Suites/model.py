"""Random operations on a mount, compared with the same on a plain folder, and with what another S3 client sees.

usage: model.py MOUNT PLAIN ENDPOINT BUCKET SEED STEPS

Some of the operations are another client's, which are seen when the mount's metadata has had its time: a quarter of a
second. After each operation that was acknowledged, the bucket has what the plain folder has. Of a run that fails, the
seed is printed, and the shortest part of it that fails as well.
"""
import itertools
import os
import random
import stat
import sys
import time

import boto3

TTL = 0.25
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
                random.choice([("foreign put", path, random.randbytes(size)), ("foreign delete", path)]),
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


class Other:
    """Another client of the bucket, which sees the objects whose keys begin with a prefix."""

    def __init__(self, endpoint, name, prefix):
        self.client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        self.name, self.prefix = name, prefix

    def objects(self):
        """The objects as files."""
        seen = {}
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix)
        for item in itertools.chain.from_iterable(page.get("Contents", []) for page in pages):
            if not item["Key"].endswith("/"):
                body = self.client.get_object(Bucket=self.name, Key=item["Key"])["Body"]
                seen[item["Key"][len(self.prefix):]] = body.read()
        return seen

    def perform(self, operation, plain):
        """Puts or deletes an object, and does the same to the plain folder, where that is possible."""
        name, path, *rest = operation
        full = os.path.join(plain, path)
        # A key does not follow links.
        folder = os.path.dirname(full)
        if not os.path.isdir(folder) or os.path.realpath(folder) != folder or os.path.isdir(full):
            return
        if os.path.lexists(full):
            # An object that is put carries nothing that the one before it did.
            os.unlink(full)
        elif name == "foreign delete":
            return
        if name == "foreign put":
            with open(full, "wb") as file:
                file.write(rest[0])
            self.client.put_object(Bucket=self.name, Key=self.prefix + path, Body=rest[0])
        else:
            self.client.delete_object(Bucket=self.name, Key=self.prefix + path)
        time.sleep(TTL * 1.2)


def run(mount, plain, other, steps):
    """What is wrong after some operations on empty folders; None if nothing is."""
    for folder in (mount, plain):
        os.makedirs(folder)
    for step, operation in enumerate(steps):
        where = f"step {step} {operation[:2]}"
        if operation[0].startswith("foreign"):
            other.perform(operation, plain)
        else:
            expected, actual = perform(plain, operation), perform(mount, operation)
            # Which of two reasons is told first is the file system's choice.
            if bool(expected) != bool(actual):
                return f"{where}: errno {actual}, expected {expected}"
        try:
            left, right = picture(mount), picture(plain)
        except OSError as error:
            return f"{where}: {error}"
        if left != right:
            wrong = [key for key in left.keys() | right.keys() if left.get(key) != right.get(key)]
            short = {key: (str(left.get(key))[:80], str(right.get(key))[:80]) for key in wrong}
            return f"{where}: mount and folder differ: {short}"
        if step % 10 == 0 or step + 1 == len(steps):
            stored = other.objects()
            shown = {
                key: value[1].encode() if value[0] == "link" else value[2]
                for key, value in right.items()
                if value[0] != "folder"
            }
            if stored != shown:
                return f"{where}: the bucket has {sorted(stored)} and not {sorted(shown)}"
    return None


def shortest(steps, fails, seconds=300):
    """Leaves out operations, in ever smaller pieces, as long as what is left still fails."""
    deadline = time.monotonic() + seconds
    size = len(steps) // 2
    while size and time.monotonic() < deadline:
        start = 0
        while start < len(steps) and time.monotonic() < deadline:
            shorter = steps[:start] + steps[start + size:]
            if shorter and fails(shorter):
                steps = shorter
            else:
                start += size
        size //= 2
    return steps


def main():
    mount, plain, endpoint, name, seed, steps = sys.argv[1:]
    plain = os.path.realpath(plain)
    os.umask(0o022)
    numbers = itertools.count()

    def attempt(steps):
        number = next(numbers)
        other = Other(endpoint, name, f"{number}/")
        return run(f"{mount}/{number}", f"{plain}/{number}", other, steps)

    steps = list(itertools.islice(operations(random.Random(int(seed))), int(steps)))
    failure = attempt(steps)
    if failure:
        steps = shortest(steps, attempt)
        short = "\n".join(f"  {operation[:2]} {str(operation[2:])[:60]}" for operation in steps)
        sys.exit(f"seed {seed}: {attempt(steps) or failure}\n{short}")
    print(f"seed {seed}: {len(steps)} operations, all the same")


main()
