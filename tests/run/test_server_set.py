"""All servers of a domain at once: ``--all-mx``, ``--all-addresses``, ``--set`` and ``--parallel``.

Through the plugin as a process, against a small name server and scripted mail servers at several
loopback addresses with one port.  Numbers of seconds are masked as ``#s``.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

import pytest
from support.names import NameServer
from support.plugin import (
    ALL,
    BANNER,
    EHLO,
    MAIL,
    QUIT,
    RCPT,
    RSET,
    TROUBLESHOOTING,
)
from support.scripted_server import (
    PATIENCE,
    SILENCE,
    BlackHole,
    PluginRun,
    PortOfAll,
    ScriptedServer,
    Step,
    run_plugin,
)

from exchange_mailaccept.run.labels import labels

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3

DOMAIN_MX = ("contoso.com.", "MX")
REFUSED = ("RCPT TO:<postmaster@contoso[.]com> NOTIFY=NEVER", b"550 5.1.1 User unknown\r\n")
DEFERRED = ("RCPT TO:<postmaster@contoso[.]com> NOTIFY=NEVER", b"450 4.2.0 Try again\r\n")
REFUSES = (EHLO, MAIL, REFUSED, QUIT)
DEFERS = (EHLO, MAIL, DEFERRED, QUIT)
UP_TO_RCPT = (EHLO, MAIL, RCPT, RSET, QUIT)

STAGES = ("banner", "connect", "data", "ehlo", "extensions", "mail", "message", "quit", "rcpt")


def perfdata(label: str, *without: str) -> str:
    """The perfdata of one server; of one that did not reach all stages, without those."""
    names = [name for name in (*STAGES, "total") if name not in without]
    values = {"extensions": "0;;;0"}
    # nagiosplugin quotes what is more than letters, digits and underscores.
    quote = "'" if "-" in label else ""
    return " ".join(f"{quote}{label}_{name}{quote}={values.get(name, '#s;;;0')}" for name in names)


def zone(*hosts: tuple[int, str, Optional[str]]) -> dict[tuple[str, str], object]:
    """A table for the name server: preference, name and address of each mail server."""
    table: dict[tuple[str, str], object] = {
        DOMAIN_MX: [f"{preference} {name}." for preference, name, _ in hosts]
    }
    for _, name, address in hosts:
        if address is not None:
            table[(f"{name}.", "A")] = [address]
    return table


PRIMARY, SECOND, BACKUP = "127.0.0.2", "127.0.0.3", "127.0.0.4"
#: Two servers of the same preference and one behind them.
THREE = zone(
    (10, "mail1.contoso.com", PRIMARY),
    (10, "mail2.contoso.com", SECOND),
    (20, "backup.contoso.com", BACKUP),
)


class Servers:
    """Mail servers at several addresses with one port, and the name server that leads to them."""

    def __init__(self) -> None:
        self.mail: list[ScriptedServer] = []
        held = PortOfAll()
        self._others: list[Any] = [held]
        self.port = held.number

    def __call__(self, address: str, *script: Step, banner: bytes = BANNER) -> ScriptedServer:
        server = ScriptedServer(banner, *script, host=address, port=self.port)
        self.mail.append(server)
        return server

    def add(self, other: Any) -> Any:
        """Close ``other`` with the rest."""
        self._others.append(other)
        return other

    def check(self, table: Mapping[tuple[str, str], object], *arguments: str) -> PluginRun:
        """Run the plugin; ports do not appear in what comes back."""
        names = self.add(NameServer(table))
        target = () if "-H" in arguments else ("-d", "contoso.com", "--all-mx")
        run = run_plugin(
            *target, "-p", str(self.port), "--nameserver", f"127.0.0.1:{names.port}",
            "-F", "probe.client.example", *arguments,
        )  # fmt: skip
        assert run.stderr == ""
        return run._replace(stdout=run.stdout.replace(f"port {self.port}", "port PORT"))

    def close(self) -> None:
        for other in (*self.mail, *self._others):
            other.close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Servers that must hear just what is in their scripts."""
    started = Servers()
    yield started
    started.close()
    assert [each for server in started.mail for each in server.mismatches] == []


def parts(run: PluginRun) -> tuple[str, str]:
    """The first line and the perfdata, wherever they stand."""
    text, _, numbers = run.masked.partition("|")
    return text.split("\n")[0].rstrip(), " ".join(numbers.split())


# Rules.


def test_all_servers_accept(servers):
    """One line that counts them, each server's own perfdata, and one message for each."""
    for address in (PRIMARY, SECOND, BACKUP):
        servers(address, *ALL)
    run = servers.check(THREE)
    assert (run.exit_code, run.masked) == (
        OK,
        "MAILACCEPT OK - 3 of 3 mail servers of contoso.com accept mail for postmaster@contoso.com"
        " in #s | accepting=3;;;0"
        f" {perfdata('backup')} {perfdata('mail1')} {perfdata('mail2')} mx=#s;;;0 servers=3;;;0\n",
    )
    assert [server.connections for server in servers.mail] == [1, 1, 1]
    assert [server.heard.count(b".\r\n") for server in servers.mail] == [1, 1, 1]


WORDS = "mail1.contoso.com refused RCPT postmaster@contoso.com: 550 5.1.1 User unknown"


@pytest.mark.parametrize(
    ("arguments", "failing", "state", "line"),
    [
        ((), {PRIMARY}, CRITICAL, f"CRITICAL - 2 of 3 mail servers of contoso.com accept mail;"
         f" {WORDS}"),
        (("--set", "worst"), {BACKUP}, CRITICAL, "CRITICAL - 2 of 3 mail servers of contoso.com"
         f" accept mail; {WORDS.replace('mail1', 'backup')}"),
        (("--set", "any"), {PRIMARY}, OK, f"OK - 2 of 3 mail servers of contoso.com accept mail;"
         f" {WORDS}"),
        (("--set", "any"), {PRIMARY, SECOND}, OK, "OK - 1 of 3 mail servers of contoso.com accept"
         f" mail; {WORDS} (and 1 more)"),
        (("--set", "any"), {PRIMARY, SECOND, BACKUP}, CRITICAL, "CRITICAL - 0 of 3 mail servers of"
         f" contoso.com accept mail; {WORDS} (and 2 more)"),
        (("--set", "primary"), {BACKUP}, WARNING, "WARNING - 2 of 3 mail servers of contoso.com"
         f" accept mail; {WORDS.replace('mail1', 'backup')}"),
        (("--set", "primary"), {SECOND}, WARNING, "WARNING - 2 of 3 mail servers of contoso.com"
         f" accept mail; {WORDS.replace('mail1', 'mail2')}"),
        (("--set", "primary"), {PRIMARY, BACKUP}, WARNING, "WARNING - 1 of 3 mail servers of"
         f" contoso.com accept mail; {WORDS} (and 1 more)"),
        (("--set", "primary"), {PRIMARY, SECOND}, CRITICAL, "CRITICAL - 1 of 3 mail servers of"
         f" contoso.com accept mail; {WORDS} (and 1 more)"),
    ],
)  # fmt: skip
def test_the_rule_decides(servers, arguments, failing, state, line):
    """What it means when some of the servers refuse the recipient."""
    for address in (PRIMARY, SECOND, BACKUP):
        servers(address, *(REFUSES if address in failing else ALL))
    run = servers.check(THREE, *arguments)
    assert (run.exit_code, parts(run)[0]) == (state, f"MAILACCEPT {line}")


MEANING = """\
mail2.contoso.com 127.0.0.3 (MX 10): mail2.contoso.com refused RCPT postmaster@contoso.com:\
 550 5.1.1 User unknown
  Meaning: There is no such recipient [recipient]
  Next step: Get-Recipient postmaster@contoso.com; add the alias (Set-Mailbox MAILBOX\
 -EmailAddresses @{add='postmaster@contoso.com'}), or test an existing one with --recipient.
  Read: https://learn.microsoft.com/exchange/mail-flow/non-delivery-reports-and-bounce-messages/\
non-delivery-reports-and-bounce-messages
  Stages at mail2.contoso.com (127.0.0.3 port PORT, Exchange 2019/SE):
    connect #s  passed
    banner #s  220 mail1.contoso.com Microsoft ESMTP MAIL Service ready
    ehlo #s  250 mail1.contoso.com Hello [127.0.0.1] SIZE 37748736 PIPELINING DSN\
 ENHANCEDSTATUSCODES STARTTLS X-ANONYMOUSTLS AUTH NTLM X-EXPS GSSAPI NTLM 8BITMIME BINARYMIME\
 CHUNKING SMTPUTF8 XRDST
    mail #s  250 2.1.0 Sender OK
    rcpt #s  refused: 550 5.1.1 User unknown
    quit #s  221 2.0.0 Service closing transmission channel
"""


def test_one_refuses(servers):
    """The whole output: what failed with its meaning, what works in one line each."""
    servers(PRIMARY, *ALL)
    servers(SECOND, *REFUSES)
    servers(BACKUP, *ALL)
    run = servers.check(THREE)
    assert run.exit_code == CRITICAL
    assert run.masked == (
        "MAILACCEPT CRITICAL - 2 of 3 mail servers of contoso.com accept mail; mail2.contoso.com"
        " refused RCPT postmaster@contoso.com: 550 5.1.1 User unknown\n"
        f"{MEANING}"
        "mail1.contoso.com 127.0.0.2 (MX 10): accepts, #s (Exchange 2019/SE)\n"
        "backup.contoso.com 127.0.0.4 (MX 20): accepts, #s (Exchange 2019/SE)\n"
        f"{TROUBLESHOOTING.replace('  [begin here]', '').rstrip()}  [begin here]\n"
        f"| accepting=2;;;0 {perfdata('backup')} {perfdata('mail1')}"
        f" {perfdata('mail2', 'data', 'message')} mx=#s;;;0 servers=3;;;0\n"
    )


def test_one_can_not_be_connected(servers):
    """A server that is down is down, whatever the others do."""
    servers(PRIMARY, *ALL)
    servers(BACKUP, *ALL)
    run = servers.check(THREE)
    assert (run.exit_code, *parts(run)) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 2 of 3 mail servers of contoso.com accept mail; mail2.contoso.com"
        " could not be connected: 127.0.0.3 port PORT: connection refused",
        f"accepting=2;;;0 {perfdata('backup')} {perfdata('mail1')} mail2_total=#s;;;0"
        " mx=#s;;;0 servers=3;;;0",
    )


# Names and addresses.


@pytest.mark.parametrize(
    ("arguments", "table", "state", "line"),
    [
        ((), {DOMAIN_MX: 3}, CRITICAL, "CRITICAL - no mail server at contoso.com: contoso.com does"
         " not exist (NXDOMAIN)"),
        (("--set", "any"), {DOMAIN_MX: 3}, CRITICAL, "CRITICAL - no mail server at contoso.com:"
         " contoso.com does not exist (NXDOMAIN)"),
        ((), {DOMAIN_MX: ["0 ."]}, CRITICAL, "CRITICAL - no mail server at contoso.com: contoso.com"
         " accepts no mail (null MX, RFC 7505)"),
    ],
)  # fmt: skip
def test_a_lookup_that_fails(servers, arguments, table, state, line):
    """There is no set then, and the lookup is all there is to judge."""
    servers.port = 25
    run = servers.check(table, *arguments)
    assert (run.exit_code, parts(run)[0]) == (state, f"MAILACCEPT {line}")


def test_a_domain_without_a_server_has_none(servers):
    """The graph says so."""
    servers.port = 25
    run = servers.check({DOMAIN_MX: ["0 ."]})
    assert parts(run)[1] == "accepting=0;;;0 mx=#s;;;0 servers=0;;;0 total=#s;;;0"


@pytest.mark.parametrize(
    ("arguments", "state"),
    [((), CRITICAL), (("--set", "any"), OK), (("--set", "primary"), WARNING)],
)
def test_a_host_without_an_address(servers, arguments, state):
    """It is a server that fails, and the others are tested all the same."""
    servers(PRIMARY, *ALL)
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "gone.contoso.com", None))
    run = servers.check(table, *arguments)
    names = ["OK", "WARNING", "CRITICAL"]
    assert (run.exit_code, *parts(run)) == (
        state,
        f"MAILACCEPT {names[state]} - 1 of 2 mail servers of contoso.com accept mail; no mail"
        " server at gone.contoso.com: gone.contoso.com has no address",
        f"accepting=1;;;0 gone_mx=#s;;;0 {perfdata('mail1')} mx=#s;;;0 servers=2;;;0",
    )


def test_every_address_of_every_host(servers):
    """Each is a server of its own, numbered where the name is the same."""
    for address in (PRIMARY, SECOND, BACKUP):
        servers(address, *ALL)
    table = zone((10, "mail1.contoso.com", None), (20, "mail2.contoso.com", BACKUP))
    table[("mail1.contoso.com.", "A")] = [SECOND, PRIMARY]
    run = servers.check(table, "--all-addresses")
    assert (run.exit_code, run.masked) == (
        OK,
        "MAILACCEPT OK - 3 of 3 mail servers of contoso.com accept mail for postmaster@contoso.com"
        f" in #s | {perfdata('mail1-1')} {perfdata('mail1-2')} accepting=3;;;0 {perfdata('mail2')}"
        " mx=#s;;;0 servers=3;;;0\n",
    )


def test_without_all_addresses_the_first_that_answers_counts(servers):
    """One message for each host, however many addresses it has."""
    server = servers(PRIMARY, *ALL)
    table = zone((10, "mail1.contoso.com", None))
    table[("mail1.contoso.com.", "A")] = [SECOND, PRIMARY]
    run = servers.check(table)
    assert (run.exit_code, server.connections) == (OK, 1)


def test_every_address_of_a_host(servers):
    """With ``-H``, too."""
    servers(PRIMARY, *ALL)
    servers(SECOND, *REFUSES)
    table = {("mail.contoso.com.", "A"): [PRIMARY, SECOND]}
    run = servers.check(
        table, "-H", "mail.contoso.com", "-r", "postmaster@contoso.com", "--all-addresses"
    )
    assert (run.exit_code, *parts(run)) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 1 of 2 mail servers of mail.contoso.com accept mail;"
        " mail.contoso.com refused RCPT postmaster@contoso.com: 550 5.1.1 User unknown",
        f"{perfdata('mail-1')} {perfdata('mail-2', 'data', 'message')} accepting=1;;;0"
        " servers=2;;;0",
    )


# Labels.


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["mail1.contoso.com", "mail2.contoso.com"], ["mail1", "mail2"]),
        (["mail.contoso.com", "mail.fabrikam.com"], ["mail-contoso-com", "mail-fabrikam-com"]),
        (["mail.contoso.com"] * 2, ["mail-1", "mail-2"]),
        (["mail.contoso.com", "mail.contoso.com", "mail.fabrikam.com"],
         ["mail-contoso-com-1", "mail-contoso-com-2", "mail-fabrikam-com"]),
        (["192.0.2.1"], ["host"]),
        (["192.0.2.1", "2001:db8::1"], ["host-1", "host-2"]),
        (["host.contoso.com", "192.0.2.1"], ["host-contoso-com", "host"]),
        (["mail"], ["mail"]),
        ([], []),
    ],
)  # fmt: skip
def test_labels(names, expected):
    """Short names where they are unique, never an address."""
    assert labels(names) == expected


def test_labels_never_clash():
    """Two servers with one label would be judged as one."""
    names = ("mail-1.contoso.com", "mail.contoso.com", "mail.contoso.com")
    found = labels(names)
    assert len(set(found)) == 3


def test_labels_never_break_a_graph():
    """Whatever names there are: no blank, no ``::``, no quote, no equals sign."""
    words = ("mail", "mail-1", "host", "mail-contoso-com", "a_b", "192.0.2.1", "2001:db8::1")
    names = [*words, *(f"{word}.contoso.com" for word in words[:5]), "mail.contoso.com"]
    for several in itertools.permutations(names, 3):
        found = labels(several)
        assert all(re.fullmatch(r"[A-Za-z0-9_-]+", label) for label in found), several


def test_the_labels_are_in_the_perfdata(servers):
    """Two hosts with the same short name."""
    servers(PRIMARY, *ALL)
    servers(SECOND, *ALL)
    table = zone((10, "mail.contoso.com", PRIMARY), (10, "mail.fabrikam.com", SECOND))
    run = servers.check(table)
    assert (run.exit_code, parts(run)[1]) == (
        OK,
        f"{perfdata('mail-contoso-com')} {perfdata('mail-fabrikam-com')} accepting=2;;;0 mx=#s;;;0"
        " servers=2;;;0",
    )


# Time.


def test_a_black_hole_does_not_eat_the_time_of_the_others(servers):
    """Tested side by side, they are done long before it is given up."""
    servers(SECOND, *ALL)
    servers(BACKUP, *ALL)
    servers.add(BlackHole(PRIMARY, servers.port))
    begun = time.monotonic()
    run = servers.check(THREE, "-t", "1.5")
    assert time.monotonic() - begun < 10
    assert (run.exit_code, *parts(run)) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 2 of 3 mail servers of contoso.com accept mail; mail1.contoso.com"
        " could not be connected within #s (127.0.0.2 port PORT)",
        f"accepting=2;;;0 {perfdata('backup')} mail1_connect=#s;;;0 mail1_total=#s;;;0"
        f" {perfdata('mail2')} mx=#s;;;0 servers=3;;;0",
    )
    totals = dict(re.findall(r"(\w+)_total=([0-9.]+)s", run.stdout))
    assert float(totals["mail2"]) < float(totals["mail1"])


def test_a_black_hole_does_not_keep_those_in_the_queue_from_their_turn(servers):
    """Tested one after the other, each gets its share of the time."""
    servers(SECOND, *ALL)
    servers(BACKUP, *ALL)
    servers.add(BlackHole(PRIMARY, servers.port))
    run = servers.check(THREE, "-t", "4.5", "--parallel", "1")
    assert (run.exit_code, parts(run)[0]) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 2 of 3 mail servers of contoso.com accept mail; mail1.contoso.com"
        " could not be connected within #s (127.0.0.2 port PORT)",
    )


def test_a_server_that_is_slow_does_not_keep_those_in_the_queue_from_their_turn(servers):
    """At whatever stage it is; without its turn, nothing would be known of the other."""
    # Who gives up says QUIT, and waits in vain for that as well.
    servers(PRIMARY, EHLO, (MAIL[0], b""), ("QUIT", SILENCE))
    servers(SECOND, *ALL)
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))
    run = servers.check(table, "-t", "6", "--parallel", "1", "--set", "any")
    assert run.exit_code == OK, run.stdout
    assert parts(run)[0].startswith(
        "MAILACCEPT OK - 1 of 2 mail servers of contoso.com accept mail; mail1.contoso.com did not"
        " answer MAIL within #s"
    )


def test_a_farewell_takes_no_time_of_those_in_the_queue(servers):
    """Three that are silent, at QUIT too, and one that waits for its turn."""
    addresses = [f"127.0.0.{number}" for number in range(2, 6)]
    for address in addresses[:3]:
        servers(address, EHLO, (MAIL[0], b""), ("QUIT", SILENCE))
    servers(addresses[3], *ALL)
    hosts = [(10, f"mail{at}.contoso.com", each) for at, each in enumerate(addresses)]
    run = servers.check(zone(*hosts), "-t", "6", "--parallel", "1", "--set", "any")
    assert run.exit_code == OK, run.stdout
    assert parts(run)[0].startswith("MAILACCEPT OK - 1 of 4 mail servers of contoso.com accept")


class Crowd:
    """Mail servers at several addresses that count how many clients are there at the same time.

    The first ``most`` clients are greeted when all of them are there.
    """

    def __init__(self, addresses: Sequence[str], most: int = 1) -> None:
        self.most = self.clients = self.messages = 0
        self._here = 0
        self._lock = threading.Lock()
        self._together = threading.Barrier(most)
        self._listeners: list[socket.socket] = []
        self._held = PortOfAll()
        self.port = self._held.number
        for address in addresses:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, self.port))
            listener.listen(8)
            self._listeners.append(listener)
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def close(self) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._held.close()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        with self._lock:
            self._here += 1
            self.clients += 1
            self.most = max(self.most, self._here)
            first = self.clients <= self._together.parties
        if first:
            self._together.wait(PATIENCE)
        replies = {b"EHLO": b"250 mail"}
        with connection, connection.makefile("rb") as lines:
            connection.sendall(BANNER)
            for line in lines:
                if line == b"QUIT\r\n":
                    break
                if line == b"DATA\r\n":
                    connection.sendall(b"354 Go\r\n")
                    while lines.readline() not in (b".\r\n", b""):
                        pass
                    with self._lock:
                        self.messages += 1
                connection.sendall(replies.get(line[:4], b"250 OK") + b"\r\n")
            # Before the last reply, for the client may leave, and the next one come, after it.
            with self._lock:
                self._here -= 1
            connection.sendall(b"221 Bye\r\n")


@pytest.mark.parametrize(("arguments", "most"), [(("--parallel", "1"), 1), (("--parallel", "3"), 3),
                                                 ((), 8)])  # fmt: skip
def test_not_more_at_the_same_time_than_allowed(servers, arguments, most):
    """Exchange counts the connections from one address, and refuses what is over its limit."""
    addresses = [f"127.0.0.{number}" for number in range(2, 10)]
    crowd = servers.add(Crowd(addresses, most))
    servers.port = crowd.port
    hosts = [(10, f"mail{number}.contoso.com", each) for number, each in enumerate(addresses)]
    run = servers.check(zone(*hosts), "--profile", "none", *arguments)
    assert (run.exit_code, crowd.most, crowd.clients) == (OK, most, 8), run.stdout


# What else goes with it.


def test_a_message_whose_fate_is_unknown_is_not_sent_again(servers):
    """One message for each server at most, whatever becomes of it."""
    lost = (ScriptedServer.MESSAGE, b"")
    first = servers(PRIMARY, *ALL[:4], lost)
    table = zone((10, "mail1.contoso.com", None))
    table[("mail1.contoso.com.", "A")] = [PRIMARY, SECOND]
    second = servers(SECOND, *ALL[:4], lost)
    run = servers.check(table)
    assert (run.exit_code, first.connections + second.connections) == (CRITICAL, 1)
    assert parts(run)[0] == (
        "MAILACCEPT CRITICAL - 0 of 1 mail server of contoso.com accept mail; mail1.contoso.com"
        " failed at the message: connection closed by the server"
    )


def test_until_rcpt(servers):
    """No mail is sent, and the first line does not say that it was."""
    for address in (PRIMARY, SECOND, BACKUP):
        servers(address, *UP_TO_RCPT)
    run = servers.check(THREE, "--until", "rcpt")
    numbers = [perfdata(label, "data", "message") for label in ("backup", "mail1", "mail2")]
    assert (run.exit_code, run.masked) == (
        OK,
        "MAILACCEPT OK - 3 of 3 mail servers of contoso.com pass every stage up to rcpt for"
        f" postmaster@contoso.com in #s | accepting=3;;;0 {' '.join(numbers)} mx=#s;;;0"
        " servers=3;;;0\n",
    )


def test_until_mx(servers):
    """Names and addresses are looked up, and nobody is connected."""
    server = servers(PRIMARY, *ALL)
    run = servers.check(THREE, "--until", "mx")
    assert (run.exit_code, server.connections) == (OK, 0)
    assert parts(run)[0] == "MAILACCEPT OK - 3 mail servers found for contoso.com in #s"


def test_until_mx_sees_a_host_without_an_address(servers):
    """Which no lookup of the MX records alone would show."""
    servers.port = 25
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "gone.contoso.com", None))
    run = servers.check(table, "--until", "mx")
    assert (run.exit_code, parts(run)[0]) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 1 of 2 mail servers of contoso.com found; no mail server at"
        " gone.contoso.com: gone.contoso.com has no address",
    )


TWO_ACCEPT = "2 of 2 mail servers of contoso.com accept mail for postmaster@contoso.com in #s"


@pytest.mark.parametrize(
    ("arguments", "state", "line"),
    [
        (("-w", "rcpt=1000:"), WARNING, "WARNING - mail1_rcpt took #s (outside range 1000:);"
         f" mail2_rcpt took #s (outside range 1000:); {TWO_ACCEPT}"),
        (("-c", "1000:"), CRITICAL, "CRITICAL - mail1_total took #s (outside range 1000:);"
         f" mail2_total took #s (outside range 1000:); {TWO_ACCEPT}"),
        (("-w", "rcpt=9", "-c", "9"), OK, f"OK - {TWO_ACCEPT}"),
        (("-w", "mx=1000:"), WARNING, "WARNING - mx took #s (outside range 1000:);"
         f" {TWO_ACCEPT}"),
    ],
)  # fmt: skip
def test_thresholds(servers, arguments, state, line):
    """They hold for each server, and ``mx`` for the lookup of the domain."""
    servers(PRIMARY, *ALL)
    servers(SECOND, *ALL)
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))
    run = servers.check(table, *arguments)
    assert (run.exit_code, parts(run)[0]) == (state, f"MAILACCEPT {line}")


@pytest.mark.parametrize("rule", ["worst", "any", "primary"])
def test_a_threshold_that_no_server_keeps(servers, rule):
    """It is violated as given, since none of them makes up for the others."""
    servers(PRIMARY, *ALL)
    servers(SECOND, *ALL)
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))
    run = servers.check(table, "--set", rule, "-c", "1000:")
    assert run.exit_code == CRITICAL
    assert parts(run)[0].startswith("MAILACCEPT CRITICAL - mail1_total took #s (outside range ")


LESS = ("EHLO .*", b"250-mail1.contoso.com Hello\r\n250-DSN\r\n250 XRDST\r\n")


@pytest.mark.parametrize(
    ("rule", "first", "second", "state"),
    [
        ("worst", LESS, EHLO, WARNING),
        ("any", LESS, EHLO, OK),
        ("any", EHLO, LESS, OK),
        ("any", LESS, LESS, WARNING),
        ("primary", LESS, EHLO, CRITICAL),
        ("primary", EHLO, LESS, WARNING),
    ],
)
def test_a_server_that_is_less_than_fine(servers, rule, first, second, state):
    """It does not count, if another is enough; that it accepts itself is not enough."""
    servers(PRIMARY, first, *ALL[1:])
    servers(SECOND, second, *ALL[1:])
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))
    severity = ("--severity", "extensions=critical") if rule == "primary" else ()
    run = servers.check(table, "--set", rule, "--require", "SIZE", *severity)
    assert run.exit_code == state, run.stdout


def test_a_slow_server_makes_up_for_one_that_fails(servers):
    """But not for its own slowness."""
    servers(PRIMARY, *REFUSES)
    servers(SECOND, *ALL)
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))
    run = servers.check(table, "--set", "any", "-w", "message=1000:")
    assert run.exit_code == WARNING


@pytest.mark.parametrize(
    ("arguments", "script", "state"),
    [
        ((), DEFERS, WARNING),
        (("--severity", "deferred=critical"), DEFERS, CRITICAL),
        (("--severity", "450=ok"), DEFERS, OK),
        (("--severity", "rcpt=ok"), REFUSES, OK),
        (("--severity", "5.1.1=unknown"), REFUSES, UNKNOWN),
        (("--severity", "5.1.1=unknown", "--set", "primary"), REFUSES, WARNING),
        (("--set", "primary"), DEFERS, WARNING),
        (("--set", "any"), DEFERS, OK),
    ],
)
def test_severity(servers, arguments, script, state):
    """First what the finding means, then how much the server counts."""
    servers(PRIMARY, *ALL)
    servers(SECOND, *script)
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))
    run = servers.check(table, *arguments)
    assert run.exit_code == state, run.stdout


# Output.


def test_what_counts_is_said_before_what_does_not(servers):
    """The first line tells which server gives the state, and the lines below tell its stages."""
    servers(PRIMARY, *REFUSES)
    servers(SECOND, *ALL)
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))
    run = servers.check(table, "--set", "any", "-c", "message=1000:")
    assert (run.exit_code, parts(run)[0]) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - mail2_message took #s (outside range 1000:); 1 of 2 mail servers of"
        f" contoso.com accept mail; {WORDS}",
    )
    lines = run.stdout.split("\n")
    assert lines[1].startswith("Meaning: What is out of range is the time that a stage took")
    (accepts,) = (at for at, line in enumerate(lines) if line.startswith("mail2.contoso.com "))
    assert lines[accepts + 1].startswith("  Stages at mail2.contoso.com ")


def test_the_first_line_has_the_failure_that_gives_the_state(servers):
    """What is broken before what may pass; where no server accepts, both are CRITICAL."""
    servers(PRIMARY, *DEFERS)
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))
    run = servers.check(table)
    assert (run.exit_code, parts(run)[0]) == (
        CRITICAL,
        "MAILACCEPT CRITICAL - 0 of 2 mail servers of contoso.com accept mail; mail1.contoso.com"
        " deferred RCPT postmaster@contoso.com: 450 4.2.0 Try again (and 1 more)",
    )
    assert run.stdout.split("\n")[1].startswith("mail1.contoso.com 127.0.0.2 (MX 10): ")
    run = servers.check(table, "--severity", "deferred=warning")
    assert run.exit_code == CRITICAL
    assert "accept mail; mail2.contoso.com could not be connected" in parts(run)[0]


def test_what_is_noticed_of_the_domain_is_told_of_a_set_too(servers):
    """That it has no MX record, say."""
    servers(PRIMARY, *ALL)
    run = servers.check({("contoso.com.", "A"): [PRIMARY]}, "-v")
    assert run.exit_code == OK
    note = "Note: contoso.com has no MX record and stands for itself (RFC 5321 5.1)"
    assert note in run.stdout.split("\n")


def test_a_domain_that_is_not_found_has_its_stage(servers):
    """As without --all-mx."""
    run = servers.check({DOMAIN_MX: 3})
    assert run.exit_code == CRITICAL
    assert re.search(r"\n  mx +#s  broken \(contoso.com does not exist", run.masked)


@pytest.mark.parametrize("number", [30, 70, 140])
def test_many_hosts_without_an_address_leave_room_for_words(servers, number):
    """They have but one stage, and its perfdata go when there is no room for them."""
    hosts = [(10, f"mailserver{at:03}.contoso.com", None) for at in range(number)]
    run = servers.check(zone(*hosts))
    assert (run.exit_code, len(run.stdout) <= 4096) == (CRITICAL, True)
    assert "Meaning: DNS names no address for the mail server of the domain" in run.stdout
    assert "Next step: Look up the MX and its A or AAAA record" in run.stdout
    labels_of = set(re.findall(r"[ ']([a-z0-9-]+_\w+)'?=", run.stdout))
    assert len(labels_of) in (0, number)


def test_a_finding_names_its_server(servers):
    """Which the words of it do not."""
    hello = ("EHLO .*", b"250 mail1.contoso.com\r\n")
    servers(PRIMARY, hello, QUIT, banner=b"220 ready\r\n")
    servers(SECOND, EHLO, QUIT)
    table = zone((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))
    run = servers.check(table, "--until", "ehlo")
    assert run.exit_code == WARNING
    assert parts(run)[0].startswith("MAILACCEPT WARNING - mail1.contoso.com: neither banner")


@pytest.mark.parametrize(
    ("until", "words"), [("mx", "found"), ("rcpt", "passed up to rcpt"), ("message", "accepts")]
)
def test_a_server_is_said_to_do_what_it_was_asked(servers, until, words):
    """Nobody accepts mail who was given none."""
    servers(PRIMARY, *(UP_TO_RCPT if until == "rcpt" else ALL))
    table = zone((10, "mail1.contoso.com", PRIMARY))
    run = servers.check(table, "--until", until, "-v")
    assert run.exit_code == OK
    assert f"mail1.contoso.com 127.0.0.2 (MX 10): {words}, #s" in run.masked


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize(
    ("arguments", "names"), [((), ["total"]), (("-w", "rcpt=9"), ["rcpt", "total"])]
)
def test_perfdata_of_many_servers_are_those_of_the_whole(servers, arguments, names, failing):
    """All in all no more than 4 KB, and the same labels whatever becomes of them."""
    addresses = [f"127.0.0.{number}" for number in range(2, 16)]
    if not failing:
        servers.port = servers.add(Crowd(addresses)).port
    hosts = [(10, f"mail-gateway{at:02}.contoso.com", each) for at, each in enumerate(addresses)]
    run = servers.check(zone(*hosts), "--profile", "none", *arguments)
    assert (run.exit_code, len(run.stdout) <= 4096) == (CRITICAL if failing else OK, True)
    labels_of = {f"mail-gateway{at:02}_{name}" for at in range(14) for name in names}
    reached = {each for each in labels_of if not (failing and each.endswith("_rcpt"))}
    assert set(re.findall(r"'([^']+)'=", run.stdout)) == reached
    assert set(re.findall(r" (\w+)=", run.stdout)) == {"accepting", "mx", "servers"}


def ten_that_fail(servers: Servers) -> dict[tuple[str, str], object]:
    """Ten servers that refuse at length."""
    words = b"550 5.7.1 " + b"Your message was refused for a reason that takes long to tell. " * 12
    refused = (REFUSED[0], words + b"\r\n")
    hosts = []
    for number in range(10):
        address = f"127.0.0.{number + 2}"
        servers(address, EHLO, MAIL, refused, QUIT)
        hosts.append((10 * number, f"mail{number}.a-long-name-of-a-host.contoso.com", address))
    return zone(*hosts)


@pytest.mark.parametrize("arguments", [(), ("-v",)])
def test_the_output_is_short_and_the_perfdata_are_whole(servers, arguments):
    """4 KB are what the guidelines of the plugins ask for, with ten servers that fail."""
    run = servers.check(ten_that_fail(servers), *arguments)
    assert run.exit_code == CRITICAL
    assert len(run.stdout) <= 4096
    labels_of = [f"mail{number}" for number in range(10)]
    assert parts(run)[1] == " ".join([
        "accepting=0;;;0",
        *(perfdata(label, "data", "message") for label in labels_of),
        "mx=#s;;;0 servers=10;;;0",
    ])  # fmt: skip
    assert re.search(r"\n\([0-9]+ more lines; -vv shows all\)\n\|", run.stdout)
    assert len(run.stdout.split("\n")[0]) < 300


def test_vv_shows_all(servers):
    """Then it may be as long as it wants: each transcript, and each line that was left out."""
    run = servers.check(ten_that_fail(servers), "-vv")
    assert run.exit_code == CRITICAL
    assert run.stdout.count("Transcript of mail") == 10
    assert "-vv shows all" not in run.stdout
