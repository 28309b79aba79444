"""Ways in which a program can be told that its data is safe: after each, another S3 client looks into the bucket.

usage: acknowledged.py MOUNT ENDPOINT BUCKET WAY
"""
import ctypes
import errno
import mmap
import os
import signal
import subprocess
import sys
import time

import boto3

MOUNT, ENDPOINT, BUCKET, WAY = sys.argv[1:]
client = boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1")
path = f"{MOUNT}/{WAY}"


def stored(key=WAY):
    """What the bucket has, or None."""
    try:
        return client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    except client.exceptions.NoSuchKey:
        return None


def see(expected, when, key=WAY):
    found = stored(key)
    assert found == expected, f"{when}: the bucket has {found!r:.80} and not {expected!r:.80}"


def wait_for(expected, when):
    """For what nobody waits for, as nobody can: the end of a process is not told when its files are stored."""
    for _ in range(200):
        if stored() == expected:
            return
        time.sleep(0.05)
    see(expected, when)


def refuses(number, call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        assert error.errno == number, f"{call.__name__}: errno {error.errno}, expected {number}"
        return
    raise AssertionError(f"{call.__name__}: succeeded, expected errno {number}")


def fsync():
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"one")
    os.fsync(descriptor)
    see(b"one", "after fsync")
    os.write(descriptor, b"two")
    os.fsync(descriptor)
    see(b"onetwo", "after the second fsync")
    os.close(descriptor)
    see(b"onetwo", "after close")


def fdatasync():
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"one")
    os.fdatasync(descriptor)
    see(b"one", "after fdatasync")
    os.pwrite(descriptor, b"O", 0)
    os.fdatasync(descriptor)
    see(b"One", "after the second fdatasync")
    os.close(descriptor)


def o_sync():
    for flag, name in ((os.O_SYNC, "O_SYNC"), (os.O_DSYNC, "O_DSYNC")):
        descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR | flag)
        for number in range(3):
            os.write(descriptor, b"%d" % number)
            see(b"012"[: number + 1], f"after a write with {name}")
        os.close(descriptor)


def dup():
    first = os.open(path, os.O_CREAT | os.O_WRONLY)
    second = os.dup(first)
    os.write(first, b"one")
    os.close(first)
    see(b"one", "after the first close")
    os.write(second, b"two")
    os.close(second)
    see(b"onetwo", "after the second close")


def inherited():
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"parent ")
    subprocess.run(["sh", "-c", f"echo child >&{descriptor}"], pass_fds=[descriptor], check=True)
    see(b"parent child\n", "after the child has closed it")
    os.write(descriptor, b"again")
    os.close(descriptor)
    see(b"parent child\nagain", "after the parent has")


def redirected():
    subprocess.run(f"(echo one; /bin/echo two; sh -c 'echo three') > '{path}'", shell=True, check=True)
    see(b"one\ntwo\nthree\n", "after the shell has ended")


def mapped():
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    os.ftruncate(descriptor, 8192)
    view = mmap.mmap(descriptor, 8192)
    view[0:5] = b"begin"
    view.flush()
    see(b"begin".ljust(8192, b"\0"), "after msync")
    view[8189:8192] = b"end"
    view.flush()
    see(b"begin".ljust(8189, b"\0") + b"end", "after the second msync")
    os.close(descriptor)
    view[0:5] = b"BEGIN"
    view.flush()
    see(b"BEGIN".ljust(8189, b"\0") + b"end", "after msync, when the descriptor is closed")
    view.close()


def synced():
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.write(descriptor, b"content")
    assert ctypes.CDLL(None, use_errno=True).syncfs(descriptor) == 0
    # The kernel has no way to ask FUSE for this, and says 0: close(2) is what counts, as the manual says.
    os.close(descriptor)
    see(b"content", "after close")


def killed():
    program = f"import os, time; f = os.open({path!r}, os.O_CREAT | os.O_WRONLY); os.write(f, b'content'); print(1, flush=True); time.sleep(100)"
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    wait_for(b"content", "after a process was killed that had the file open")


def left_open():
    program = f"import os; f = os.open({path!r}, os.O_CREAT | os.O_WRONLY); os.write(f, b'content'); os._exit(0)"
    subprocess.run([sys.executable, "-c", program], check=True)
    wait_for(b"content", "after a process has ended that never closed the file")


def renamed():
    with open(path + ".part", "wb") as file:
        file.write(b"whole")
    os.rename(path + ".part", path)
    see(b"whole", "after rename")
    see(None, "after rename, the old name", WAY + ".part")
    os.unlink(path)
    see(None, "after unlink")


def truncated():
    with open(path, "wb") as file:
        file.write(b"0123456789")
    os.truncate(path, 4)
    see(b"0123", "after truncate")
    os.truncate(path, 6)
    see(b"0123\0\0", "after truncate to more")
    open(path, "wb").close()
    see(b"", "after opening it with O_TRUNC")


def foreign_mode():
    """Another client changes what the object carries, and leaves its bytes, and so its ETag, as they are."""
    with open(path, "w") as file:
        file.write("content")
    os.chmod(path, 0o640)
    time.sleep(2.5)

    def change(mode):
        metadata = client.head_object(Bucket=BUCKET, Key=WAY)["Metadata"] | {"mode": str(0o100000 | mode)}
        client.copy_object(
            Bucket=BUCKET, Key=WAY, CopySource={"Bucket": BUCKET, "Key": WAY}, Metadata=metadata,
            MetadataDirective="REPLACE",
        )
        time.sleep(1.2)

    held = os.open(path, os.O_RDONLY)
    assert os.stat(path).st_mode & 0o777 == 0o640
    change(0o600)
    assert os.stat(path).st_mode & 0o777 == 0o600, "a mode that was set elsewhere is not seen"
    change(0o604)
    with os.scandir(MOUNT) as entries:
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in entries}
    assert modes[WAY] == 0o604, "a mode that was set elsewhere is not seen in a listing"
    os.close(held)
    os.mkdir(path + ".d", 0o755)
    key = WAY + ".d/"
    metadata = client.head_object(Bucket=BUCKET, Key=key)["Metadata"] | {"mode": str(0o040700)}
    client.put_object(Bucket=BUCKET, Key=key, Metadata=metadata)
    time.sleep(1.2)
    with os.scandir(MOUNT) as entries:
        modes = {entry.name: entry.stat().st_mode & 0o777 for entry in entries}
    assert modes[WAY + ".d"] == 0o700, "the mode of a folder that was set elsewhere is not seen"


def too_long():
    refuses(errno.ENAMETOOLONG, open, f"{MOUNT}/{'x' * 256}", "w")
    refuses(errno.ENAMETOOLONG, os.mkdir, f"{MOUNT}/{'x' * 256}")
    refuses(errno.ENAMETOOLONG, os.stat, f"{MOUNT}/{'x' * 256}")
    folder = path
    os.mkdir(folder)
    while len(folder) - len(MOUNT) - 1 + 201 < 1000:
        folder += "/" + "y" * 200
        os.mkdir(folder)
    room = 1024 - (len(folder) - len(MOUNT) - 1) - 1
    refuses(errno.ENAMETOOLONG, open, f"{folder}/{'z' * (room + 1)}", "w")
    # The marker of a folder has a slash at its end.
    refuses(errno.ENAMETOOLONG, os.mkdir, f"{folder}/{'z' * room}")
    name = f"{folder}/{'z' * room}"
    with open(name, "w") as file:
        file.write("the longest key")
    see(b"the longest key", "after a file with the longest name", name[len(MOUNT) + 1:])
    refuses(errno.ENAMETOOLONG, os.rename, path, path + "longer")
    os.unlink(name)
    see(None, "after unlink", name[len(MOUNT) + 1:])
    os.rename(path, path + "longer")


def too_large():
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    os.write(descriptor, b"content")
    limit = 5 << 40
    refuses(errno.EFBIG, os.pwrite, descriptor, b"x", limit)
    refuses(errno.EFBIG, os.ftruncate, descriptor, limit + 1)
    os.write(descriptor, b" and more")
    os.close(descriptor)
    see(b"content and more", "after a write beyond the limit was refused")
    refuses(errno.EFBIG, os.truncate, path, limit + 1)
    see(b"content and more", "after a truncate beyond the limit was refused")


def read_only():
    """The bucket lets whoever mounts it read, and nothing else."""
    refuses(errno.EACCES, open, path, "w")
    refuses(errno.EACCES, open, f"{MOUNT}/there", "w")
    refuses(errno.EACCES, open, f"{MOUNT}/there", "a")
    refuses(errno.EACCES, os.mkdir, path)
    refuses(errno.EACCES, os.unlink, f"{MOUNT}/there")
    refuses(errno.EACCES, os.rename, f"{MOUNT}/there", path)
    refuses(errno.EACCES, os.truncate, f"{MOUNT}/there", 1)
    with open(f"{MOUNT}/there") as file:
        assert file.read() == "content"


globals()[WAY]()
print(f"ok {WAY}")
