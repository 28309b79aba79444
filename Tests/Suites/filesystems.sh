#!/bin/bash
# Runs the suites that file systems are judged by, and prints a line for each: what passed, and what did not.
# usage: filesystems.sh FOLDER SCRATCH
set -u
folder=$1 scratch=$2
mkdir -p "$folder" "$scratch"

# libfuse's own test, from Debian's source package.
cd "$scratch" || exit 1
mkdir -p lists/partial cache/partial
if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    sed 's/^Types: .*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > debian.sources
else
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > debian.list
fi
apt=(-qq -o "Dir::Etc::sourcelist=$(ls "$scratch"/debian.*)" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$scratch/lists" -o "Dir::Cache=$scratch/cache")
apt-get "${apt[@]}" update && apt-get "${apt[@]}" source --download-only fuse3 2> /dev/null
tar xf fuse3_*.orig.tar.?z
source=$(find . -name test_syscalls.c | head -1)
echo '#define HAVE_COPY_FILE_RANGE 1' > "$(dirname "$source")/fuse_config.h"
gcc -O1 -w -D_GNU_SOURCE -I "$(dirname "$source")" -o test_syscalls "$source" || echo "FAILED to build test_syscalls"
mkdir -p "$folder/calls"
./test_syscalls "$folder/calls" > calls.log 2>&1
echo "test_syscalls: $(grep -c 'OK$' calls.log) passed; not: $(grep -v 'OK$' calls.log | sed -n 's/.*\[\(.*\)\].*/\1/p' | paste -sd, -)"

# fio writes in many ways, and reads everything back.
passed=0
for job in "write 64k psync 32m" "randwrite 4k psync 4m" "randrw 4k mmap 2m" "randwrite 1000 psync 1m" "write 1m libaio 32m"; do
    read -r pattern block engine size <<< "$job"
    if fio --name=job --directory="$folder" --rw="$pattern" --bs="$block" --ioengine="$engine" --size="$size" \
        --verify=crc32c --do_verify=1 --end_fsync=1 --fallocate=none --numjobs=2 > fio.log 2>&1; then
        passed=$((passed + 1))
    else
        echo "FAILED fio $job: $(tail -3 fio.log | tr '\n' ' ')"
    fi
done
echo "fio: $passed of 5 passed"

# The stressors of stress-ng that do their work by names and bytes of files; dirmany and dirdeep make thousands.
mkdir -p "$folder/stress"
stressors=(access chdir chmod chown copy-file dentry dir dup fallocate fcntl filename flock fpunch fstat getdent hdd
    iomix lease locka lockf lockofd mknod open rename symlink sync-file touch utime xattr)
# Thousands of folders for each would take minutes, and show no more.
sizes=(--chdir-dirs 64 --dir-dirs 64 --dentries 64)
passed=0
for stressor in "${stressors[@]}"; do
    if timeout 300 stress-ng --"$stressor" 1 --"$stressor"-ops 20 "${sizes[@]}" --timeout 10 --verify \
        --temp-path "$folder/stress" > stress.log 2>&1; then
        passed=$((passed + 1))
    else
        echo "FAILED stress-ng $stressor: $(grep -E 'fail|error' stress.log | head -3 | tr '\n' ' ')"
    fi
done
echo "stress-ng: $passed of ${#stressors[@]} passed"
