"""The plugin against Postfix and Exim: a mail that is delivered, and recipients that are not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support import exim, postfix
from support.programs import find_user, free_port, wait_for

MAIN_CF = """\
virtual_mailbox_domains = mx.test
virtual_mailbox_base = {directory}/mail
virtual_mailbox_maps = inline:{
    good@mx.test=good/ deferred@mx.test=deferred/ also@mx.test=also/ third@mx.test=third/ }
virtual_uid_maps = static:UID
virtual_gid_maps = static:65534
smtpd_recipient_restrictions =
    check_recipient_access inline:{ { deferred@mx.test = 450 4.2.1 Mailbox is being moved } }
    permit
# A line end other than CR LF ends the session: the probe message must have none.
smtpd_forbid_bare_newline = yes
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
virtual unix - n n - - virtual
"""
EXIM_CONFIGURATION = f"""\
tls_advertise_hosts =
domainlist local_domains = mx.test

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
  directory = {{directory}}/mail
  maildir_format
  user = {exim.USER}
  delivery_date_add
  envelope_to_add
  return_path_add
"""


class MailServer(NamedTuple):
    """A server that delivers mail for good@mx.test into a maildir."""

    port: int
    maildir: Path
    #: The header of a delivered mail that names its recipient.
    delivered_to: str
    queued: Callable[[], bool]
    #: Where it relays for everybody.
    open_port: int = 0

    def delivered(self) -> list[bytes]:
        """All mail, once the queue is empty: Postfix has a file there from RCPT to RSET, too."""
        wait_for(lambda: not self.queued(), "an empty queue")
        return [file.read_bytes() for file in self.maildir.glob("new/*")]

    def forget(self) -> MailServer:
        for file in self.maildir.glob("new/*"):
            file.unlink()
        return self


@pytest.fixture(scope="session")
def running_postfix(launch_for_session, server_directory) -> MailServer:
    directory = server_directory("postfix")
    nobody = find_user("nobody", package="base-passwd")
    server = MailServer(
        free_port(), directory / "mail" / "good", "Delivered-To",
        lambda: any(
            path.is_file()
            for queue in ("maildrop", "incoming", "active", "deferred", "hold")
            for path in (directory / "queue" / queue).rglob("*")
        ),
        free_port(),
    )  # fmt: skip
    (directory / "mail").mkdir()
    os.chown(directory / "mail", nobody, -1)
    command, environment = postfix.configure(
        directory,
        MAIN_CF.replace("UID", str(nobody)),
        MASTER_CF.format(port=server.port, open_port=server.open_port),
    )
    launch_for_session(command, directory, server.port, environment)
    return server


@pytest.fixture(scope="session")
def running_exim(launch_for_session, server_directory) -> MailServer:
    directory, port = server_directory("exim"), free_port()
    command = exim.configure(directory, port, EXIM_CONFIGURATION)
    (directory / "mail").mkdir()
    os.chown(directory / "mail", find_user(exim.USER, package="exim4-daemon-light"), -1)
    launch_for_session([*command, "-bdf"], directory, port)
    return MailServer(
        port, directory / "mail", "Envelope-To",
        lambda: subprocess.check_output([*command, "-bpc"], stdin=subprocess.DEVNULL) != b"0\n",
    )  # fmt: skip


@pytest.fixture
def postfix_server(running_postfix) -> MailServer:
    """Without mail."""
    return running_postfix.forget()


@pytest.fixture
def open_postfix(postfix_server) -> MailServer:
    """At the port where it relays, takes all recipients but only two, and not all senders."""
    return postfix_server._replace(port=postfix_server.open_port)


@pytest.fixture(params=["running_exim", "running_postfix"])
def server(request) -> MailServer:
    """Each of them, without mail."""
    return request.getfixturevalue(request.param).forget()


@pytest.fixture
def check(run_plugin):
    """Run the plugin against one of them; they are no Exchange, and need not be one."""

    def run(server, *arguments):
        return run_plugin(
            "-H", "127.0.0.1", "-p", str(server.port), "--profile", "none", *arguments
        )

    return run


def repeated(option, values):
    return [word for value in values for word in (option, value)]


def test_mail_is_accepted_and_delivered_once(check, server, check_probe_message):
    run = check(server, "-r", "good@mx.test")

    line = "MAILACCEPT OK - 127.0.0.1 accepted mail for good@mx.test in #s"
    assert run.first_line.partition(" (")[0] == line
    assert (run.exit_code, run.stdout.count("\n")) == (0, 1)
    assert {"connect", "banner", "ehlo", "mail", "rcpt", "data", "message", "total"} <= set(
        run.perfdata
    )
    (content,) = server.delivered()
    message = check_probe_message(content)
    assert message["Return-Path"] == "<ExMFA-MailAcceptTest@Fabrikam.com>"
    assert message[server.delivered_to] == "good@mx.test"


def test_null_reverse_path_is_delivered(check, server):
    assert check(server, "-r", "good@mx.test", "-f", "<>").exit_code == 0
    (content,) = server.delivered()
    assert content.lower().startswith(b"return-path: <>\n")


def test_until_rcpt_sends_no_mail(check, server):
    run = check(server, "-r", "good@mx.test", "--until", "rcpt")

    assert run.exit_code == 0
    assert run.first_line.startswith(
        "MAILACCEPT OK - 127.0.0.1 passed every stage up to rcpt for good@mx.test in #s"
    )
    assert "rcpt" in run.perfdata
    assert not {"data", "message"} & set(run.perfdata)
    assert server.delivered() == []


UNKNOWN_USER, RELAY, DEFERRED = "unknown@mx.test", "someone@elsewhere.test", "deferred@mx.test"
REFUSED = "CRITICAL - 127.0.0.1 refused RCPT"
WARNING = "WARNING - 127.0.0.1 deferred RCPT deferred@mx.test: "


@pytest.mark.parametrize(
    ("name", "recipient", "exit_code", "words"),
    [
        ("exim", UNKNOWN_USER, 2, f"{REFUSED} unknown@mx.test: 550 5.1.1 User unknown"),
        ("exim", RELAY, 2, f"{REFUSED} someone@elsewhere.test: 550 5.7.1 Relaying denied"),
        ("exim", DEFERRED, 1, f"{WARNING}451 4.2.1 Mailbox is being moved"),
        ("postfix", UNKNOWN_USER, 2, f"{REFUSED} unknown@mx.test: 550 5.1.1 [unknown@mx.test]:"
         " Recipient address rejected: User unknown in virtual mailbox table"),
        ("postfix", RELAY, 2, f"{REFUSED} someone@elsewhere.test: 554 5.7.1"
         " [someone@elsewhere.test]: Relay access denied"),
        ("postfix", DEFERRED, 1, f"{WARNING}450 4.2.1 [deferred@mx.test]: Recipient address"
         " rejected: Mailbox is being moved"),
    ],
)  # fmt: skip
def test_recipient_is_not_accepted(request, check, name, recipient, exit_code, words):
    server = request.getfixturevalue(f"running_{name}").forget()
    run = check(server, "-r", recipient)

    assert (run.exit_code, run.first_line) == (exit_code, f"MAILACCEPT {words}")
    assert "rcpt" in run.perfdata
    assert not {"data", "message"} & set(run.perfdata)
    assert server.delivered() == []


# Recipients that must be refused.


def test_what_must_be_refused_is_refused(check, server):
    run = check(server, "-r", "good@mx.test", "--refuse", RELAY, "--refuse", UNKNOWN_USER)
    assert (run.exit_code, run.stdout.count("\n")) == (0, 1)
    assert len(server.delivered()) == 1


@pytest.mark.parametrize(
    ("refuse", "exit_code", "words"),
    [
        (RELAY, 2, f"127.0.0.1 accepts mail for {RELAY} from this host"),
        (UNKNOWN_USER, 1, f"127.0.0.1 accepts an unknown recipient, {UNKNOWN_USER}"),
        (DEFERRED, 1, f"could not test that 127.0.0.1 refuses {DEFERRED}: 450 4.2.1 [{DEFERRED}]:"
         " Recipient address rejected: Mailbox is being moved"),
    ],
)  # fmt: skip
def test_what_must_be_refused_is_not(check, open_postfix, refuse, exit_code, words):
    """The recipient gets no mail for all that."""
    run = check(open_postfix, "-r", "good@mx.test", "--refuse", refuse)
    assert run.exit_code == exit_code
    line = run.first_line.partition(" - ")[2]
    assert line.startswith(f"{words}; 127.0.0.1 accepted mail for good")
    assert len(open_postfix.delivered()) == 1


# Several recipients and senders, at Postfix.


def test_the_message_goes_to_the_recipients_that_are_accepted(check, postfix_server):
    run = check(postfix_server, *repeated("-r", ("good@mx.test", UNKNOWN_USER, DEFERRED)))
    assert run.exit_code == 2
    assert run.first_line.startswith(
        "MAILACCEPT CRITICAL - 2 of 3 recipients refused: unknown@mx.test: 550 5.1.1"
        " [unknown@mx.test]: Recipient address rejected: User unknown in virtual mailbox table;"
        " deferred@mx.test: 450 4.2.1 [deferred@mx.test]: Recipient address rejected: Mailbox is"
    )
    (content,) = postfix_server.delivered()
    assert b"\nTo: <good@mx.test>,\n <unknown@mx.test>,\n <deferred@mx.test>\n" in content


def test_no_recipient_is_accepted(check, postfix_server):
    run = check(postfix_server, "-r", UNKNOWN_USER, "-r", DEFERRED)
    assert run.exit_code == 2
    assert run.first_line.startswith("MAILACCEPT CRITICAL - 127.0.0.1: 2 of 2 recipients refused: ")
    assert postfix_server.delivered() == []


def test_one_recipient_too_many_is_asked_for_again(check, open_postfix):
    recipients = ("good@mx.test", "also@mx.test", "third@mx.test")
    run = check(open_postfix, *repeated("-r", recipients), "-vv")
    assert run.exit_code == 0
    assert "accepted mail for good@mx.test and also@mx.test in" in run.first_line
    alone = "third@mx.test accepted in a transaction of its own, in which no message was sent"
    assert alone in run.first_line
    assert " S: 452 4.5.3 Error: too many recipients\n" in run.stdout
    assert len(open_postfix.delivered()) == 1


def test_senders_that_are_not_accepted(check, open_postfix):
    senders = ("ExMFA-MailAcceptTest@Fabrikam.com", "probe@mx.test", "<>", "other@elsewhere.test")
    run = check(open_postfix, "-r", "good@mx.test", *repeated("-f", senders))
    assert run.exit_code == 2
    assert run.first_line.startswith(
        "MAILACCEPT CRITICAL - 2 of 4 senders refused: probe@mx.test: 550 5.7.68 [probe@mx.test]:"
        " Sender address rejected: Direct Send is not allowed; the null sender: 550 5.7.1 []:"
        " Sender address rejected: No bounces are taken; only senders of the own domain are"
    )
    assert len(open_postfix.delivered()) == 1


def test_server_that_is_no_exchange_is_a_warning_by_default(check, postfix_server):
    run = check(postfix_server, "-r", "good@mx.test", "--profile", "auto")
    assert run.exit_code == 1
    assert run.first_line.startswith(
        "MAILACCEPT WARNING - neither banner, EHLO reply nor keywords show an Exchange server; "
    )
    assert "accepted mail for good@mx.test" in run.first_line
