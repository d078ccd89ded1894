"""``--delivered``: is what was accepted also delivered?  The plugin as a process.

Against the simulator and its mailbox, and mailbox servers that misbehave.  What Dovecot and Postfix
do with it is in ``tests/real_servers``.
"""

from __future__ import annotations

import contextlib
import email.utils
import itertools
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from support.names import NameServer
from support.plugin import CRITICAL, OK, UNKNOWN, WARNING, PluginRun, run_plugin
from support.smtp import PATIENCE, PortOfAll

pytest.importorskip("aiosmtpd")

from simulator.mailbox import INBOX, JUNK, PASSWORD, ImapSession, Letter, Mailbox
from simulator.poses import Answer, Behaviour
from simulator.server import Simulator

ENVIRONMENT = {"CHECK_EXCHANGE_MAILACCEPT_MAILBOX_PASSWORD": PASSWORD}
#: Whatever the age of the newest probe, it is too old.
ALWAYS_LATE = ("-c", "delivered=@0:999999")
ACCEPTED = "127.0.0.1 accepted mail for postmaster@contoso.com in #s (Exchange 2019/SE; queued on"
ACCEPTED += " mail1.contoso.com as ID"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """An Exchange server, and the mailbox to which it delivers."""
    with Simulator(mailbox="delivered") as running:
        yield running


def check(simulator: Simulator, *arguments: str) -> PluginRun:
    return run_plugin(
        "-H", simulator.host, "-p", str(simulator.port), "-r", "postmaster@contoso.com",
        "-F", "probe.client.example", *simulator.options, *arguments, environment=ENVIRONMENT,
    )  # fmt: skip


@pytest.fixture
def secret(tmp_path: Path) -> Callable[[str], str]:
    """Make files with secrets that nobody else may read."""

    def write(words: str) -> str:
        file = tmp_path / words.replace(" ", "-")
        file.write_text(f"{words}\n")
        file.chmod(0o600)
        return str(file)

    return write


def mailbox(simulator: Simulator) -> Mailbox:
    assert simulator.mailbox is not None
    return simulator.mailbox


def deliver_nothing(simulator: Simulator) -> None:
    mailbox(simulator).accept = lambda *_: None  # type: ignore[method-assign]


def backdate(letter: Letter, sent: float, arrived: float) -> None:
    """Let a probe have been sent and have arrived so many seconds ago."""
    date = email.utils.formatdate(time.time() - sent).encode()
    letter.content = re.sub(rb"(?m)^Date:.*?$", b"Date: " + date, letter.content, count=1)
    letter.arrived = time.time() - arrived


@pytest.fixture
def earlier(simulator: Simulator) -> Letter:
    """A probe that has arrived; nothing else does."""
    assert check(simulator).exit_code == OK
    deliver_nothing(simulator)
    (letter,) = mailbox(simulator).folders[INBOX]
    return letter


# What has arrived.


def test_a_probe_that_arrives(simulator):
    """The first run waits for its own message."""
    run = check(simulator)
    assert run.result == f"OK - {ACCEPTED}; delivered in #s)"
    assert re.fullmatch(r"[0-9.]+s;900;1800;0", run.perfdata["delivered"])
    assert run.perfdata["delay"].endswith("s;;;0")
    (letter,) = mailbox(simulator).folders[INBOX]
    assert re.search(rb"\r\nX-Exchange-Mailaccept: probe \S+ [0-9a-f]{12}\r\n", letter.content)
    assert letter.flags == set()


def test_an_earlier_probe_is_enough(simulator, earlier):
    """Nothing is waited for."""
    backdate(earlier, 300, 298)
    run = check(simulator, "-t", str(PATIENCE - 5))
    assert run.result == f"OK - {ACCEPTED}; the probe of 5 min ago was delivered in #s)"


def test_mail_that_is_accepted_and_not_delivered(simulator, earlier):
    backdate(earlier, 2520, 2518)
    run = check(simulator, "-t", "2")
    assert run.result == (
        f"CRITICAL - accepted, but the newest probe that arrived is 42 min old; {ACCEPTED})"
    )
    start = email.utils.formatdate(time.time() - 2520)[5:16].strip()
    assert "\nMeaning: Mail is accepted and not delivered: " in run.stdout
    day = time.strftime("%Y-%m-%d", time.strptime(start, "%d %b %Y"))
    assert f" -Recipients postmaster@contoso.com -Start {day}T" in run.stdout
    assert "\nDelivery: newest probe, sent " in run.stdout


def test_a_warning_range_is_a_warning(simulator, earlier):
    backdate(earlier, 1000, 1000)
    assert check(simulator, "-t", "2").exit_code == WARNING


def test_after_a_pause_the_message_of_this_run_is_waited_for(simulator, earlier):
    """It is enough, and -v tells the gap."""
    backdate(earlier, 7200, 7200)
    box = mailbox(simulator)
    box.accept = lambda *message: threading.Timer(1, Mailbox.accept, (box, *message)).start()
    run = check(simulator, "-v")
    assert run.exit_code == OK, run.stdout
    assert "; delivered in" in run.first_line
    assert "\nNote: before it no probe had arrived for 2 h\n" in run.stdout


@pytest.mark.parametrize(
    ("severity", "state"),
    [
        *(((), UNKNOWN), (("--severity", "delivered=ok"), OK)),
        *((("--severity", "probe=ok"), UNKNOWN), (("-w", "total=@0:99"), WARNING)),
    ],
)
def test_no_probe_has_ever_arrived(simulator, severity, state):
    deliver_nothing(simulator)
    run = check(simulator, "-t", "2", *severity)
    assert run.exit_code == state
    if state == UNKNOWN:
        assert run.first_line == (
            f"MAILACCEPT UNKNOWN - accepted, but no probe has arrived yet; {ACCEPTED})"
        )
    assert "delivered" not in run.perfdata


def test_a_probe_among_junk(simulator):
    mailbox(simulator).fate = "junk"
    run = check(simulator, "-t", "3")
    assert run.result == (
        "WARNING - accepted, but the newest probe arrived in Junk Email and not in"
        f" INBOX; {ACCEPTED})"
    )
    assert len(mailbox(simulator).folders[JUNK]) == 1


@pytest.mark.usefixtures("earlier")
def test_probes_of_other_monitors_and_services_do_not_count(simulator):
    """The mark in the header is another one with another name of the monitor."""
    run = check(simulator, "-F", "monitor2.client.example", "-t", "2")
    assert run.exit_code == UNKNOWN
    assert "no probe has arrived yet" in run.first_line


def test_mail_that_takes_long(simulator, earlier):
    backdate(earlier, 300, 225)
    run = check(simulator, "-w", "delay=60")
    assert run.result == (
        "WARNING - the newest probe took #s to arrive (outside range 0:60);"
        f" {ACCEPTED}; the probe of 5 min ago was delivered in #s)"
    )
    assert run.perfdata["delay"].startswith("75.0s;60;")


def test_clocks_that_differ(simulator, earlier):
    """The delay is left out, and it is said why."""
    backdate(earlier, 300, 900)
    run = check(simulator, "-v", "-w", "delay=60")
    assert run.exit_code == OK
    assert run.first_line.endswith(
        "the probe of 5 min ago was delivered; clocks of monitor and mailbox differ by 10 min)"
    )
    assert "delay" not in run.perfdata


def test_the_way_of_the_newest_probe(simulator, earlier):
    way = b"Received: from mail1.contoso.com by mbx01.contoso.com with SMTP; %s\r\n"
    way += b"Received: from monitor\r\n by mail1.contoso.com with ESMTP; %s\r\n"
    earlier.content = re.sub(rb"(?s)^.*?(?=From:)", b"", earlier.content)
    backdate(earlier, 300, 200)
    times = [email.utils.formatdate(time.time() - ago).encode() for ago in (210, 299)]
    earlier.content = way % tuple(times) + earlier.content
    run = check(simulator, "-v")
    assert re.search(
        r"\nDelivery: newest probe, sent .* \+0000 \(5 min ago\), arrived after (99|100|101)s in"
        r" INBOX\n +\+[012]s  mail1\.contoso\.com\n +\+(88|89|90)s  mbx01\.contoso\.com\n",
        run.stdout,
    )


# Beside a finding of SMTP.


@pytest.mark.usefixtures("earlier")
@pytest.mark.parametrize(
    ("reply", "state"), [("550 5.1.1 User unknown", CRITICAL), ("450 4.2.1 Wait", WARNING)]
)
def test_what_smtp_shows_leads(simulator, reply, state):
    """No message was accepted that could arrive, so the mailbox changes nothing."""
    simulator.behaviour = simulator.behaviour._replace(reply={"rcpt": reply})
    run = check(simulator, *ALWAYS_LATE)
    assert run.exit_code == state
    assert run.first_line.endswith(f"RCPT postmaster@contoso.com: {reply}")
    assert "delivered" in run.perfdata


def test_a_message_that_goes_to_other_recipients_only(simulator, monkeypatch):
    """The mailbox is that of the first; the message that it did not get is not waited for."""
    assert check(simulator, "-r", "other@contoso.com").exit_code == OK
    (letter,) = mailbox(simulator).folders[INBOX]
    backdate(letter, 7200, 7200)
    answer = Behaviour.answer

    def refuse(behaviour: Behaviour, stage: str, **fields: object) -> Answer:
        if fields.get("address") == "postmaster@contoso.com":
            return Answer("550 5.1.1 User unknown")
        return answer(behaviour, stage, **fields)

    deliver_nothing(simulator)
    monkeypatch.setattr(Behaviour, "answer", refuse)
    run = check(simulator, "-r", "other@contoso.com", "--severity", "550=ok")
    assert run.exit_code == OK, run.stdout
    assert run.perfdata["delivered"].startswith("72")


@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        ((), UNKNOWN),
        (("--severity", "delivered=critical"), CRITICAL),
        (("--severity", "delivered=ok"), OK),
        # Only its own key changes it, and beside what is wrong it changes nothing.
        (("--severity", "probe=ok", "--severity", "broken=ok"), UNKNOWN),
        (("-w", "total=@0:99", "--severity", "delivered=critical"), WARNING),
    ],
)
def test_a_mailbox_that_can_t_be_reached(simulator, arguments, state):
    """Mail may well arrive."""
    port = PortOfAll()
    place = f"imaps://probe@127.0.0.1:{port.number}"
    run = check(simulator, "--delivered", place, *arguments)
    port.close()
    assert run.exit_code == state
    words = "could not look into the mailbox at 127.0.0.1: connection refused"
    if state in (UNKNOWN, CRITICAL):
        name = "UNKNOWN" if state == UNKNOWN else "CRITICAL"
        assert run.first_line == f"MAILACCEPT {name} - {words}; {ACCEPTED})"
        assert "\nMeaning: Nothing is known of the delivery: " in run.stdout
    if state == WARNING:
        assert f"\nNote: {words}\n" in run.stdout


# Old probes.


@pytest.mark.parametrize("uidplus", [True, False])
def test_old_probes_are_deleted(simulator, monkeypatch, uidplus):
    """Its own, and never the newest; without UIDPLUS they are only marked."""
    if not uidplus:
        monkeypatch.setattr(ImapSession, "CAPABILITIES", "IMAP4rev1 AUTH=PLAIN")
    assert check(simulator).exit_code == OK
    box = mailbox(simulator)
    (own,) = box.folders[INBOX]
    strange = re.sub(rb"(X-Exchange-Mailaccept: probe \S+ )\S+", rb"\g<1>ba9876543210", own.content)
    old = [box.put(own.content), box.put(own.content), box.put(strange)]
    for letter in old:
        backdate(letter, 90_000, 90_000)
    backdate(own, 86_000, 86_000)
    assert check(simulator).exit_code == OK
    left = [letter for letter in old if letter in box.folders[INBOX]]
    if uidplus:
        assert left == old[2:]
    else:
        assert [letter.flags for letter in left] == [{"\\Deleted"}, {"\\Deleted"}, set()]
    assert own in box.folders[INBOX]
    assert own.flags == set()


def test_the_newest_probe_is_never_deleted(simulator, earlier):
    """Not even in an outage that lasts for days."""
    older = mailbox(simulator).put(earlier.content)
    backdate(older, 300_000, 300_000)
    backdate(earlier, 200_000, 200_000)
    assert check(simulator, "-t", "4").exit_code == CRITICAL
    assert mailbox(simulator).folders[INBOX] == [earlier]


def test_twice_the_largest_limit_is_kept(simulator, earlier):
    """If that is more than a day."""
    older = mailbox(simulator).put(earlier.content)
    backdate(older, 190_000, 190_000)
    backdate(earlier, 90_000, 90_000)
    assert check(simulator, "-w", "delivered=100000", "-c", "delivered=100000").exit_code == OK
    assert mailbox(simulator).folders[INBOX] == [earlier, older]


# Servers of mailboxes that misbehave.


@pytest.mark.parametrize(
    ("command", "state"),
    [
        *(("AUTHENTICATE", UNKNOWN), ("EXAMINE", UNKNOWN), ("FETCH", UNKNOWN)),
        # What was seen before stands.
        *(("UID SEARCH", OK), ("UID STORE", OK)),
    ],
)
def test_a_mailbox_server_that_falls_silent(simulator, earlier, monkeypatch, command, state):
    """The run ends in time, and deletes nothing after it."""
    older = mailbox(simulator).put(earlier.content)
    backdate(older, 190_000, 190_000)
    answer = ImapSession._answer
    heard = []

    async def silent(session: ImapSession, said: str, arguments: str) -> str:
        heard.append(said)
        if said == command:
            # Until the client goes.
            await session._reader.read()
        return await answer(session, said, arguments)

    monkeypatch.setattr(ImapSession, "_answer", silent)
    run = check(simulator, "-t", "2", "-v")
    assert run.exit_code == state, run.stdout
    if state == UNKNOWN:
        assert "the mailbox at 127.0.0.1: no answer within " in run.first_line
    else:
        assert "\nNote: old probes could not be deleted: within " in run.stdout
    assert heard[-1] == command
    assert older in mailbox(simulator).folders[INBOX]


def test_a_mailbox_that_is_lost_while_a_probe_is_waited_for(simulator, earlier, monkeypatch):
    """The probe might have arrived, so nobody is woken."""
    backdate(earlier, 7200, 7200)
    answer = ImapSession._answer
    heard = []

    async def lose(session: ImapSession, said: str, arguments: str) -> str:
        heard.append(said)
        # The first look and the tidying have two folders each.
        if heard.count("EXAMINE") > 4:
            raise ConnectionAbortedError
        return await answer(session, said, arguments)

    monkeypatch.setattr(ImapSession, "_answer", lose)
    run = check(simulator)
    assert run.exit_code == UNKNOWN
    words = "could not look into the mailbox at 127.0.0.1: the connection is lost: "
    assert run.first_line.startswith(f"MAILACCEPT UNKNOWN - {words}")


Play = Callable[[ssl.SSLSocket], None]


def drip(connection: ssl.SSLSocket) -> None:
    for letter in itertools.cycle(b"* OK "):
        connection.sendall(bytes([letter]))
        time.sleep(0.01)


def flood(connection: ssl.SSLSocket) -> None:
    while True:
        connection.sendall(b"* OK so much to say\r\n" * 1000)


def huge(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"* OK ready\r\n")
    connection.recv(1000)
    connection.sendall(b"* CAPABILITY {999999999}\r\n")
    flood(connection)


def say(data: bytes) -> Play:
    def play(connection: ssl.SSLSocket) -> None:
        connection.sendall(data)

    return play


def answer_everything(data: bytes) -> Play:
    def play(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"* OK ready\r\n")
        while command := connection.recv(1000):
            connection.sendall(data.replace(b"TAG", command.partition(b" ")[0]))

    return play


def hold(connection: ssl.SSLSocket) -> None:
    connection.recv(1000)


@contextlib.contextmanager
def playing(play: Play, context: ssl.SSLContext) -> Iterator[int]:
    """A server with TLS that does as ``play`` says, and its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            plain, _ = listener.accept()
            plain.settimeout(PATIENCE)
            with plain, context.wrap_socket(plain, server_side=True) as connection:
                play(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (hold, "no answer within #s"),
        (drip, "no answer within #s"),
        (flood, ""),
        (huge, "the connection is lost: the server sends more than anybody can have asked for"),
        (say(b""), "the connection is lost: "),
        (say(b"* BYE come back later\r\n"), "* BYE come back later"),
        (say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ""),
        (answer_everything(b"TAG OK .\r\n"), ""),
        (answer_everything(b"TAG OK\r\n"), ""),
        (answer_everything(b"* SEARCH \xff {9\r\n* 1 FETCH (\r\nTAG OK \xff\r\n"), ""),
        (answer_everything(b"* CAPABILITY IMAP4rev1\r\nTAG NO not you: secret\r\n"), ""),
    ],
)
def test_a_mailbox_server_that_misbehaves(simulator, authority, play, words):
    """Whatever it does, nothing is known of the delivery, and the run ends in time."""
    with playing(play, authority.context) as port:
        place = ("--delivered", f"imaps://probe@127.0.0.1:{port}", "--ca-file", authority.file)
        run = check(simulator, *place, "-t", "3")
    assert run.stderr == ""
    assert run.exit_code == UNKNOWN
    start = "MAILACCEPT UNKNOWN - could not look into the mailbox at 127.0.0.1: "
    assert run.first_line.startswith(start + words), run.stdout
    assert "secret" not in run.stdout


def test_a_logon_that_is_refused(simulator, secret):
    """The server's words are told, but not the secret."""
    run = check(simulator, "--delivered-password-file", secret("not the password"))
    assert run.result == (
        "UNKNOWN - could not look into the mailbox at 127.0.0.1: it refuses the logon of"
        f" probe@contoso.com: AUTHENTICATE failed.; {ACCEPTED})"
    )


def test_a_token_goes_before_a_password(simulator, secret):
    token, wrong = secret(PASSWORD), secret("not the password")
    files = ("--delivered-token-file", token, "--delivered-password-file", wrong)
    assert check(simulator, *files).exit_code == OK


def test_a_certificate_that_is_not_trusted(simulator, authority):
    """No secret goes to a stranger."""
    run = check(simulator, "--ca-file", authority.file)
    assert run.exit_code == UNKNOWN
    assert ": its certificate is not valid: " in run.first_line


def test_a_certificate_for_another_host(simulator, tmp_path):
    """The authority is trusted."""
    signer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert("192.0.2.1", "mail.contoso.com").configure_cert(context)
    signer.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with playing(hold, context) as port:
        place = ("--delivered", f"imaps://probe@127.0.0.1:{port}")
        run = check(simulator, *place, "--ca-file", str(tmp_path / "ca.pem"), "-t", "5")
    assert run.exit_code == UNKNOWN
    assert ": its certificate is not valid: IP address mismatch" in run.first_line


def test_no_secret_goes_out_without_tls(simulator):
    """``imap:`` requires STARTTLS."""
    heard = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"* OK ready\r\n")
            while command := connection.recv(1000):
                heard.append(command)
                tag = command.partition(b" ")[0]
                connection.sendall(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + tag + b" OK .\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    run = check(simulator, "--delivered", f"imap://probe@127.0.0.1:{listener.getsockname()[1]}")
    thread.join(PATIENCE)
    listener.close()
    assert run.exit_code == UNKNOWN
    assert ": it does not offer STARTTLS, and no secret goes out without; " in run.first_line
    assert [command.split()[1] for command in heard] == [b"CAPABILITY"]


# A set of servers.


@pytest.fixture
def two_servers(simulator):
    """Two MX hosts that deliver to one mailbox, and the options to test both."""
    port = PortOfAll()
    table: dict[tuple[str, str], object] = {
        ("contoso.com.", "MX"): ["10 mail1.contoso.com.", "10 mail2.contoso.com."],
        ("mail1.contoso.com.", "A"): ["127.0.0.2"],
        ("mail2.contoso.com.", "A"): ["127.0.0.3"],
    }
    names = NameServer(table)
    servers = [Simulator(host=f"127.0.0.{last}", port=port.number) for last in (2, 3)]
    with servers[0], servers[1]:
        for server in servers:
            server.mailbox = mailbox(simulator)
        yield (
            *servers,
            lambda *arguments: run_plugin(
                "-d", "contoso.com", "--all-mx", "-p", str(port.number), "-F", "probe.example",
                "--nameserver", f"127.0.0.1:{names.port}", *simulator.options, *arguments,
                environment=ENVIRONMENT,
            ),
        )  # fmt: skip
    names.close()
    port.close()


@pytest.mark.parametrize("how", [(), ("--connections", "2")])
def test_each_server_of_a_set_has_probes_of_its_own(simulator, two_servers, how):
    """With a Message-ID of their own, since Exchange delivers each only once."""
    *_, check_all = two_servers
    run = check_all(*how)
    assert run.exit_code == OK, run.stdout
    assert run.first_line.endswith("(probes of 2 of 2 have arrived)")
    assert run.perfdata["arrived"] == "2;;;0"
    assert {"mail1_delivered", "mail2_delivered", "mail1_delay"} <= set(run.perfdata)
    letters = mailbox(simulator).folders[INBOX]
    for name in (rb"Message-ID", rb"X-Exchange-Mailaccept"):
        values = [re.search(rb"\r\n" + name + rb": (.*)\r\n", it.content)[1] for it in letters]
        assert len(values) == len(set(values)) == 2


def test_the_server_whose_probe_is_missing_is_named(two_servers):
    _, second, check_all = two_servers
    second.mailbox = None
    run = check_all("-t", "3")
    assert run.result.startswith(
        "UNKNOWN - mail2.contoso.com: accepted, but no probe has arrived yet; 2 of 2"
        " mail servers of contoso.com accept mail for postmaster@contoso.com in #s (probes of 1 of"
        " 2 have arrived)"
    )
    assert run.perfdata["arrived"] == "1;;;0"


def test_a_set_whose_mailbox_can_t_be_reached(two_servers):
    *_, check_all = two_servers
    port = PortOfAll()
    run = check_all("--delivered", f"imaps://probe@127.0.0.1:{port.number}")
    port.close()
    assert run.result.startswith(
        "UNKNOWN - could not look into the mailbox at 127.0.0.1: connection refused; 2"
    )
