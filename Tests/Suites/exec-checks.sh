# What the suites of objfs exec share; the one that reads this has set objfs, b and scratch.
suites=$(cd "$(dirname "$0")" && pwd)
cd "$scratch" || exit 1
export LC_ALL=C
run() { "$objfs" exec -- "$@"; }
check() {
    local name=$1
    shift
    if "$@" > out.log 2>&1; then echo "ok $name"; else echo "FAILED $name: $(tail -c 600 out.log)"; fi
}
same() {
    local found
    found=$(cat)
    [ "$found" = "$1" ] || { echo "not '$1' but '$found'"; return 1; }
}
# The status of a program, whatever it is.
status() {
    local wanted=$1 status=0
    shift
    "$@" || status=$?
    [ "$status" = "$wanted" ] || { echo "status $status, not $wanted"; return 1; }
}
