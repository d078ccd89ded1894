#!/bin/sh
# Runs the tests: sh test.sh [--coverage | PYTEST-ARGUMENT...]
#
# Needs a POSIX shell and Python 3.9 or newer with venv; everything else is installed into .venv/.
# Without arguments: all tests except the slow ones (sh test.sh -m slow) and those that put load on
# the machine (sh test.sh -m load -n 0).
# With --coverage: the same tests, with a minimum of branch coverage.
# PYTHON and LIBRARIES in the environment: see .ci/environment.sh.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
# shellcheck source=.ci/environment.sh
. "$checkout/.ci/environment.sh"
prepare_environment test test
cd -- "$checkout"

# All cores.
cores="-n auto --dist worksteal"
case ${1-} in
--coverage)
    [ $# -eq 1 ] || die "--coverage is for all tests and takes no further arguments"
    echo "test.sh: runs all tests that are not slow, with branch coverage: three to four minutes"
    verdict=passed
    "$python" -m coverage erase
    # shellcheck disable=SC2086 # four words
    "$python" -m coverage run -m pytest -q $cores || verdict=FAILED
    "$python" -m coverage combine --quiet || verdict=FAILED
    "$python" -m coverage report || verdict=FAILED
    echo "test.sh: tests and coverage $verdict"
    [ "$verdict" = passed ]
    ;;
"")
    echo "test.sh: runs all tests that are not slow: one to two minutes"
    # shellcheck disable=SC2086
    exec "$python" -m pytest -q $cores
    ;;
*)
    # shellcheck disable=SC2086 # what is given comes last and wins
    exec "$python" -m pytest -q $cores "$@"
    ;;
esac
