#!/bin/sh
# Fuzzes each target for so many seconds: sh fuzz/run.sh [SECONDS [TARGET...]]
#
# PYTHON names an interpreter that has atheris, nagiosplugin and dnspython.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- reply dialogue dns printable

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in "$@"; do
    corpus=$work/$target
    mkdir "$corpus"
    "${PYTHON:-python3}" "$here/make_corpus.py" "$corpus"
    printf '%s: ' "$target"
    if ! "${PYTHON:-python3}" "$here/fuzz.py" "$target" -max_total_time="$seconds" -max_len=4096 \
        -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 -artifact_prefix="$work/" "$corpus" \
        >"$work/log" 2>&1; then
        cat "$work/log"
        exit 1
    fi
    sed -n 's/^stat::number_of_executed_units: *\(.*\)/\1 executions, nothing found/p' "$work/log"
done
