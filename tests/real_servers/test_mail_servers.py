"""The plugin against Postfix and Exim: a mail that is delivered, and recipients that are not."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

#: They are no Exchange, and need not be one.
NONE = ("--profile", "none")

# Postfix.

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = /dev/stdout
maillog_file_prefixes = /dev/stdout
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# No look-up leaves this machine.
smtpd_peername_lookup = no
myhostname = mx.test
mydestination =
mynetworks =
# Nothing is relayed, and what was accepted does not leave either.
default_transport = error
relay_transport = error
virtual_mailbox_domains = mx.test
virtual_mailbox_base = {directory}/mail
virtual_mailbox_maps = inline:{{
    good@mx.test=good/ deferred@mx.test=deferred/ also@mx.test=also/ third@mx.test=third/ }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
    check_recipient_access inline:{{ {{ deferred@mx.test = 450 4.2.1 Mailbox is being moved }} }}
    permit
# A line end other than CR LF ends the session: the probe message must have none.
smtpd_forbid_bare_newline = yes
biff = no
"""

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
# Relays, takes mail for everybody, two recipients at once, and not from every sender.
127.0.0.1:{open_port} inet n - n - - smtpd
  -o mynetworks=127.0.0.0/8
  -o smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination
  -o smtpd_reject_unlisted_recipient=no
  -o smtpd_recipient_limit=2
  -o {{ smtpd_sender_restrictions = check_sender_access inline:{{
    {{ probe@mx.test = 550 5.7.68 Direct Send is not allowed }}
    {{ <> = 550 5.7.1 No bounces are taken }} }} }}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(NamedTuple):
    """A Postfix that delivers mail for good@mx.test into a maildir."""

    port: int
    directory: Path
    #: Where it relays for everybody.
    open_port: int
    #: The header of a delivered mail that names its recipient.
    delivered_to = "Delivered-To"

    def queued(self) -> bool:
        queues = ("maildrop", "incoming", "active", "deferred", "hold")
        return any(
            file.is_file()
            for queue in queues
            for file in (self.directory / "queue" / queue).rglob("*")
        )

    @property
    def _maildir(self) -> Path:
        return self.directory / "mail" / "good" / "new"

    def delivered(self) -> list[bytes]:
        return [file.read_bytes() for file in self._maildir.glob("*")]

    def forget(self) -> None:
        for file in self._maildir.glob("*"):
            file.unlink()


@pytest.fixture(scope="session")
def running_postfix(
    find_program,
    require_root,
    require_user,
    launch_for_session,
    server_directory,
    free_port,
):
    master = find_program("master", package="postfix")
    control = find_program("postfix", package="postfix")
    require_root("Postfix")
    owner = require_user("postfix", package="postfix")

    directory = server_directory("postfix")
    configuration = directory / "etc"
    for name in ("etc", "queue", "data", "mail"):
        (directory / name).mkdir()
    os.chown(directory / "data", owner, -1)
    nobody = require_user("nobody", package="base-passwd")
    os.chown(directory / "mail", nobody, -1)
    port, open_port = free_port(), free_port()
    (configuration / "main.cf").write_text(
        MAIN_CF.format(directory=directory, uid=nobody, gid=65534)
    )
    (configuration / "master.cf").write_text(MASTER_CF.format(port=port, open_port=open_port))
    # Makes the queue's directories.
    subprocess.run([control, "-c", configuration, "check"], check=True, stdin=subprocess.DEVNULL)
    # Not "postfix start-fg", whose master is in a session of its own and survives its parent.
    launch_for_session(
        [master, "-d"],
        directory,
        "127.0.0.1",
        port,
        environment={"MAIL_CONFIG": str(configuration)},
    )
    return Postfix(port, directory, open_port)


@pytest.fixture
def postfix(running_postfix):
    """The Postfix of the session, without mail."""
    running_postfix.forget()
    return running_postfix


# Exim.

EXIM_CONFIGURATION = """\
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
    delivered_to = "Envelope-To"

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
        EXIM_CONFIGURATION.format(program=program, directory=directory, port=exim.port, user=user)
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


# Both.


@pytest.fixture(params=["exim", "postfix"])
def server(request):
    """Each of them, without mail."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def check(run_plugin):
    """Run the plugin against one of them."""

    def run(server, *arguments):
        return run_plugin("-H", "127.0.0.1", "-p", str(server.port), *NONE, *arguments)

    return run


def test_mail_is_accepted_and_delivered_once(check, server, wait_until, check_probe_message):
    run = check(server, "-r", "good@mx.test")

    assert run.exit_code == 0
    assert re.fullmatch(
        r"MAILACCEPT OK - 127\.0\.0\.1 accepted mail for good@mx\.test in \d+\.\d+s( \(.+\))?",
        run.status,
    )
    assert len(run.lines) == 1
    assert {"connect", "banner", "ehlo", "mail", "rcpt", "data", "message", "total"} <= set(
        run.perfdata
    )
    wait_until(lambda: not server.queued(), "an empty queue")
    (content,) = server.delivered()
    message = check_probe_message(content)
    assert message["Return-Path"] == "<ExMFA-MailAcceptTest@Fabrikam.com>"
    assert message[server.delivered_to] == "good@mx.test"


def test_null_reverse_path_is_delivered(check, server, wait_until):
    run = check(server, "-r", "good@mx.test", "-f", "<>")

    assert run.exit_code == 0
    wait_until(lambda: not server.queued(), "an empty queue")
    (content,) = server.delivered()
    assert content.lower().startswith(b"return-path: <>\n")


def test_until_rcpt_sends_no_mail(check, server, wait_until):
    run = check(server, "-r", "good@mx.test", "--until", "rcpt")

    assert run.exit_code == 0
    assert run.status.startswith("MAILACCEPT OK - 127.0.0.1 ")
    assert "good@mx.test" in run.status
    assert "rcpt" in run.perfdata
    assert not {"data", "message"} & set(run.perfdata)
    # Postfix has a file from RCPT on, and removes it after RSET.
    wait_until(lambda: not server.queued(), "an empty queue")
    assert server.delivered() == []


UNKNOWN_USER, RELAY, DEFERRED = "unknown@mx.test", "someone@elsewhere.test", "deferred@mx.test"
REFUSED = "MAILACCEPT CRITICAL - 127.0.0.1 refused RCPT"


@pytest.mark.parametrize(
    ("which", "recipient", "exit_code", "status"),
    [
        ("exim", UNKNOWN_USER, 2, f"{REFUSED} unknown@mx.test: 550 5.1.1 User unknown"),
        ("exim", RELAY, 2, f"{REFUSED} someone@elsewhere.test: 550 5.7.1 Relaying denied"),
        (
            "exim",
            DEFERRED,
            1,
            "MAILACCEPT WARNING - 127.0.0.1 deferred RCPT deferred@mx.test: "
            "451 4.2.1 Mailbox is being moved",
        ),
        (
            "postfix",
            UNKNOWN_USER,
            2,
            f"{REFUSED} unknown@mx.test: 550 5.1.1 [unknown@mx.test]: Recipient address rejected: "
            "User unknown in virtual mailbox table",
        ),
        (
            "postfix",
            RELAY,
            2,
            f"{REFUSED} someone@elsewhere.test: 554 5.7.1 [someone@elsewhere.test]: "
            "Relay access denied",
        ),
        (
            "postfix",
            DEFERRED,
            1,
            "MAILACCEPT WARNING - 127.0.0.1 deferred RCPT deferred@mx.test: 450 4.2.1 "
            "[deferred@mx.test]: Recipient address rejected: Mailbox is being moved",
        ),
    ],
)
def test_recipient_is_not_accepted(request, check, which, recipient, exit_code, status):
    server = request.getfixturevalue(which)
    run = check(server, "-r", recipient)

    assert run.lines[0] == status
    assert run.exit_code == exit_code
    assert "rcpt" in run.perfdata
    assert not {"data", "message"} & set(run.perfdata)
    assert not server.queued()
    assert server.delivered() == []


# Recipients that must be refused.


def test_what_must_be_refused_is_refused(check, server, wait_until):
    run = check(server, "-r", "good@mx.test", "--refuse", RELAY, "--refuse", UNKNOWN_USER)

    assert (run.exit_code, len(run.lines)) == (0, 1)
    wait_until(lambda: not server.queued(), "an empty queue")
    assert len(server.delivered()) == 1


@pytest.mark.parametrize(
    ("refuse", "exit_code", "words"),
    [
        (RELAY, 2, f"127.0.0.1 accepts mail for {RELAY} from this host"),
        (UNKNOWN_USER, 1, f"127.0.0.1 accepts an unknown recipient, {UNKNOWN_USER}"),
        (
            DEFERRED,
            1,
            f"could not test that 127.0.0.1 refuses {DEFERRED}: 450 4.2.1 [{DEFERRED}]: Recipient"
            " address rejected: Mailbox is being moved",
        ),
    ],
)
def test_what_must_be_refused_is_not(check, postfix, wait_until, refuse, exit_code, words):
    """At the port where Postfix relays; the recipient gets no mail for all that."""
    server = postfix._replace(port=postfix.open_port)
    run = check(server, "-r", "good@mx.test", "--refuse", refuse)

    assert run.exit_code == exit_code
    assert run.status.partition(" - ")[2].startswith(f"{words}; 127.0.0.1 accepted mail for good")
    wait_until(lambda: not postfix.queued(), "an empty queue")
    assert len(postfix.delivered()) == 1


# Several recipients and senders, at Postfix.


def test_the_message_goes_to_the_recipients_that_are_accepted(check, postfix, wait_until):
    recipients = ("good@mx.test", UNKNOWN_USER, DEFERRED)
    run = check(postfix, *(word for each in recipients for word in ("-r", each)))

    assert run.exit_code == 2
    assert run.status.startswith(
        "MAILACCEPT CRITICAL - 2 of 3 recipients refused: unknown@mx.test: 550 5.1.1"
        " [unknown@mx.test]: Recipient address rejected: User unknown in virtual mailbox table;"
        " deferred@mx.test: 450 4.2.1 [deferred@mx.test]: Recipient address rejected: Mailbox is"
    )
    wait_until(lambda: not postfix.queued(), "an empty queue")
    (content,) = postfix.delivered()
    assert b"\nTo: <good@mx.test>,\n <unknown@mx.test>,\n <deferred@mx.test>\n" in content


def test_no_recipient_is_accepted(check, postfix):
    run = check(postfix, "-r", UNKNOWN_USER, "-r", DEFERRED)

    assert run.exit_code == 2
    assert run.status.startswith("MAILACCEPT CRITICAL - 127.0.0.1: 2 of 2 recipients refused: ")
    assert not postfix.queued()


def test_one_recipient_too_many_is_asked_for_again(check, postfix, wait_until):
    """Postfix answers 452 4.5.3 to the third here."""
    server = postfix._replace(port=postfix.open_port)
    recipients = ("good@mx.test", "also@mx.test", "third@mx.test")
    run = check(server, *(word for each in recipients for word in ("-r", each)), "-vv")

    assert run.exit_code == 0
    assert "accepted mail for good@mx.test and also@mx.test in" in run.status
    assert (
        "third@mx.test accepted in a transaction of its own, in which no message was sent"
        in run.status
    )
    assert " S: 452 4.5.3 Error: too many recipients\n" in run.stdout
    wait_until(lambda: not postfix.queued(), "an empty queue")
    assert len(postfix.delivered()) == 1


def test_senders_that_are_not_accepted(check, postfix, wait_until):
    server = postfix._replace(port=postfix.open_port)
    senders = ("ExMFA-MailAcceptTest@Fabrikam.com", "probe@mx.test", "<>", "other@elsewhere.test")
    run = check(
        server, "-r", "good@mx.test", *(word for each in senders for word in ("-f", each))
    )  # fmt: skip

    assert run.exit_code == 2
    assert run.status.startswith(
        "MAILACCEPT CRITICAL - 2 of 4 senders refused: probe@mx.test: 550 5.7.68 [probe@mx.test]:"
        " Sender address rejected: Direct Send is not allowed; the null sender: 550 5.7.1 []:"
        " Sender address rejected: No bounces are taken; only senders of the own domain are"
    )
    wait_until(lambda: not postfix.queued(), "an empty queue")
    assert len(postfix.delivered()) == 1


# What one of them is enough for.


def test_server_that_is_no_exchange_is_a_warning_by_default(check, postfix, wait_until):
    run = check(postfix, "-r", "good@mx.test", "--profile", "auto")

    assert run.exit_code == 1
    assert run.lines[0].startswith(
        "MAILACCEPT WARNING - neither banner, EHLO reply nor keywords show an Exchange server; "
    )
    assert "accepted mail for good@mx.test" in run.lines[0]
    wait_until(lambda: not postfix.queued(), "an empty queue")
    assert len(postfix.delivered()) == 1
