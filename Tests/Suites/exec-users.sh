# Two users of objfs exec, neither of whom sees the other's: bash exec-users.sh OBJFS BUCKET SCRATCH; as root, or by sudo.
# Prints "ok NAME" or "FAILED NAME" for each.
set -u
# A namespace of its own, in which every user may mount, whatever the machine says of that.
if [ "${3:-}" != inside ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n "--preserve-env=PATH,$(compgen -e AWS_ | paste -sd,)")
    exec "${as_root[@]}" unshare -m bash "$0" "$1" "$2" inside
fi
scratch=$(mktemp -d /tmp/objfs-users-XXXXXX)
trap 'cd /; umount /dev/fuse; rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
mknod -m 666 "$scratch/fuse" c 10 229 && mount --bind "$scratch/fuse" /dev/fuse || exit 1
# Not all can enter the folder that the program was built in.
cp "$1" "$(dirname "$1")/libobjfs-preload.so" "$scratch" || exit 1
objfs=$scratch/objfs b=s3://$2 bucket=$2
. "$(dirname "$0")/exec-checks.sh"
for user in nobody games; do install -d -m 700 -o "$user" "$user" "$user/work"; done
as() {
    local user=$1
    shift
    (cd "$scratch/$user/work" && exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups \
        env HOME="$scratch/$user" XDG_RUNTIME_DIR="$scratch/$user" XDG_STATE_HOME="$scratch/$user" \
        XDG_CACHE_HOME="$scratch/$user" "$@")
}
chown nobody nobody/work; chown games games/work

check 'one user' eval 'as nobody "$objfs" exec -- sh -c "echo x > $b/nobody && cat $b/nobody" | same x'
root=$(as nobody "$objfs" exec -- sh -c 'echo "$OBJFS_ROOT"')
check 'another user' eval 'as games "$objfs" exec -- cat "$b/nobody" | same x'
check 'has another daemon' eval '[ "$(as games "$objfs" exec -- sh -c "echo \$OBJFS_ROOT")" != "$root" ] && [ -n "$root" ]'
check 'sees no folder of the first' eval 'status 2 as games ls "$root" 2>&1 | grep -q "Permission denied"'
check 'sees no file of the first' eval 'status 1 as games cat "$root/s3/$bucket/nobody" 2>&1 | grep -q "Permission denied"'
check 'nor with the name of the folder' eval '
    status 1 as games env OBJFS_ROOT="$root" LD_PRELOAD="$scratch/libobjfs-preload.so" cat "$b/nobody" 2>&1 | grep -q "Permission denied"'
# What the folders allow is one wall, the kernel is the other.
chmod 755 nobody "${root%/*}" "$root"
check 'the mount itself lets nobody else in' eval 'status 1 as games cat "$root/s3/$bucket/nobody" 2>&1 | grep -q "Permission denied"'
check 'not even root' eval 'status 1 cat "$root/s3/$bucket/nobody" 2>&1 | grep -q "Permission denied"'
check 'a folder that others may enter is not used' eval '
    as nobody "$objfs" exec -- cat "$b/nobody" 2>&1 | grep "not a folder that only this user can enter"'
chmod 700 nobody "${root%/*}" "$root"
install -d -m 1777 shared && install -d -m 777 -o games shared/objfs-exec
check 'nor one that another user prepared' eval '
    as nobody env XDG_RUNTIME_DIR="$scratch/shared" "$objfs" exec -- cat "$b/nobody" 2>&1 | grep "not a folder that only this user can enter"'
check 'who is not root has a view of his own too' eval '
    as games "$objfs" exec -- busybox sh -c "cat s3:/$bucket/nobody" | same x && [ -z "$(ls -A games/work)" ]'
check 'a setuid child runs as ever' eval 'as nobody "$objfs" exec -- sh -c "fusermount3 -V" 2>&1 | same "$(fusermount3 -V)"'
for user in nobody games; do check "$user ends his" as "$user" "$objfs" exec --stop; done
