#!/bin/sh
# Fuzzes all targets side by side, each for so many seconds: sh fuzz/run.sh [SECONDS [TARGET...]]
#
# PYTHON names an interpreter that has atheris, nagiosplugin and dnspython.
# FINDINGS names a directory for the inputs that were found; else they are printed in base64.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- reply dialogue dns printable

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Else what was started would go on behind a run that was interrupted.
trap 'kill $started 2>/dev/null; exit 1' INT TERM HUP
started=

for target in "$@"; do
    mkdir "$work/$target"
    "${PYTHON:-python3}" "$here/make_corpus.py" "$target" "$work/$target"
done
for target in "$@"; do
    "${PYTHON:-python3}" "$here/fuzz.py" "$target" -max_total_time="$seconds" -max_len=4096 \
        -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="${FINDINGS:-$work}/$target-" "$work/$target" >"$work/$target.log" 2>&1 &
    started="$started $!"
done
failed=0
for pid in $started; do
    target=$1
    shift
    if wait "$pid"; then
        sed -n "s/^stat::number_of_executed_units: *\(.*\)/$target: \1 executions, nothing found/p" \
            "$work/$target.log"
    else
        printf '%s:\n' "$target"
        cat "$work/$target.log"
        failed=1
    fi
done
exit "$failed"
