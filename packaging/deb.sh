#!/bin/sh
# Builds the Debian package: sh packaging/deb.sh [--throwaway] [DIRECTORY]
#
# Into DIRECTORY (default: where it is called).
#
# With --throwaway: in a Debian of the same release that is made for this and then deleted.  Needs
# root, debootstrap and 1 GB below $TMPDIR; nothing else is installed on this machine.
#
# Without it: here.  Building any Debian package takes 430 MB of compilers:
#   apt build-dep -P nocheck ./packaging && sh packaging/deb.sh
#
# With DEB_BUILD_PROFILES= in the environment the tests run too, and need apt build-dep ./packaging.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
throwaway=
if [ "${1-}" = --throwaway ]; then
    throwaway=yes
    shift
fi
target=$(CDPATH='' cd -- "${1-.}" && pwd -P)
scratch=$(mktemp -d)
debian=$scratch/debian
# If debootstrap was interrupted, what it mounted is still there.
trap 'umount "$debian/proc" "$debian/sys" 2>/dev/null || :
    rm -rf --one-file-system "$scratch"' EXIT
export DEB_BUILD_PROFILES="${DEB_BUILD_PROFILES-nocheck}"
[ -z "$DEB_BUILD_PROFILES" ] || export DEB_BUILD_OPTIONS="$DEB_BUILD_PROFILES"
# Debian's Python, whatever other one is there.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV

# Built from a copy, because debian/ must be at its top; without what others left behind.
copy_checkout() {
    mkdir "$1"
    tar -c -C "$checkout" --exclude-vcs --exclude=./.venv --exclude=./.ci/cache \
        --exclude=__pycache__ --exclude=./dist --exclude=./build --exclude='*.egg-info' \
        --exclude='./*.deb' . | tar -x -C "$1"
}

fail() {
    tail -n 20 "$scratch/log" >&2
    exit 1
}

if [ -n "$throwaway" ]; then
    if ! command -v debootstrap >/dev/null; then
        echo "debootstrap is needed: apt install debootstrap" >&2
        exit 1
    fi
    echo "Making a throwaway Debian in $debian and building there: two to four minutes"
    sh "$checkout/packaging/bare_debian.sh" "$debian" >"$scratch/log" 2>&1 || fail
    # It is deleted anyway.
    echo force-unsafe-io >"$debian/etc/dpkg/dpkg.cfg.d/throwaway"
    copy_checkout "$debian/source"
    # shellcheck disable=SC2016 # for the inner shell to expand
    chroot "$debian" env LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -euc '
        cd /source
        apt-get -q update
        apt-get -q -y --no-install-recommends -P "$DEB_BUILD_PROFILES" build-dep ./packaging
        sh packaging/deb.sh
    ' </dev/null >"$scratch/log" 2>&1 || fail
    made=$debian/source
else
    copy_checkout "$scratch/source"
    cp -r "$scratch/source/packaging/debian" "$scratch/source/debian"
    (cd "$scratch/source" && dpkg-buildpackage --build=binary --unsigned-changes)
    made=$scratch
fi
cp "$made"/*.deb "$made"/*.changes "$made"/*.buildinfo "$target"
ls "$target"/*.deb
