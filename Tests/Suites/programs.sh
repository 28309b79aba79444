#!/bin/bash
# Runs what people run, in a folder of a mount: each step prints "ok" or "FAILED" and its name.
# usage: programs.sh FOLDER SCRATCH
set -u
folder=$1 scratch=$2 failures=0
mkdir -p "$folder" "$scratch"
cd "$folder" || exit 1

step() {
    local name=$1
    shift
    if (set -e; "$@") > "$scratch/output" 2>&1; then
        echo "ok $name"
    else
        echo "FAILED $name: $(tail -c 600 "$scratch/output" | tr '\n' ' ')"
        failures=$((failures + 1))
    fi
}

# A tree with all attributes that a file can have here.
make_tree() {
    local tree=$1
    mkdir -p "$tree/deep/er/est" "$tree/empty"
    echo small > "$tree/small"
    : > "$tree/nothing"
    head -c 3000000 /dev/urandom > "$tree/deep/large"
    for number in $(seq 100); do echo "$number" > "$tree/deep/er/file-$number"; done
    ln -s ../small "$tree/deep/link"
    ln -s nowhere "$tree/dangling"
    echo "a name" > "$tree/with space and ünïcode"
    chmod 600 "$tree/small"
    chmod 755 "$tree/nothing"
    chmod 711 "$tree/deep"
    setfattr -n user.note -v "an attribute" "$tree/small" 2> /dev/null || true
    touch -d '2001-02-03 04:05:06.123456789' "$tree/small" "$tree/deep/er/est"
    touch -h -d '2002-02-03 04:05:06.5' "$tree/deep/link"
}

# Names, types, modes, owners, times and targets of a tree. The times of folders change as they are filled.
attributes() { (cd "$1" && find . \( -type d -printf '%p %y %m %U %G\n' \) -o -printf '%p %y %m %U %G %T@ %l\n' | sort); }

same() { diff -r --no-dereference "$1" "$2" && diff <(attributes "$1") <(attributes "$2"); }

make_tree "$scratch/tree"
cp_archive() { cp -a "$scratch/tree" copied && same "$scratch/tree" copied; }
cp_back() { cp -a copied "$scratch/back" && same "$scratch/tree" "$scratch/back"; }
tar_round() { tar --format=posix -cf archive.tar -C "$scratch" tree && mkdir untarred && tar xpf archive.tar -C untarred && same "$scratch/tree" untarred/tree; }
rsync_round() { rsync -aX "$scratch/tree/" synced/ && same "$scratch/tree" synced; }
rsync_idle() { [ -z "$(rsync -a --itemize-changes "$scratch/tree/" synced/)" ]; }
unzip_round() {
    (cd "$scratch" && python3 -m zipfile -c "$scratch/archive.zip" tree/small tree/deep/er)
    cp "$scratch/archive.zip" . && mkdir unzipped && python3 -m zipfile -e archive.zip unzipped
    cmp unzipped/tree/small "$scratch/tree/small" || cmp unzipped/small "$scratch/tree/small"
}
zip_here() { python3 -m zipfile -c here.zip copied/small copied/deep/large && python3 -m zipfile -t here.zip; }
remove_tree() { rm -r untarred && [ ! -e untarred ]; }
move_tree() { mv synced moved && same "$scratch/tree" moved && [ ! -e synced ]; }
sed_in_place() { echo "one two" > text && sed -i s/two/three/ text && [ "$(cat text)" = "one three" ]; }
sort_onto() { printf 'b\na\n' > lines && sort -o lines lines && [ "$(head -1 lines)" = a ]; }
append_lines() { for number in $(seq 20); do echo "$number" >> log; done && [ "$(wc -l < log)" = 20 ]; }
inherited() { (for number in 1 2 3; do /bin/echo "$number"; done) > inherited && [ "$(cat inherited)" = "$(seq 3)" ]; }
dd_patch() { cp "$scratch/tree/deep/large" patched && printf XYZ | dd of=patched bs=1 seek=1500000 conv=notrunc && [ "$(tail -c +1500001 patched | head -c 3)" = XYZ ] && [ "$(stat -c %s patched)" = 3000000 ]; }
truncates() { truncate -s 10000000 hole && truncate -s 5 hole && [ "$(stat -c %s hole)" = 5 ]; }
mapped() {
    python3 - << 'PYTHON'
import mmap
with open("mapped", "w+b") as file:
    file.truncate(100_000)
    with mmap.mmap(file.fileno(), 0) as view:
        view[50_000:50_005] = b"hello"
        view.flush()
with open("mapped", "rb") as file:
    file.seek(50_000)
    assert file.read(5) == b"hello"
PYTHON
}
sqlite_modes() {
    python3 - << 'PYTHON'
import sqlite3
for mode in ["DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"]:
    base = sqlite3.connect("base-" + mode)
    base.execute("pragma journal_mode=" + mode)
    base.execute("create table t (a integer, b text)")
    for start in range(3):
        with base:
            base.executemany("insert into t values (?, ?)", [(i, "x" * 100) for i in range(500)])
    with base:
        base.execute("delete from t where a % 3 = 0")
    base.execute("vacuum")
    base.close()
    base = sqlite3.connect("base-" + mode)
    assert base.execute("pragma integrity_check").fetchone() == ("ok",)
    assert base.execute("select count(*) from t").fetchone() == (999,)
PYTHON
}
git_work() {
    export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    git init -q -b main repository && cd repository
    for number in 1 2 3; do
        echo "$number" > "file-$number" && git add . && git commit -qm "commit $number"
    done
    git checkout -qb branch && echo more >> file-1 && git commit -qam more && git checkout -q main
    git merge -q --no-ff -m merge branch && git gc -q && git fsck --strict
    [ -z "$(git status --porcelain)" ] && cd .. && git clone -q repository cloned && git -C cloned fsck
}
hard_link() { echo x > one && ! ln one two 2> /dev/null; }
locks() { flock locked true && (exec 9> locked && flock -n 9 && ! flock -n locked true); }
no_replace() { echo 1 > n1 && echo 2 > n2 && mv -n n1 n2; [ "$(cat n2)" = 2 ]; }
exclusive() { set -o noclobber && echo 1 > excl && ! (echo 2 > excl) 2> /dev/null; }

step "cp -a into the mount" cp_archive
step "cp -a out of the mount" cp_back
step "tar there and back" tar_round
step "unzip" unzip_round
step "zip, which seeks back" zip_here
step "rsync -aX" rsync_round
step "a second rsync -a copies nothing" rsync_idle
step "mv of a folder" move_tree
step "rm -r" remove_tree
step "sed -i" sed_in_place
step "sort -o onto its input" sort_onto
step "appending line by line" append_lines
step "a descriptor that children inherit" inherited
step "dd into the middle" dd_patch
step "truncate" truncates
step "mmap and msync" mapped
step "sqlite with its journal modes" sqlite_modes
step "git commit, merge, gc, fsck, clone" git_work
step "hard links are refused" hard_link
step "flock" locks
step "mv -n" no_replace
step "noclobber" exclusive
exit $((failures > 0))
