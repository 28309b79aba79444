# The daemon of objfs exec: bash exec-daemon.sh OBJFS BUCKET SCRATCH
# Prints "ok NAME" or "FAILED NAME" for each.
set -u
objfs=$1 b=s3://$2 bucket=$2 scratch=$3
. "$(dirname "$0")/exec-checks.sh"
echo one > one
run cp one "$b/one" || exit 1
# Waits for something for half a minute at most.
await() {
    for _ in $(seq 300); do
        "$@" && return
        sleep 0.1
    done
    return 1
}
# How many mounts there are below a folder.
mounts() { grep -c " $1/.* fuse.objfs " /proc/self/mounts; }

check 'a nested exec uses the same daemon' eval '
    run sh -c "echo \$OBJFS_ROOT; \"\$0\" exec -- sh -c \"echo \\\$OBJFS_ROOT; cat $b/one\"" "$objfs" > roots
    [ "$(sed -n 1p roots)" = "$(sed -n 2p roots)" ] && [ "$(sed -n 3p roots)" = one ] && [ "$(mounts "$XDG_RUNTIME_DIR")" = 1 ]'

mkdir many && chmod 700 many
check 'eight that begin at once start one daemon' eval '
    for i in $(seq 8); do XDG_RUNTIME_DIR=$scratch/many "$objfs" exec -- cat "$b/one" & done > all; wait
    [ "$(sort all | uniq -c | tr -d " ")" = 8one ] && [ "$(mounts "$scratch/many")" = 1 ]'
check 'other credentials have another daemon' eval '
    XDG_RUNTIME_DIR=$scratch/many AWS_ACCESS_KEY_ID=other "$objfs" exec -- cat "$b/one" && [ "$(mounts "$scratch/many")" = 2 ]'
check 'a daemon that is used is not stopped' eval '
    XDG_RUNTIME_DIR=$scratch/many "$objfs" exec -- sh -c "\"\$0\" exec --stop" "$objfs"; [ $? = 1 ] && grep -q "it is in use" out.log'
check 'exec --stop' eval 'XDG_RUNTIME_DIR=$scratch/many "$objfs" exec --stop && [ "$(mounts "$scratch/many")" = 0 ]'

mkdir idle && chmod 700 idle
check 'a daemon stays while a program runs' eval '
    XDG_RUNTIME_DIR=$scratch/idle "$objfs" exec --idle-timeout 1 -- sh -c "sleep 3; cat $b/one" | same one'
none_left() { [ "$(mounts "$scratch/idle")" = 0 ]; }
check 'a daemon that is idle ends' await none_left
check 'and is started again' eval 'XDG_RUNTIME_DIR=$scratch/idle "$objfs" exec -- cat "$b/one" | same one; XDG_RUNTIME_DIR=$scratch/idle "$objfs" exec --stop'

# The bucket goes while a file is open, and the program does not look at what close says.
"$objfs" mkdir s3://doomed
cat > careless.py << 'END'
import os, subprocess, sys
file = open("s3://doomed/lost", "w")
# The name is taken as soon as the file is made: an empty object.
subprocess.run([sys.argv[1], "rm", "s3://doomed/lost"], check=True)
subprocess.run(["curl", "-sf", "-X", "DELETE", os.environ["AWS_ENDPOINT_URL"] + "/doomed"], check=True)
file.write("what was lost\n")
try:
    file.close()
except OSError as error:
    print("ignored:", error)
END
check 'what was not stored is told, whatever the program made of it' eval '
    status 4 run python3 careless.py "$objfs" > careless.log 2>&1
    grep "^ignored: " careless.log && grep "^objfs: exec: s3://doomed/lost: not stored: " careless.log'
check 'what was lost may be recovered' eval '"$objfs" recover | grep -q "doomed/lost"'
check 'and is not told to the next' eval 'run cat "$b/one" 2>&1 | same one'

check 'a daemon that was killed is told of' eval '
    status 4 run sh -c "
        kill -9 \$(pgrep -f -- --exec-root=\$OBJFS_ROOT)
        while grep -q \" \$OBJFS_ROOT/s3 \" /proc/self/mounts; do sleep 0.05; done
        mkdir s3://$bucket && echo x > s3://$bucket/astray" > killed.log 2>&1
    grep "the daemon ended while the program ran" killed.log
    aside=$(sed -n "s/.*since is in //p" killed.log) && [ "$(cat "$aside/$bucket/astray")" = x ]'
check 'and another one takes its place' eval 'run cat "$b/one" 2>&1 | same one'

check 'without credentials: EACCES, and where they were looked for' eval '
    status 1 env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "$objfs" exec -- cat "$b/one" 2>&1 | tee none.log | grep -q "Permission denied"
    [ "$(grep -c "^objfs: exec: " none.log)" = 1 ] && grep "^objfs: exec: " none.log | grep "environment"'
