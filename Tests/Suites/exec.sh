# Programs that know nothing of object stores, on URLs: bash exec.sh OBJFS BUCKET SCRATCH
# Prints "ok NAME" or "FAILED NAME" for each.
set -u
objfs=$1 b=s3://$2 scratch=$3
cd "$scratch" || exit 1
export LC_ALL=C
run() { "$objfs" exec -- "$@"; }
check() {
    local name=$1
    shift
    if "$@" > out.log 2>&1; then echo "ok $name"; else echo "FAILED $name: $(tail -c 400 out.log)"; fi
}
same() { [ "$(cat)" = "$1" ] || { echo "not '$1'"; return 1; }; }
seq 1 1000 > numbers
mkdir -p tree/sub && echo one > tree/a && echo two > tree/sub/b

check 'cp up' run cp numbers $b/numbers
check 'cat' eval 'run cat $b/numbers | cmp - numbers'
check 'chunk view' eval 'run cat $b/numbers@chunks@4/chunk-0 $b/numbers@chunks@4/chunk-1 $b/numbers@chunks@4/chunk-2 $b/numbers@chunks@4/chunk-3 | cmp - numbers'
check 'grep -c' eval 'run grep -c 7 $b/numbers | same 271'
check 'awk' eval 'run awk "{s+=\$1} END {print s}" $b/numbers | same 500500'
check 'cp -r' run cp -r tree $b/tree
check 'ls' eval 'run ls $b/tree/ | tr "\n" " " | same "a sub "'
check 'find' eval 'run find $b/tree -type f | sort | tr "\n" " " | same "$b/tree/a $b/tree/sub/b "'
check 'grep -r' eval 'run grep -rl two $b/tree | same $b/tree/sub/b'
check 'du' run du -s $b/tree
check 'mv' run mv $b/tree/a $b/tree/c
check 'moved' eval 'run cat $b/tree/c | same one'
check 'sed -i' run sed -i s/one/uno/ $b/tree/c
check 'edited' eval 'run cat $b/tree/c | same uno'
check 'sort -o' run sort -rn -o $b/sorted $b/numbers
check 'sorted' eval 'run head -n 1 $b/sorted | same 1000'
check 'tar c' run tar cf $b/x.tar tree
check 'tar t' eval 'run tar tf $b/x.tar | wc -l | same 4'
check 'gzip' run gzip -k $b/numbers
check 'gunzip' eval 'run zcat $b/numbers.gz | cmp - numbers'
check 'dd' run dd if=numbers of=$b/dd bs=1k status=none
check 'dd wrote' eval 'run cat $b/dd | cmp - numbers'
check 'rsync' run rsync -a tree/ $b/rsynced/
check 'rsynced' eval 'run cat $b/rsynced/sub/b | same two'
check 'redirection' run bash -c "cat < $b/numbers > $b/copy && cmp $b/copy numbers"
check 'python open' eval 'run python3 -c "import sys; print(len(open(sys.argv[1]).read()))" $b/numbers | same 3893'
check 'python pathlib' run python3 -c "import pathlib; p = pathlib.Path('$b/py/x'); p.parent.mkdir(); p.write_text('x'); assert p.read_text() == 'x'"
check 'python walk' run python3 -c "import os; assert [f for _, _, f in os.walk('$b/tree')] == [['c'], ['b']]"
check 'python copytree' run python3 -c "import shutil; shutil.copytree('$b/tree', '$b/tree2')"
check 'python mmap' run python3 -c "import mmap; f = open('$b/numbers', 'rb'); assert mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:4] == b'1\n2\n'"
check 'python sqlite3' run python3 -c "import sqlite3; c = sqlite3.connect('$b/db'); c.execute('create table t(x)'); c.execute('insert into t values(7)'); c.commit(); assert c.execute('select x from t').fetchall() == [(7,)]"
check 'perl' eval 'run perl -ne "END { print \$. }" $b/numbers | same 1000'
check 'nested' eval 'run "$objfs" exec -- cat $b/tree/c | same uno'
check 'rm -r' run rm -r $b/tree2
check 'status' eval 'run sh -c "exit 7"; [ $? = 7 ]'
check 'signal' eval 'run sh -c "kill -TERM \$\$"; [ $? = 143 ]'
check 'no such program' eval 'run no-such-program; [ $? = 127 ]'
check 'not executable' eval 'run ./numbers; [ $? = 126 ]'
check 'no such object' eval 'run cat $b/none; [ $? = 1 ] && grep -q "No such file" out.log'
check 'nothing is left here' eval '[ "$(ls -A | tr "\n" " ")" = "numbers out.log tree " ]'
