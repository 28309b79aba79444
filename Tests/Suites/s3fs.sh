#!/bin/bash
# Shows that s3fs sees what objfs wrote, and the other way round: modes, owners, times, links, attributes, bytes.
# usage: s3fs.sh OBJFS-MOUNT S3FS-MOUNT BUCKET ENDPOINT PASSWORD-FILE
set -eu
ours=$1 theirs=$2 bucket=$3 endpoint=$4 password=$5
s3fs "$bucket" "$theirs" -o passwd_file="$password" -o url="$endpoint" -o use_path_request_style -o enable_noobj_cache \
    -o use_xattr=1 -o stat_cache_expire=1 -o sigv4
trap 'fusermount3 -u "$theirs" || umount "$theirs"' EXIT

make() {
    mkdir -p "$1"
    echo "content" > "$1/file"
    head -c 20000000 /dev/zero | tr '\0' x > "$1/large"
    chmod 640 "$1/file"
    chown 12:34 "$1/file"
    setfattr -n user.colour -v "blue and grün" "$1/file"
    touch -d '2001-02-03 04:05:06' "$1/file"
    ln -s file "$1/link"
    mkdir -m 711 "$1/folder"
}

show() {
    (cd "$1" && find . -printf '%p %y %m %U %G %l\n' | sort && stat -c '%n %s %Y' file && cat file && cat link &&
        md5sum large && getfattr -n user.colour file)
}

make "$ours/by-objfs"
make "$theirs/by-s3fs"
sleep 1.5
for folder in by-objfs by-s3fs; do
    diff <(show "$ours/$folder") <(show "$theirs/$folder") && echo "ok $folder"
done
