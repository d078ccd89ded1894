#!/bin/sh
# Makes a Debian with nothing in it: sh packaging/bare_debian.sh DIRECTORY [SUITE]
#
# SUITE is this machine's release, unless another is named.  It reaches the network as this machine
# does.  Needs root and debootstrap.
set -eu

root=$1
here=$(. /etc/os-release && echo "$VERSION_CODENAME")
suite=${2-$here}
# shellcheck disable=SC2016 # for apt to expand
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' \
    "Codename: $here" | head -n 1)
# A debootstrap that is older than the suite makes it as it would make the newest.
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
debootstrap --variant=minbase "$suite" "$root" "$mirror" "$script"
# Proxies and the like.
{
    apt-config dump Acquire::http
    apt-config dump Acquire::https
} >"$root/etc/apt/apt.conf.d/acquire"
for file in /etc/hosts /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || tar -c -h -C / ".$file" | tar -x -C "$root"
done
