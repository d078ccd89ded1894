#!/bin/sh
# Makes the plugin one file that needs nothing but Python: sh packaging/zipapp.sh [-o FILE]
#
# make_zipapp.py beside this file says what is in it.  Needs a POSIX shell, Python 3.9 or newer with
# venv, and once the network.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck source=.ci/environment.sh
. "$checkout/.ci/environment.sh"
prepare_environment run

exec "$python" "$checkout/packaging/make_zipapp.py" "$@"
