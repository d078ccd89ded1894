"""All servers of a domain at once: ``--all-mx``, ``--all-addresses``, ``--set`` and ``--parallel``.

Through the plugin as a process, against a small name server and scripted mail servers at several
loopback addresses with one port.  Numbers of seconds are masked as ``#s``.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

import pytest
from support.names import mx
from support.plugin import (
    ALL,
    BANNER,
    EHLO,
    MAIL,
    QUIT,
    RCPT,
    RSET,
    TROUBLESHOOTING,
    PluginRun,
    run_plugin,
)
from support.scripts import MESSAGE, SILENCE, Manners, Servers, Step
from support.smtp import PATIENCE, BlackHole, PortOfAll, Server, Talk

from exchange_mailaccept.run.server_set import labels

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


PRIMARY, SECOND, BACKUP = "127.0.0.2", "127.0.0.3", "127.0.0.4"
#: Two servers of the same preference and one behind them.
THREE = mx(
    (10, "mail1.contoso.com", PRIMARY),
    (10, "mail2.contoso.com", SECOND),
    (20, "backup.contoso.com", BACKUP),
)
TWO = mx((10, "mail1.contoso.com", PRIMARY), (20, "mail2.contoso.com", SECOND))


class Domain:
    """Mail servers at several addresses with one port, and the name server that leads to them."""

    def __init__(self, serve: Servers, names: Callable[..., tuple[str, str]]) -> None:
        self._serve = serve
        self._names = names
        self._others: list[Any] = [PortOfAll()]
        self.port: int = self._others[0].number

    def __call__(self, address: str, *script: Step, banner: bytes = BANNER) -> Server:
        return self._serve(banner, *script, host=address, port=self.port)

    def black_hole(self, address: str) -> None:
        self._others.append(BlackHole(address, self.port))

    def accepting(self, addresses: Sequence[str], manners: Manners) -> None:
        for address in addresses:
            self._serve(manners, host=address, port=self.port)

    def check(self, table: Mapping[tuple[str, str], object], *arguments: str) -> PluginRun:
        """Run the plugin; ports do not appear in what comes back."""
        target = () if "-H" in arguments else ("-d", "contoso.com", "--all-mx")
        run = run_plugin(
            *(*target, "-p", str(self.port), *self._names(table)),
            *("-F", "probe.client.example", *arguments),
        )
        assert run.stderr == ""
        return run._replace(stdout=run.stdout.replace(f"port {self.port}", "port PORT"))

    def close(self) -> None:
        for other in self._others:
            other.close()


@pytest.fixture
def servers(serve, names) -> Iterator[Domain]:
    """Servers that must hear just what is in their scripts."""
    domain = Domain(serve, names)
    yield domain
    domain.close()


def parts(run: PluginRun) -> tuple[str, str]:
    """The result and the perfdata, wherever they stand."""
    return run.result, " ".join(run.masked.partition("|")[2].split())


# Rules.


def test_all_servers_accept(servers):
    """One line that counts them, each server's own perfdata, and one message for each."""
    mail = [servers(address, *ALL) for address in (PRIMARY, SECOND, BACKUP)]
    run = servers.check(THREE)
    assert (run.exit_code, run.masked) == (
        OK,
        "MAILACCEPT OK - 3 of 3 mail servers of contoso.com accept mail for postmaster@contoso.com"
        " in #s | accepting=3;;;0"
        f" {perfdata('backup')} {perfdata('mail1')} {perfdata('mail2')} mx=#s;;;0 servers=3;;;0\n",
    )
    assert [server.connections for server in mail] == [1, 1, 1]
    assert [server.heard.count(b".\r\n") for server in mail] == [1, 1, 1]


WORDS = "mail1.contoso.com refused RCPT postmaster@contoso.com: 550 5.1.1 User unknown"


@pytest.mark.parametrize(
    ("rule", "failing", "result"),
    [
        ("any", {PRIMARY, SECOND},
         f"OK - 1 of 3 mail servers of contoso.com accept mail; {WORDS} (and 1 more)"),
        ("primary", {BACKUP}, "WARNING - 2 of 3 mail servers of contoso.com accept mail;"
         f" {WORDS.replace('mail1', 'backup')}"),
        ("primary", {PRIMARY, SECOND},
         f"CRITICAL - 1 of 3 mail servers of contoso.com accept mail; {WORDS} (and 1 more)"),
    ],
)  # fmt: skip
def test_the_rule_decides(servers, rule, failing, result):
    for address in (PRIMARY, SECOND, BACKUP):
        servers(address, *(REFUSES if address in failing else ALL))
    assert servers.check(THREE, "--set", rule).result == result


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


# Names and addresses.


def test_a_lookup_that_fails(servers):
    """There is no set then, and the lookup is all there is to judge."""
    servers.port = 25
    run = servers.check({DOMAIN_MX: ["0 ."]}, "--set", "any")
    assert parts(run) == (
        "CRITICAL - no mail server at contoso.com: contoso.com accepts no mail (null MX, RFC 7505)",
        "accepting=0;;;0 mx=#s;;;0 servers=0;;;0 total=#s;;;0",
    )
    assert re.search(r"\n  mx +#s  broken \(contoso.com accepts no mail", run.masked)


def test_a_host_without_an_address(servers):
    """It is a server that fails, and the others are tested all the same."""
    servers(PRIMARY, *ALL)
    table = mx((10, "mail1.contoso.com", PRIMARY), (20, "gone.contoso.com", None))
    assert parts(servers.check(table)) == (
        "CRITICAL - 1 of 2 mail servers of contoso.com accept mail; no mail server at"
        " gone.contoso.com: gone.contoso.com has no address",
        f"accepting=1;;;0 gone_mx=#s;;;0 {perfdata('mail1')} mx=#s;;;0 servers=2;;;0",
    )


def test_every_address_of_every_host(servers):
    """Each is a server of its own, numbered where the name is the same."""
    for address in (PRIMARY, SECOND, BACKUP):
        servers(address, *ALL)
    table = mx((10, "mail1.contoso.com", None), (20, "mail2.contoso.com", BACKUP))
    table[("mail1.contoso.com.", "A")] = [SECOND, PRIMARY]
    run = servers.check(table, "--all-addresses")
    assert (run.exit_code, run.masked) == (
        OK,
        "MAILACCEPT OK - 3 of 3 mail servers of contoso.com accept mail for postmaster@contoso.com"
        f" in #s | {perfdata('mail1-1')} {perfdata('mail1-2')} accepting=3;;;0 {perfdata('mail2')}"
        " mx=#s;;;0 servers=3;;;0\n",
    )


def test_every_address_of_a_host(servers):
    """With ``-H``, too."""
    servers(PRIMARY, *ALL)
    servers(SECOND, *REFUSES)
    table = {("mail.contoso.com.", "A"): [PRIMARY, SECOND]}
    run = servers.check(
        table, "-H", "mail.contoso.com", "-r", "postmaster@contoso.com", "--all-addresses"
    )
    assert parts(run) == (
        "CRITICAL - 1 of 2 mail servers of mail.contoso.com accept mail;"
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


def test_labels_never_break_a_graph():
    """Whatever names there are: no blank, no ``::``, no quote, no equals sign."""
    words = ("mail", "mail-1", "host", "mail-contoso-com", "a_b", "192.0.2.1", "2001:db8::1")
    names = [*words, *(f"{word}.contoso.com" for word in words[:5]), "mail.contoso.com"]
    for several in itertools.permutations(names, 3):
        unique = labels(several)
        assert all(re.fullmatch(r"[A-Za-z0-9_-]+", label) for label in unique), several
        assert len(set(unique)) == 3, several


# Time.


def test_a_black_hole_does_not_eat_the_time_of_the_others(servers):
    """Tested side by side, they are done long before it is given up."""
    servers(SECOND, *ALL)
    servers(BACKUP, *ALL)
    servers.black_hole(PRIMARY)
    run = servers.check(THREE, "-t", "5")
    assert parts(run) == (
        "CRITICAL - 2 of 3 mail servers of contoso.com accept mail; mail1.contoso.com"
        " could not be connected within #s (127.0.0.2 port PORT)",
        f"accepting=2;;;0 {perfdata('backup')} mail1_connect=#s;;;0 mail1_total=#s;;;0"
        f" {perfdata('mail2')} mx=#s;;;0 servers=3;;;0",
    )
    totals = dict(re.findall(r"(\w+)_total=([0-9.]+)s", run.stdout))
    assert float(totals["mail2"]) < float(totals["mail1"])


def test_a_server_that_is_slow_does_not_keep_those_in_the_queue_from_their_turn(servers):
    """At whatever stage it is; without its turn, nothing would be known of the other."""
    # Who gives up says QUIT, and waits in vain for that as well.
    servers(PRIMARY, EHLO, (MAIL[0], b""), ("QUIT", SILENCE))
    servers(SECOND, *ALL)
    run = servers.check(TWO, "-t", "6", "--parallel", "1", "--set", "any")
    assert run.result.startswith(
        "OK - 1 of 2 mail servers of contoso.com accept mail; mail1.contoso.com did not"
        " answer MAIL within #s"
    )


def test_a_farewell_takes_no_time_of_those_in_the_queue(servers):
    """Three that are silent, at QUIT too, and one that waits for its turn."""
    addresses = [f"127.0.0.{number}" for number in range(2, 6)]
    for address in addresses[:3]:
        servers(address, EHLO, (MAIL[0], b""), ("QUIT", SILENCE))
    servers(addresses[3], *ALL)
    hosts = [(10, f"mail{at}.contoso.com", address) for at, address in enumerate(addresses)]
    run = servers.check(mx(*hosts), "-t", "6", "--parallel", "1", "--set", "any")
    assert run.result.startswith("OK - 1 of 4 mail servers of contoso.com accept")


class Crowd:
    """Counts how many clients are there at the same time; greets the first when all are there."""

    def __init__(self, first: int) -> None:
        self.most = self.clients = self._here = 0
        self._lock = threading.Lock()
        self._together = threading.Barrier(first)

    @property
    def manners(self) -> Manners:
        return Manners(banner=BANNER, at={"": self._come, "QUIT": self._go})

    def _come(self, _: Talk) -> None:
        with self._lock:
            self._here += 1
            self.clients += 1
            self.most = max(self.most, self._here)
            first = self.clients <= self._together.parties
        if first:
            self._together.wait(PATIENCE)

    def _go(self, _: Talk) -> None:
        # Before the last reply, for the client may leave, and the next one come, after it.
        with self._lock:
            self._here -= 1


@pytest.mark.parametrize(("arguments", "most"), [(("--parallel", "3"), 3), ((), 8)])
def test_not_more_at_the_same_time_than_allowed(servers, arguments, most):
    """Exchange counts the connections from one address, and refuses what is over its limit."""
    addresses = [f"127.0.0.{number}" for number in range(2, 10)]
    crowd = Crowd(most)
    servers.accepting(addresses, crowd.manners)
    hosts = [(10, f"mail{number}.contoso.com", address) for number, address in enumerate(addresses)]
    run = servers.check(mx(*hosts), "--profile", "none", *arguments)
    assert (run.exit_code, crowd.most, crowd.clients) == (OK, most, 8), run.stdout


# What else goes with it.


def test_a_message_whose_fate_is_unknown_is_not_sent_again(servers):
    lost = (MESSAGE, b"")
    first = servers(PRIMARY, *ALL[:4], lost)
    table = mx((10, "mail1.contoso.com", None))
    table[("mail1.contoso.com.", "A")] = [PRIMARY, SECOND]
    second = servers(SECOND, *ALL[:4], lost)
    run = servers.check(table)
    assert (run.exit_code, first.connections + second.connections) == (CRITICAL, 1)
    assert run.result == (
        "CRITICAL - 0 of 1 mail server of contoso.com accept mail; mail1.contoso.com"
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


TWO_ACCEPT = "2 of 2 mail servers of contoso.com accept mail for postmaster@contoso.com in #s"


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (("-w", "rcpt=1000:"), "WARNING - mail1_rcpt took #s (outside range 1000:); mail2_rcpt took"
         f" #s (outside range 1000:); {TWO_ACCEPT}"),
        (("-w", "mx=1000:"), f"WARNING - mx took #s (outside range 1000:); {TWO_ACCEPT}"),
        (("-w", "rcpt=9", "-c", "9"), f"OK - {TWO_ACCEPT}"),
    ],
)  # fmt: skip
def test_thresholds(servers, arguments, result):
    """They hold for each server, and ``mx`` for the lookup of the domain."""
    servers(PRIMARY, *ALL)
    servers(SECOND, *ALL)
    assert servers.check(TWO, *arguments).result == result


LESS = ("EHLO .*", b"250-mail1.contoso.com Hello\r\n250-DSN\r\n250 XRDST\r\n")


@pytest.mark.parametrize(
    ("rule", "first", "second", "state"),
    [
        ("worst", LESS, EHLO, WARNING),
        ("any", LESS, EHLO, OK),
        ("any", LESS, LESS, WARNING),
        ("primary", LESS, EHLO, CRITICAL),
        ("primary", EHLO, LESS, WARNING),
    ],
)
def test_a_server_that_is_less_than_fine(servers, rule, first, second, state):
    """It does not count, if another is enough; that it accepts itself is not enough."""
    servers(PRIMARY, first, *ALL[1:])
    servers(SECOND, second, *ALL[1:])
    severity = ("--severity", "extensions=critical") if rule == "primary" else ()
    run = servers.check(TWO, "--set", rule, "--require", "SIZE", *severity)
    assert run.exit_code == state, run.stdout


def test_a_slow_server_makes_up_for_one_that_fails(servers):
    """But not for its own slowness."""
    servers(PRIMARY, *REFUSES)
    servers(SECOND, *ALL)
    run = servers.check(TWO, "--set", "any", "-w", "message=1000:")
    assert run.exit_code == WARNING


@pytest.mark.parametrize(("rule", "state"), [("worst", UNKNOWN), ("primary", WARNING)])
def test_severity(servers, rule, state):
    servers(PRIMARY, *ALL)
    servers(SECOND, *REFUSES)
    run = servers.check(TWO, "--severity", "5.1.1=unknown", "--set", rule)
    assert run.exit_code == state, run.stdout


# Output.


def test_what_counts_is_said_before_what_does_not(servers):
    """The first line tells which server gives the state, and the lines below tell its stages."""
    servers(PRIMARY, *REFUSES)
    servers(SECOND, *ALL)
    run = servers.check(TWO, "--set", "any", "-c", "message=1000:")
    assert run.result == (
        "CRITICAL - mail2_message took #s (outside range 1000:); 1 of 2 mail servers of"
        f" contoso.com accept mail; {WORDS}"
    )
    lines = run.stdout.split("\n")
    assert lines[1].startswith("Meaning: A stage, or the whole run, took longer or shorter than")
    (accepts,) = (at for at, line in enumerate(lines) if line.startswith("mail2.contoso.com "))
    assert lines[accepts + 1].startswith("  Stages at mail2.contoso.com ")


def test_the_first_line_has_the_failure_that_gives_the_state(servers):
    """What is broken before what may pass; where no server accepts, both are CRITICAL."""
    servers(PRIMARY, *DEFERS)
    run = servers.check(TWO)
    assert run.result == (
        "CRITICAL - 0 of 2 mail servers of contoso.com accept mail; mail1.contoso.com"
        " deferred RCPT postmaster@contoso.com: 450 4.2.0 Try again (and 1 more)"
    )
    assert run.stdout.split("\n")[1].startswith("mail1.contoso.com 127.0.0.2 (MX 10): ")
    run = servers.check(TWO, "--severity", "deferred=warning")
    assert run.exit_code == CRITICAL
    assert "accept mail; mail2.contoso.com could not be connected" in run.result


@pytest.mark.parametrize("number", [30, 140])
def test_many_hosts_without_an_address_leave_room_for_words(servers, number):
    """They have but one stage, and its perfdata go when there is no room for them."""
    hosts = [(10, f"mailserver{at:03}.contoso.com", None) for at in range(number)]
    run = servers.check(mx(*hosts))
    assert (run.exit_code, len(run.stdout) <= 4096) == (CRITICAL, True)
    assert "Meaning: DNS names no address for the mail server of the domain" in run.stdout
    assert "Next step: Look up the MX and its A or AAAA record" in run.stdout
    labels_of = set(re.findall(r"[ ']([a-z0-9-]+_\w+)'?=", run.stdout))
    assert len(labels_of) in (0, number)


def test_a_finding_names_its_server(servers):
    hello = ("EHLO .*", b"250 mail1.contoso.com\r\n")
    servers(PRIMARY, hello, QUIT, banner=b"220 ready\r\n")
    servers(SECOND, EHLO, QUIT)
    run = servers.check(TWO, "--until", "ehlo")
    assert run.result.startswith("WARNING - mail1.contoso.com: neither banner")


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize(
    ("arguments", "stages"), [((), ["total"]), (("-w", "rcpt=9"), ["rcpt", "total"])]
)
def test_perfdata_of_many_servers_are_those_of_the_whole(servers, arguments, stages, failing):
    """All in all no more than 4 KB, and the same labels whatever becomes of them."""
    addresses = [f"127.0.0.{number}" for number in range(2, 16)]
    if not failing:
        servers.accepting(addresses, Manners())
    hosts = [
        (10, f"mail-gateway{at:02}.contoso.com", address) for at, address in enumerate(addresses)
    ]
    run = servers.check(mx(*hosts), "--profile", "none", *arguments)
    assert (run.exit_code, len(run.stdout) <= 4096) == (CRITICAL if failing else OK, True)
    labels_of = {f"mail-gateway{at:02}_{name}" for at in range(14) for name in stages}
    reached = {label for label in labels_of if not (failing and label.endswith("_rcpt"))}
    assert set(re.findall(r"'([^']+)'=", run.stdout)) == reached
    assert set(re.findall(r" (\w+)=", run.stdout)) == {"accepting", "mx", "servers"}


def ten_that_fail(servers: Domain) -> dict[tuple[str, str], object]:
    """Ten servers that refuse at length."""
    words = b"550 5.7.1 " + b"Your message was refused for a reason that takes long to tell. " * 12
    refused = (REFUSED[0], words + b"\r\n")
    hosts = []
    for number in range(10):
        address = f"127.0.0.{number + 2}"
        servers(address, EHLO, MAIL, refused, QUIT)
        hosts.append((10 * number, f"mail{number}.a-long-name-of-a-host.contoso.com", address))
    return mx(*hosts)


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
