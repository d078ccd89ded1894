#!/bin/sh
# Builds the Debian package: sh packaging/deb.sh [DIRECTORY]
#
# Into DIRECTORY (default: where it is called).  Needs what packaging/debian/control says:
# apt build-dep ./packaging
#
# Without the tests and what only they need:
#   apt build-dep -P nocheck ./packaging
#   DEB_BUILD_PROFILES=nocheck DEB_BUILD_OPTIONS=nocheck sh packaging/deb.sh
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
target=$(CDPATH='' cd -- "${1-.}" && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Built from a copy, because debian/ has to stand at its top; without what others left behind.
mkdir "$scratch/source"
tar -c -C "$checkout" --exclude-vcs --exclude=./.venv --exclude=./.ci/cache \
    --exclude=__pycache__ --exclude=./dist --exclude=./build --exclude='*.egg-info' . |
    tar -x -C "$scratch/source"
cp -r "$scratch/source/packaging/debian" "$scratch/source/debian"
cd "$scratch/source"
# Debian's Python, whatever other one is there.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
dpkg-buildpackage --build=binary --unsigned-changes
cp "$scratch"/*.deb "$scratch"/*.changes "$scratch"/*.buildinfo "$target"
