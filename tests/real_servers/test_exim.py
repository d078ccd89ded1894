"""The plugin against Exim: a mail that is delivered, and recipients that are not."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

#: It is no Exchange, and need not be one.
NONE = ("--profile", "none")

CONFIGURATION = """\
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
# No look-up leaves this machine.
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_queue = 0
tls_advertise_hosts =
domainlist local_domains = mx.test
acl_smtp_rcpt = recipient

begin acl
recipient:
  defer  domains = +local_domains
         local_parts = deferred
         message = 4.2.1 Mailbox is being moved
  accept domains = +local_domains
         local_parts = good
  deny   domains = +local_domains
         message = 5.1.1 User unknown
  deny   message = 5.7.1 Relaying denied

begin routers
local:
  driver = accept
  domains = +local_domains
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = {directory}/mail
  maildir_format
  user = {user}
  delivery_date_add
  envelope_to_add
  return_path_add
"""


class Exim(NamedTuple):
    """An Exim that delivers mail for good@mx.test into a maildir."""

    program: str
    port: int
    directory: Path

    @property
    def configuration(self) -> Path:
        return self.directory / "exim.conf"

    def queued(self) -> bool:
        count = subprocess.run(
            [self.program, "-C", self.configuration, "-bpc"],
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            text=True,
        ).stdout
        return int(count) > 0

    @property
    def _maildir(self) -> Path:
        return self.directory / "mail" / "new"

    def delivered(self) -> list[bytes]:
        return [file.read_bytes() for file in self._maildir.glob("*")]

    def forget(self) -> None:
        for file in self._maildir.glob("*"):
            file.unlink()


@pytest.fixture(scope="session")
def running_exim(
    find_program,
    require_root,
    require_user,
    launch_for_session,
    server_directory,
    free_port,
):
    program = find_program("exim4", package="exim4-daemon-light")
    require_root("Exim")
    # Compiled in: Exim does not start without it.
    user = "Debian-exim"
    owner = require_user(user, package="exim4-daemon-light")

    directory = server_directory("exim")
    exim = Exim(program, free_port(), directory)
    (directory / "mail").mkdir()
    os.chown(directory / "mail", owner, -1)
    exim.configuration.write_text(
        CONFIGURATION.format(program=program, directory=directory, port=exim.port, user=user)
    )
    # Exim refuses a configuration that others could have written.
    exim.configuration.chmod(0o644)
    launch_for_session(
        [program, "-C", str(exim.configuration), "-bdf"], directory, "127.0.0.1", exim.port
    )
    return exim


@pytest.fixture
def exim(running_exim):
    """The Exim of the session, without mail."""
    running_exim.forget()
    return running_exim


@pytest.fixture
def check(run_plugin, exim):
    """Run the plugin against the Exim."""

    def run(*arguments):
        return run_plugin("-H", "127.0.0.1", "-p", str(exim.port), *NONE, *arguments)

    return run


def test_mail_is_accepted_and_delivered_once(check, exim, wait_until, check_probe_message):
    run = check("-r", "good@mx.test")

    assert run.exit_code == 0
    assert re.fullmatch(
        r"MAILACCEPT OK - 127\.0\.0\.1 accepted mail for good@mx\.test in \d+\.\d+s( \(.+\))?",
        run.status,
    )
    assert len(run.lines) == 1
    assert {"connect", "banner", "ehlo", "mail", "rcpt", "data", "message", "total"} <= set(
        run.perfdata
    )
    wait_until(lambda: not exim.queued(), "an empty queue")
    (content,) = exim.delivered()
    message = check_probe_message(content)
    assert message["Return-Path"] == "<ExMFA-MailAcceptTest@Fabrikam.com>"
    assert message["Envelope-To"] == "good@mx.test"


def test_null_reverse_path_is_delivered(check, exim, wait_until):
    run = check("-r", "good@mx.test", "-f", "<>")

    assert run.exit_code == 0
    wait_until(lambda: not exim.queued(), "an empty queue")
    (content,) = exim.delivered()
    assert content.startswith(b"Return-path: <>\n")


def test_until_rcpt_sends_no_mail(check, exim):
    run = check("-r", "good@mx.test", "--until", "rcpt")

    assert run.exit_code == 0
    assert run.status.startswith("MAILACCEPT OK - 127.0.0.1 ")
    assert "good@mx.test" in run.status
    assert "rcpt" in run.perfdata
    assert not {"data", "message"} & set(run.perfdata)
    assert not exim.queued()
    assert exim.delivered() == []


@pytest.mark.parametrize(
    ("recipient", "exit_code", "status"),
    [
        (
            "unknown@mx.test",
            2,
            "MAILACCEPT CRITICAL - 127.0.0.1 refused RCPT unknown@mx.test: 550 5.1.1 User unknown",
        ),
        (
            "someone@elsewhere.test",
            2,
            "MAILACCEPT CRITICAL - 127.0.0.1 refused RCPT someone@elsewhere.test: "
            "550 5.7.1 Relaying denied",
        ),
        (
            "deferred@mx.test",
            1,
            "MAILACCEPT WARNING - 127.0.0.1 deferred RCPT deferred@mx.test: "
            "451 4.2.1 Mailbox is being moved",
        ),
    ],
    ids=["unknown", "relay", "deferred"],
)
def test_recipient_is_not_accepted(check, exim, recipient, exit_code, status):
    run = check("-r", recipient)

    assert run.lines[0] == status
    assert run.exit_code == exit_code
    assert "rcpt" in run.perfdata
    assert not {"data", "message"} & set(run.perfdata)
    assert not exim.queued()
    assert exim.delivered() == []
