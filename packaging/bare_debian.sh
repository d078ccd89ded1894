#!/bin/sh
# Makes a Debian of this machine's release with nothing in it: sh packaging/bare_debian.sh DIRECTORY
#
# It reaches the network as this machine does.  Needs root and debootstrap.
set -eu

root=$1
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
# shellcheck disable=SC2016 # for apt to expand
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' \
    "Codename: $suite" | head -n 1)
debootstrap --variant=minbase "$suite" "$root" "$mirror"
# Proxies and the like.
{
    apt-config dump Acquire::http
    apt-config dump Acquire::https
} >"$root/etc/apt/apt.conf.d/acquire"
for file in /etc/hosts /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || tar -c -h -C / ".$file" | tar -x -C "$root"
done
