#!/bin/sh
# Shows the plugin at work against a simulated Exchange 2019:
#
#   sh demo.sh [SIMULATOR-OPTION...] [-- PLUGIN-OPTION...]
#
#   sh demo.sh --reply 'rcpt=550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain'
#   sh demo.sh --scenario tls-certificate -- -v
#
# The plugin is given the options that a scenario needs (-S, --verify, a logon).
#
# Prints what the plugin prints and exits with its status.  Needs a POSIX shell and Python 3.9 or newer
# with venv; no server, no mail, nothing leaves this machine.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
# shellcheck source=.ci/environment.sh
. "$checkout/.ci/environment.sh"
prepare_environment demo demo

# The simulator takes everything after --run as the command, so the plugin's options come last:
# each argument moves to the end of the list, and the command is inserted at the first "--".
PYTHONPATH=$checkout${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
arguments=$#
inserted=
while [ "$arguments" -gt 0 ]; do
    if [ -z "$inserted" ] && [ "$1" = -- ]; then
        set -- "$@" --run "$python" "$checkout/check_exchange_mailaccept.py" \
            '{target}' -p '{port}' -r postmaster@contoso.com '{options}'
        inserted=yes
    else
        set -- "$@" "$1"
    fi
    shift
    arguments=$((arguments - 1))
done
if [ -z "$inserted" ]; then
    set -- "$@" --run "$python" "$checkout/check_exchange_mailaccept.py" \
        '{target}' -p '{port}' -r postmaster@contoso.com '{options}'
fi

case " $* " in *" --help "* | *" -h "* | *" --list-scenarios "*) exec "$python" -m simulator "$@" ;; esac

status=0
"$python" -m simulator --pose 2019 "$@" || status=$?
echo "This server was simulated. More faults: sh demo.sh --list-scenarios;" \
    "one of them: sh demo.sh --scenario back-pressure -- -v" >&2
exit "$status"
