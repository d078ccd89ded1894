#!/bin/sh
# Runs the tests: sh test.sh [PYTEST-ARGUMENT...]
#
# Needs a POSIX shell and Python 3.9 or newer with venv; everything else is installed into .venv/.
# Without arguments all tests run and their branch coverage must suffice.
# PYTHON and LIBRARIES in the environment: see .ci/environment.sh.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
# shellcheck source=.ci/environment.sh
. "$checkout/.ci/environment.sh"
prepare_environment test test
cd -- "$checkout"

if [ $# -gt 0 ]; then
    exec "$python" -m pytest "$@"
fi
"$python" -m coverage erase
"$python" -m coverage run -m pytest -q
"$python" -m coverage combine --quiet
"$python" -m coverage report
