"""A Postfix of the tests, with a configuration and directories of its own."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from support.programs import find_program, find_user, require_root

#: No look-up leaves this machine, and no mail either.
_SETTINGS = {
    "compatibility_level": "3.6",
    "queue_directory": "{directory}/queue",
    "data_directory": "{directory}/data",
    "maillog_file": "/dev/stdout",
    "maillog_file_prefixes": "/dev/stdout",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "smtpd_peername_lookup": "no",
    "myhostname": "mx.test",
    "mydestination": "",
    "mynetworks": "",
    "default_transport": "error",
    "relay_transport": "error",
    "smtpd_relay_restrictions": "reject_unauth_destination",
    "alias_maps": "",
    "alias_database": "",
    "biff": "no",
}
_SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


def configure(directory: Path, settings: str, services: str) -> tuple[list[str], dict[str, str]]:
    """Make a Postfix in ``directory``, which every user must be able to enter.

    ``settings`` come beside or instead of those above, and ``{directory}`` in them is replaced;
    ``services`` beside those above.  Returns the command that starts it, and its environment.
    """
    require_root("Postfix")
    master = find_program("master", package="postfix")
    etc = directory / "etc"
    for path in (etc, directory / "queue", directory / "data"):
        path.mkdir(exist_ok=True)
    os.chown(directory / "data", find_user("postfix", package="postfix"), -1)
    default = "".join(
        f"{name} = {value}\n"
        for name, value in _SETTINGS.items()
        if not re.search(rf"^{name} =", settings, re.MULTILINE)
    )
    (etc / "main.cf").write_text((default + settings).replace("{directory}", str(directory)))
    (etc / "master.cf").write_text(_SERVICES + services)
    # Makes the queue's directories.
    check = [find_program("postfix", package="postfix"), "-c", etc, "check"]
    subprocess.run(check, check=True, stdin=subprocess.DEVNULL)
    # Not "postfix start-fg", whose master is in a session of its own and survives its parent.
    return [master, "-d"], {"MAIL_CONFIG": str(etc)}
