# shellcheck shell=sh
# Makes the Python environments of test.sh, demo.sh and .ci/run, below .venv/ in the checkout.
#
# Sourced, with $checkout set to the checkout's directory.  prepare_environment sets $python.
#
# From the environment:
#   PYTHON     the interpreter to use; else the first suitable one of those in $interpreters
#   LIBRARIES  versions to hold the libraries at, e.g. "nagiosplugin==1.3.2 dnspython==2.3.0"

: "${checkout:?must be set before .ci/environment.sh is sourced}"

interpreters="python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9"

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# What is the interpreter "$1"?  Prints "3.11 /usr/bin/python3.11 3.11.2"; nothing if it does not
# run (a pyenv shim of a version that is not selected) or is too old.
identify() {
    "$1" -c '
import sys
if sys.version_info >= (3, 9):
    print("%d.%d" % sys.version_info[:2], sys.executable, sys.version.split()[0])
' 2>/dev/null </dev/null
}

# Can the interpreter "$1" make an environment with pip?  Debian has venv and ensurepip in a
# package of their own.
has_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null </dev/null
}

# Sets $interpreter and $identity.
find_interpreter() {
    if [ -n "${PYTHON-}" ]; then
        interpreter=$PYTHON
        identity=$(identify "$interpreter") || identity=
        [ -n "$identity" ] || die "PYTHON=$PYTHON is not Python 3.9 or newer"
        has_venv "$interpreter" || die "$PYTHON lacks venv or pip: apt install python3-venv"
        return
    fi
    without_venv=
    for interpreter in $interpreters; do
        identity=$(identify "$interpreter") || identity=
        [ -n "$identity" ] || continue
        has_venv "$interpreter" && return
        without_venv=${without_venv:-$interpreter}
    done
    [ -n "$without_venv" ] && die "$without_venv lacks venv or pip: apt install python3-venv"
    die "Python 3.9 or newer is needed: apt install python3 python3-venv"
}

# Prints the requirements of the extras "$@" and the plugin's own, from setup.cfg.  The checkout
# itself is not installed: the tests and their coverage are those of the files in it.
requirements() {
    "$interpreter" - "$checkout/setup.cfg" "$@" <<'PROGRAM'
import configparser
import sys

setup = configparser.ConfigParser(interpolation=None)
if not setup.read(sys.argv[1]):
    sys.exit("cannot read " + sys.argv[1])
print(setup["options"]["install_requires"].strip())
for extra in sys.argv[2:]:
    print(setup["options.extras_require"][extra].strip())
PROGRAM
}

# prepare_environment NAME [EXTRA...]: an environment with the plugin's requirements and those of
# the extras.  Sets $python to its interpreter.  One that is complete is used again; one that is
# not (interrupted, made for another interpreter or other requirements) is made anew.
prepare_environment() {
    find_interpreter
    suffix=$(printf '%s' "${LIBRARIES-}" | tr -cs 'A-Za-z0-9.' '-')
    environment=$checkout/.venv/$1-python${identity%% *}${suffix:+-$suffix}
    python=$environment/bin/python
    shift

    wanted=$(requirements "$@") || exit 1
    # The checkout is named because an environment cannot be moved.
    stamp=$(printf '%s\n' "$environment" "$identity" "$wanted" "${LIBRARIES-}")
    if [ "$(cat "$environment/complete" 2>/dev/null)" = "$stamp" ] && "$python" -c '' 2>/dev/null
    then
        return
    fi

    echo "Making the Python environment ${environment#"$checkout"/}: about a minute, once" >&2
    rm -rf "$environment"
    mkdir -p "$environment"
    log=$environment/install.log
    printf '%s\n' "$wanted" >"$environment/requirements.txt"
    printf '%s\n' "${LIBRARIES-}" | tr ' ' '\n' >"$environment/constraints.txt"
    if ! {
        "$interpreter" -m venv "$environment" &&
            "$python" -m pip install --disable-pip-version-check --no-input \
                -r "$environment/requirements.txt" -c "$environment/constraints.txt"
    } </dev/null >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        die "The Python environment could not be made; more in $log"
    fi
    printf '%s\n' "$stamp" >"$environment/complete"
}
