#!/bin/bash
# The steps of .ci/run, each a function: bash .ci/steps.sh STEP [ARGUMENT...]
set -euo pipefail

checkout=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
cd -- "$checkout"

PACKAGES=(
    # what the tests talk to and run in
    haproxy postfix sasl2-bin libsasl2-modules knot unbound nginx-light iproute2
    dovecot-imapd dovecot-lmtpd dovecot-sieve
    icinga2-bin icinga2-common nagios4-core nagios4-common nagios-nrpe-server nagios-nrpe-plugin
    nsca nsca-client
    mariadb-server icingacli icingaweb2-module-director icingaweb2-module-incubator php-icinga
    php-cli php-mysql php-xml php-intl php-mbstring php-curl
    icinga2-ido-mysql icingaweb2-module-monitoring icingaweb2-module-graphite
    influxdb graphite-carbon graphite-web libfaketime locales
    # what the tests of man page and completion run
    man-db groff-base mandoc zsh
    # what packages are built and checked with
    debhelper dh-python dpkg-dev lintian pybuild-plugin-pyproject python3-all python3-setuptools
    python3-aiosmtpd python3-dnspython python3-hypothesis python3-nagiosplugin python3-pytest
    python3-pytest-timeout python3-trustme rpm rpmlint debootstrap
    ca-certificates python3 python3-venv shellcheck valgrind
)
# Unpacked and not installed, since mail servers exclude one another.
UNPACKED=(exim4-daemon-light exim4-base opensmtpd)

apt() {
    apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
}

# Once in a run of .ci/run.
update_lists() {
    local updated=$checkout/.ci/cache/lists-updated
    if [ -z "$(find "$updated" -mmin -30 2>/dev/null)" ]; then
        apt update
        mkdir -p "${updated%/*}"
        touch "$updated"
    fi
}

missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' ||
            printf '%s\n' "$package"
    done
}

as_root() {
    [ "$(id -u)" -eq 0 ] || { echo "only root can install: $*" >&2; exit 1; }
}

install_servers() {
    local missing
    mapfile -t missing < <(missing_packages "${PACKAGES[@]}")
    if [ ${#missing[@]} -eq 0 ]; then
        echo "All there: ${PACKAGES[*]}"
        return
    fi
    as_root "${missing[@]}"
    update_lists
    # Else Postfix asks what kind of mail server this is to be.
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections || true
    apt install -y --no-install-recommends "${missing[@]}"
}

# unpack_servers DIRECTORY: those that can't be installed beside Postfix, and what they need to run.
unpack_servers() {
    local directory=$1 missing libraries package program status=0
    # Compiled in: Exim does not start where this user is unknown.
    if ! getent passwd Debian-exim >/dev/null; then
        as_root "the user Debian-exim"
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin Debian-exim
    fi
    mkdir -p "$directory"
    if [ ! -e "$directory/complete" ]; then
        update_lists
        (
            cd -- "$directory"
            # apt's own user need not be able to write here.
            apt -o APT::Sandbox::User=root download "${UNPACKED[@]}"
            for package in *.deb; do
                dpkg -x "$package" .
            done
            touch complete
        )
    fi
    # The libraries they depend on, without the alternatives and their own packages.
    mapfile -t libraries < <(
        for package in "$directory"/*.deb; do
            dpkg-deb -f "$package" Depends
        done | tr ',' '\n' | sed -E 's/^ *([^ ]+).*/\1/' | grep '^lib' | sort -u
    )
    mapfile -t missing < <(missing_packages "${libraries[@]}")
    if [ ${#missing[@]} -gt 0 ]; then
        as_root "${missing[@]}"
        update_lists
        apt install -y --no-install-recommends "${missing[@]}"
    fi
    # What is missing now would be missing in the tests.
    for program in exim4 smtpctl smtpd; do
        if ldd "$directory/usr/sbin/$program" | grep 'not found'; then
            status=1
        fi
    done
    for package in "$directory"/*.deb; do
        dpkg-deb -W "$package"
    done
    return "$status"
}

# find_pythons FILE: writes the interpreters into the file, one a line, the oldest first.
find_pythons() {
    local candidate version
    local -a candidates=("$HOME"/.pyenv/versions/*/bin/python3)
    if [ ! -x "${candidates[0]}" ]; then
        mapfile -t candidates < <(
            for minor in $(seq 9 30); do command -v "python3.$minor" || true; done
            command -v python3 || true
        )
    fi
    for candidate in "${candidates[@]}"; do
        version=$("$candidate" -c '
import sys, ensurepip, venv
if sys.version_info >= (3, 9) and sys.version_info.releaselevel == "final":
    print("%03d.%03d.%03d" % sys.version_info[:3])
' 2>/dev/null) || continue
        [ -n "$version" ] && printf '%s %s\n' "$version" "$candidate"
    done | sort -u -k1,1 | cut -d' ' -f2- >"$1"
    cat "$1"
    [ -s "$1" ] || { echo "no Python 3.9 or newer with venv and pip" >&2; return 1; }
}

lint() {
    # shellcheck source=.ci/environment.sh
    . .ci/environment.sh
    prepare_environment lint lint test tls ntlm
    local status=0 scripts
    mapfile -t scripts < <(
        find . -name '*.sh' -not -path './.venv/*' -not -path './.ci/cache/*'
    )
    echo "shellcheck" && shellcheck -x .ci/run "${scripts[@]}" || status=1
    echo "ruff check" && "$python" -m ruff check . || status=1
    echo "ruff format" && "$python" -m ruff format --check . || status=1
    echo "mypy" && "$python" -m mypy || status=1
    return "$status"
}

# The command of README.md, or with --coverage that of CONTRIBUTING.md.
run_tests() {
    sh test.sh "$@"
}

# What is slow by its nature: valgrind, wheels and zipapps, all faults inside TLS, the real servers,
# Icinga and Nagios.  Each module in one process, for its servers are started once.
run_slow() {
    sh test.sh -m slow --dist loadscope --durations=10
}

# What takes minutes: two hundred runs at once, and those of a day.
run_load() {
    sh test.sh -m load tests/plugin/test_load.py -n 0 --durations=0
}

# fuzz SECONDS: all targets side by side, in an environment of their own.
fuzz() {
    # shellcheck source=.ci/environment.sh
    . .ci/environment.sh
    prepare_environment fuzz fuzz
    PYTHON=$python sh fuzz/run.sh "$1"
}

# expect EXIT-CODE BEGINNING COMMAND...: runs the command and compares what it printed.
expect() {
    local code=$1 beginning=$2 output actual=0
    shift 2
    output=$("$@" 2>&1) || actual=$?
    printf '$ %s\n%s\n[exit code %d]\n' "$*" "$output" "$actual"
    if [ "$actual" -ne "$code" ] || [[ $'\n'$output != *$'\n'"$beginning"* ]]; then
        printf 'expected: exit code %d and output with a line that begins with "%s"\n' "$code" "$beginning" >&2
        return 1
    fi
}

version() {
    sed -n 's/^__version__ = "\(.*\)"$/\1/p' exchange_mailaccept/__init__.py
}

# copy_checkout DIRECTORY: to build from, since setuptools leaves build/ behind.
copy_checkout() {
    mkdir -p "$1"
    # Tests that run beside it write there, and tar then ends with 1: a file changed as it was read.
    { tar -c --exclude=./.venv --exclude=./.git --exclude=./.ci/cache --exclude='./.coverage*' \
        --exclude=__pycache__ --exclude=.pytest_cache . || [ $? -eq 1 ]; } | tar -x -C "$1"
}

# try_wheel DIRECTORY: built and installed with its dependencies, as an admin would.
try_wheel() {
    local python=$1/venv/bin/python
    mkdir -p "$1"
    "$PYTHON" -m venv "$1/venv"
    copy_checkout "$1/source"
    "$python" -m pip wheel -q --no-input --disable-pip-version-check --no-deps \
        -w "$1/wheel" "$1/source"
    "$python" -m pip install -q --no-input --disable-pip-version-check "$1"/wheel/*.whl
    cd /
    expect 3 "check_exchange_mailaccept $(cd "$checkout" && version)" \
        "$1/venv/bin/check_exchange_mailaccept" --version
    expect 3 "MAILACCEPT UNKNOWN - " "$1/venv/bin/check_exchange_mailaccept"
}

# try_zipapp DIRECTORY PYTHON...: one file, in every Python.
try_zipapp() {
    local file=$1/check_exchange_mailaccept python
    local -a choose=()
    shift
    mkdir -p "${file%/*}"
    for python in "$@"; do
        choose+=(--python "$python")
    done
    sh packaging/zipapp.sh -o "$file" "${choose[@]}"
    cd /
    for python in "$@"; do
        expect 3 "check_exchange_mailaccept $(cd "$checkout" && version)" \
            env -i "$python" "$file" --version
        expect 2 "MAILACCEPT CRITICAL - 127.0.0.1 could not be connected: " \
            env -i "$python" "$file" -H 127.0.0.1 -p 9 -r postmaster@contoso.com
    done
}

# try_deb DIRECTORY: the Debian package built, checked, installed, used by the engines, and removed.
try_deb() {
    mkdir -p "$1"
    DEB_BUILD_PROFILES='' sh packaging/deb.sh "$1"
    # Whoever publishes the package enters their address; until then it is root's at localhost.
    lintian --allow-root --pedantic --fail-on error,warning --suppress-tags \
        bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact "$1"/*.changes
    # Else the tests of the plugin in the checkout would meet it.
    trap 'apt purge -y monitoring-plugins-exchange-mailaccept' EXIT
    apt install -y --no-install-recommends "$1"/*.deb
    sh test.sh -m slow -n 0 tests/engines/installed_package.py
}

try_rpm() {
    rpmlint --strict --config packaging/rpm/rpmlint.toml packaging/rpm/*.spec
}

# bare_debian DIRECTORY: a Debian with nothing in it but this checkout.
bare_debian() {
    sh packaging/bare_debian.sh "$@"
    equip_bare_debian "$1"
}

# equip_bare_debian DIRECTORY: with what this machine needs for pip, and the checkout.
equip_bare_debian() {
    [ ! -e /etc/pip.conf ] || cp -L /etc/pip.conf "$1/etc/pip.conf"
    # The package ca-certificates writes the bundle anew, and adds what it finds here.
    mkdir -p "$1/usr/local/share/ca-certificates"
    cp -L /etc/ssl/certs/ca-certificates.crt "$1/usr/local/share/ca-certificates/this-machine.crt"
    # Nobody is asked.
    echo 'APT::Get::Assume-Yes "true";' >"$1/etc/apt/apt.conf.d/yes"
    copy_checkout "$1/checkout"
}

# in_bare_debian DIRECTORY COMMAND: runs the command in the checkout there.
in_bare_debian() {
    # With /proc, which debootstrap needs; it is unmounted when the command ends.
    # shellcheck disable=SC2016 # for the inner shell to expand
    unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$1" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive ${PIP_CERT:+PIP_CERT="$PIP_CERT"} \
        sh -c "cd /checkout && $2" </dev/null
}

# try_newer_python DIRECTORY SUITE: the demo and some of the tests, with the Python of a later Debian.
try_newer_python() {
    # A mirror may not have it.
    if ! sh packaging/bare_debian.sh "$1" "$2"; then
        echo "Debian $2 cannot be had here"
        return
    fi
    equip_bare_debian "$1"
    in_bare_debian "$1" "apt update -q -o Acquire::Check-Valid-Until=false
        apt install -q --no-install-recommends python3-venv"
    expect 0 "MAILACCEPT OK - " in_bare_debian "$1" "sh demo.sh"
    in_bare_debian "$1" "sh test.sh tests/plugin/test_plugin.py tests/plugin/test_tls.py"
}

# readme_commands HEADING: the commands in that section of README.md, one a line.
readme_commands() {
    awk -v heading="## $1" '
        /^## / { inside = $0 == heading }
        /^```/ { block = $0 == "```sh"; next }
        inside && block && !/^#/ { sub(/ +#.*/, ""); print }
    ' README.md
}

# try_readme DIRECTORY: README.md to the letter, by somebody who has nothing but a bare Debian.
try_readme() {
    local root=$1/root number
    local -a commands
    local plugin=/usr/lib/nagios/plugins/check_exchange_mailaccept
    bare_debian "$root"
    bare() { in_bare_debian "$root" "$1"; }
    bare "apt update -q && apt install -q --no-install-recommends python3-venv"
    mapfile -t commands < <(readme_commands "Try it")
    [ "${commands[*]}" = "sh demo.sh sh test.sh" ]
    expect 0 "MAILACCEPT OK - " bare "sh demo.sh"
    # All of them are run elsewhere.
    bare "sh test.sh tests/protocol/test_reply.py"

    # Four that install, and the four that remove what each of them installed.
    mapfile -t commands < <(readme_commands "Install")
    [ ${#commands[@]} -eq 8 ]
    for number in 0 1 2 3; do
        printf '$ %s\n' "${commands[number]}"
        bare "${commands[number]}"
        # Again, to update; the package would be built again.
        [ "$number" -eq 0 ] || bare "${commands[number]}"
        expect 2 "MAILACCEPT CRITICAL - 127.0.0.1 could not be connected: " bare "
            exec setpriv --reuid=65534 --regid=65534 --clear-groups env -i \
                $plugin -H 127.0.0.1 -p 9 -r postmaster@contoso.com"
        printf '$ %s\n' "${commands[number + 4]}"
        bare "${commands[number + 4]}"
        [ ! -e "$root$plugin" ]
    done
}

# The command of README.md; no figure is judged, for they are the machine's.
try_benchmarks() {
    python3 benchmarks/run.py --turns 2
}

"$@"
