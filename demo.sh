#!/bin/sh
# Shows the plugin at work against a simulated Exchange 2019: sh demo.sh [SIMULATOR-OPTION...]
#
#   sh demo.sh
#   sh demo.sh --reply 'rcpt=550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain'
#
# Prints what the plugin prints and exits as it does.  Needs a POSIX shell and Python 3.9 or newer
# with venv; no server, no mail, nothing leaves this machine.
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
# shellcheck source=.ci/environment.sh
. "$checkout/.ci/environment.sh"
prepare_environment demo demo

exec "$python" "$checkout/contrib/simulator/exchange_simulator.py" --pose 2019 "$@" \
    --run "$python" "$checkout/check_exchange_mailaccept.py" \
    -H '{host}' -p '{port}' -r postmaster@contoso.com
