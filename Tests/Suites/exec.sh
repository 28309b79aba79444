# Programs that know nothing of object stores, on URLs: bash exec.sh OBJFS BUCKET SCRATCH
# Prints "ok NAME" or "FAILED NAME" for each.
set -u
objfs=$1 b=s3://$2 scratch=$3
. "$(dirname "$0")/exec-checks.sh"
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
cat > ways.sh <<'END'
set -e
cd "$1/tree"
[ "$(cat sub/b)" = two ] && cd sub && [ "$(cat "$PWD/b")" = two ] && [ "$(cat ../c)" = uno ]
cd / && [ "$(cat "$(realpath "$1/tree/sub/../c")")" = uno ]
for file in "$1"/tree/*; do echo "$file"; done > "$1/globbed"
[ "$(cat "$1/globbed")" = "$1/tree/c
$1/tree/sub" ]
exec 5<> "$1/both"; echo abc >&5; exec 5>&-; echo def >> "$1/both"
[ "$(cat "$1/both")" = "abc
def" ]
cat > "$1/script" << 'SCRIPT'
#!/bin/sh
echo "ran $1"
SCRIPT
chmod +x "$1/script" && [ "$("$1/script" "$1/x")" = "ran $1/x" ]
. "$1/script" sourced
test -e "$1/both" && ! test -e "$1/none" && test -s "$1/both" && test -d "$1/tree"
END
check 'a shell: cd, globs, scripts, <>' run bash ways.sh $b
check 'a program that is an object' eval 'run $b/script a | same "ran a"'
check 'find -exec' eval 'run find $b/tree -name b -exec cat {} + | same two'
check 'xargs' eval 'echo $b/tree/c | run xargs cat | same uno'
check 'tar x' eval 'mkdir x && run tar xf $b/x.tar -C x && diff -r x/tree tree && run tar xf $b/x.tar -C $b/tree && run cat $b/tree/tree/a | same one && rm -r x'
check 'input is the terminal of the program' eval 'echo in | run cat | same in'
check 'no such object' eval "status 1 run cat $b/none 2>&1 | same \"cat: '$b/none': No such file or directory\""
check 'no such bucket' eval 'status 1 run cat s3://no-such-bucket/k 2>&1 | grep -q "No such file"'
check 'a folder is no file' eval "status 1 run cat $b/tree 2>&1 | same \"cat: '$b/tree': Is a directory\""
check 'arguments and environment pass untouched' eval 'A="x  y" run sh -c "echo \"\$A\" \$#" "" "s3://b/  c" "" "*" | same "x  y 3"'
check 'every function that takes a path' eval 'gcc -w -O2 -D_FORTIFY_SOURCE=2 -o calls "$suites/calls.c" 2> /dev/null && mkdir -p c/d && echo hello > c/k && echo x > c/d/x.txt && run cp -r c $b/calls && run ./calls $b/calls | same done && rm -r c calls'
check 'rm -r' run rm -r $b/tree
check 'removed' status 2 run ls $b/tree
check 'status' status 7 run sh -c 'exit 7'
check 'signal' status 143 run sh -c 'kill -TERM $$'
cat > trap.sh << 'END'
trap 'echo caught; exit 5' TERM USR1
echo ready > ready
while :; do sleep 0.05; done
END
check 'signals are passed on' eval '
    "$objfs" exec -- bash trap.sh > caught & process=$!
    for i in $(seq 600); do [ -e ready ] && break; sleep 0.05; done
    kill -USR1 $process; status 5 wait $process && cat caught | same caught && rm ready caught trap.sh'
check 'the terminal is the program'\''s' eval 'script -qec "\"$objfs\" exec -- sh -c \"test -t 0 && test -t 1 && exit 9\"" /dev/null; [ $? = 9 ]'
# Without "exec" some shells stay in the terminal's foreground, and die of the signal; the default, if all ignore it here.
check 'Ctrl-C' eval 'script -qec "exec env --default-signal=INT \"$objfs\" exec -- sh -c \"trap \\\"exit 11\\\" INT; kill -INT 0; sleep 9\"" /dev/null; [ $? = 11 ]'
check 'no such program' status 127 run no-such-program
check 'not executable' status 126 run ./numbers
check 'nothing is left here' eval '[ "$(ls -A | tr "\n" " ")" = "numbers out.log tree ways.sh " ]'
