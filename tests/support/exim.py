"""An Exim of the tests, with a configuration and directories of its own."""

from __future__ import annotations

from pathlib import Path

from support.programs import find_program, find_user, require_root

#: Compiled in: Exim does not start without it.
USER = "Debian-exim"
#: No look-up leaves this machine.
_SETTINGS = """\
exim_user = root
exim_group = root
primary_hostname = mx.test
spool_directory = {directory}/spool
log_file_path = {directory}/%slog
pid_file_path = {directory}/exim.pid
# Not the one compiled in, which may be another one.
exim_path = {program}
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_queue = 0
acl_smtp_rcpt = recipient
"""


def configure(directory: Path, port: int, settings: str) -> list[str]:
    """Make an Exim in ``directory`` that listens on ``port``; the command that runs it.

    ``{directory}`` in the settings, which are the rest of the configuration, is replaced.
    """
    require_root("Exim")
    find_user(USER, package="exim4-daemon-light")
    program = find_program("exim4", package="exim4-daemon-light")
    file = directory / "exim.conf"
    text = _SETTINGS.replace("{program}", program).replace("{port}", str(port)) + settings
    file.write_text(text.replace("{directory}", str(directory)))
    # Exim refuses a configuration that others could have written.
    file.chmod(0o644)
    return [program, "-C", str(file)]
