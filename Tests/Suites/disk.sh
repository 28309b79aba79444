#!/bin/bash
# Fills the disk of the journal: what is written in order goes on, all else fails at once and hurts no other file.
# usage: disk.sh OBJFS BUCKET SCRATCH
set -eu
objfs=$1 bucket=$2 scratch=$3
mkdir -p "$scratch/journal" "$scratch/mount"
mount -t tmpfs -o size=48m,mode=0700 tmpfs "$scratch/journal"
trap '"$objfs" umount "$scratch/mount"; umount "$scratch/journal"' EXIT
"$objfs" mount "s3://$bucket" "$scratch/mount" --journal "$scratch/journal" --log-file "$scratch/log"
cd "$scratch/mount"
head -c 200000000 /dev/urandom > "$scratch/large"
cp --reflink=never "$scratch/large" large
cmp large "$scratch/large" && echo "ok a file larger than the disk, written in order"
python3 - << 'PYTHON'
import errno, os
with open("whole", "wb") as file:
    file.write(b"before")
with open("scattered", "wb", buffering=0) as file:
    try:
        for place in range(100):
            os.pwrite(file.fileno(), bytes(1 << 20), (place * 7919 % 100) << 20)
        raise SystemExit("nothing failed")
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    # A journal that is full for one file may be full for all, until this one is given up.
    os.ftruncate(file.fileno(), 0)
    with open("other", "wb") as other:
        other.write(b"other")
assert open("whole", "rb").read() == b"before" and open("other", "rb").read() == b"other"
print("ok ENOSPC at once, and no other file is hurt")
PYTHON
cd /
