"""The plugin and the DNS: every way a domain can, or cannot, lead to a mail server.

Knot answers with authority for the zones below; a smtp-sink stands where a mail server is meant to
be.  All hosts are loopback addresses, told apart by their last octet.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from support.programs import find_program, free_port

#: Addresses in the zone: at these a server listens, at ``CLOSED`` none ever does.
OPEN = "127.0.0.2"
OPEN_TOO = "127.0.0.3"
CLOSED = "127.0.0.4"

MANY = 300

ZONE = f"""\
$ORIGIN mx.test.
$TTL 60
@             SOA   ns hostmaster 1 60 60 3600 60
              NS    ns
              MX    10 open
ns            A     127.0.0.1

open          A     {OPEN}
open-too      A     {OPEN_TOO}
closed        A     {CLOSED}
without-address TXT "no A, no AAAA"
alias         CNAME open
mail-v6       AAAA  ::1

; Domains
one           MX    10 open
backup        MX    10 closed
              MX    20 open
equal         MX    10 open
              MX    10 open-too
null          MX    0  .
to-alias      MX    10 alias
dangling      MX    10 does-not-exist
addressless   MX    10 without-address
implicit      A     {OPEN}
nothing       TXT   "no MX, no A, no AAAA"
v6            MX    10 mail-v6
""" + "".join(
    f"many MX {number} many-{number}\nmany-{number} A {CLOSED}\n" for number in range(MANY)
)

CONFIGURATION = """\
server:
    rundir: "{directory}/run"
    user: {user}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "{directory}/db"
template:
  - id: default
    storage: "{directory}/zones"
    file: "%s.zone"
    zonefile-sync: -1
zone:
  - domain: mx.test
  # Has no file: it cannot be loaded, and is answered with SERVFAIL.
  - domain: broken.test
"""


# In every test, so that "not connected" is the plugin's choice and not for want of a server.
pytestmark = pytest.mark.usefixtures("servers")

#: Perfdata of a walk up to RCPT.
WALKED = (
    "banner=#s;;;0 connect=#s;;;0 ehlo=#s;;;0 extensions=0;;;0 mail=#s;;;0 mx=#s;;;0 quit=#s;;;0 "
    "rcpt=#s;;;0 total=#s;;;0"
)
#: The lines of a walk up to RCPT through the smtp-sink at ``OPEN``.
STAGES = f"""\
Stages at open.mx.test ({OPEN} port #):
  mx #s  passed
  connect #s  passed
  banner #s  220 mx.test ESMTP
  ehlo #s  250 mx.test PIPELINING 8BITMIME AUTH PLAIN LOGIN XCLIENT NAME HELO XFORWARD NAME ADDR \
PROTO HELO ENHANCEDSTATUSCODES DSN
  mail #s  250 2.1.0 Ok
  rcpt #s  250 2.1.5 Ok
  quit #s  221 Bye
"""
NOTE = (
    "Note: neither banner, EHLO reply nor keywords show an Exchange server; a gateway may be in"
    " front\n"
)


def accepted(host, domain, note=""):
    """The whole output when a host takes the recipient; ``note`` ends the first line."""
    recipient = f"postmaster@{domain}.mx.test"
    return (
        f"MAILACCEPT OK - {host}.mx.test passed every stage up to rcpt for {recipient} in #s"
        f"{note} | {WALKED}\n"
    )


def without_server(name, reason, besides="", note=""):
    """The whole output when no server is found, and none is spoken to; ``besides`` is a line."""
    return (
        f"MAILACCEPT CRITICAL - no mail server at {name}: {reason}{note}\n"
        f"Meaning\nNext step\nRead\nStages at {name}:\n  mx #s  broken ({reason})\n{besides}"
        "Troubleshooting\n| mx=#s;;;0 total=#s;;;0\n"
    )


def shape(run) -> str:
    """The whole of stdout, with # for what differs from run to run, and without the diagnosis."""
    text = re.sub(r"\bport \d+", "port #", run.masked)
    text = re.sub(r"(?m)^( *)(Meaning|Next step|Read): .+$", r"\1\2", text)
    return re.sub(r"(?m)^(Troubleshooting), .+\n(?:  \d\. .+\n)+", r"\1\n", text)


class Knot(NamedTuple):
    """A Knot that serves the zones of this module."""

    address: str
    port: int

    def ask(self, domain, kind="MX", over=dns.query.udp):
        return over(dns.message.make_query(domain, kind), self.address, port=self.port, timeout=5)


@pytest.fixture(scope="session")
def knot(launch_for_session, server_directory):
    program = find_program("knotd", package="knot")
    directory = server_directory("knot")
    for name in ("run", "db", "zones"):
        (directory / name).mkdir()
    (directory / "zones" / "mx.test.zone").write_text(ZONE)
    port = free_port()
    configuration = directory / "knot.conf"
    user = f"{pwd.getpwuid(os.geteuid()).pw_name}:{grp.getgrgid(os.getegid()).gr_name}"
    configuration.write_text(CONFIGURATION.format(directory=directory, port=port, user=user))
    server = Knot("127.0.0.1", port)

    def is_loaded() -> bool:
        try:
            return server.ask("mx.test", "SOA").rcode() == dns.rcode.NOERROR
        except (OSError, dns.exception.Timeout):
            return False

    launch_for_session([program, "-c", str(configuration)], directory, port, ready=is_loaded)
    return server


@pytest.fixture
def smtp_port():
    """The one port on which the servers of a test listen."""
    return free_port("127.0.0.1", OPEN, OPEN_TOO, CLOSED, "::1")


@pytest.fixture
def servers(smtp_sink, smtp_port):
    """Mail servers at ``OPEN`` and ``OPEN_TOO``."""
    return [smtp_sink(host=host, port=smtp_port) for host in (OPEN, OPEN_TOO)]


@pytest.fixture
def check(run_plugin, knot, smtp_port):
    """Run the plugin for a domain, without sending mail."""

    def run(domain, *arguments):
        nameserver = f"{knot.address}:{knot.port}"
        return run_plugin(
            *("-d", domain, "-p", str(smtp_port), "--nameserver", nameserver),
            *("--until", "rcpt", "--profile", "none", "-t", "20"),
            *arguments,
        )

    return run


def test_mail_goes_to_the_domains_server(run_plugin, knot, servers, smtp_port, check_probe_message):
    run = run_plugin(
        *("-d", "mx.test", "-p", str(smtp_port), "--profile", "none"),
        *("--nameserver", f"{knot.address}:{knot.port}", "-r", "good"),
    )

    assert shape(run) == (
        "MAILACCEPT OK - open.mx.test accepted mail for good@mx.test in #s"
        " | banner=#s;;;0 connect=#s;;;0 data=#s;;;0 ehlo=#s;;;0 extensions=0;;;0 mail=#s;;;0"
        " message=#s;;;0 mx=#s;;;0 quit=#s;;;0 rcpt=#s;;;0 total=#s;;;0\n"
    )
    assert run.exit_code == 0
    (content,) = servers[0].mail()
    message = check_probe_message(content)
    assert message["X-Rcpt-Args"] == "<good@mx.test> NOTIFY=NEVER"
    assert servers[1].mail() == []


def test_backup_answers_for_a_better_one_that_refuses_connections(check):
    run = check("backup.mx.test")
    assert run.exit_code == 1
    assert shape(run) == (
        f"MAILACCEPT WARNING - better MX failed: closed.mx.test could not be connected: {CLOSED}"
        " port #: connection refused; open.mx.test passed every stage up to rcpt for"
        f" postmaster@backup.mx.test in #s\nMeaning\nNext step\nRead\n{STAGES}"
        f"MX: 10 closed.mx.test, 20 open.mx.test\n{NOTE}Troubleshooting\n| {WALKED}\n"
    )


def test_all_servers_of_equal_preference(check):
    run = check("equal.mx.test", "--all-mx")

    first, second = (
        " ".join(
            f"{quote}{host}_{stage}{quote}={'0' if stage == 'extensions' else '#s'};;;0"
            for stage in "banner connect ehlo extensions mail quit rcpt total".split()
        )
        # Perfdata labels are quoted where nagiosplugin thinks they must.
        for host, quote in (("open-too", "'"), ("open", ""))
    )
    assert shape(run) == (
        "MAILACCEPT OK - 2 of 2 mail servers of equal.mx.test pass every stage up to rcpt for "
        f"postmaster@equal.mx.test in #s | {first} accepting=2;;;0 mx=#s;;;0 {second} "
        "servers=2;;;0\n"
    )
    assert run.exit_code == 0


@pytest.mark.parametrize(
    ("domain", "host", "note"),
    [
        # Forbidden by RFC 5321 5.1, and followed by every mail server.
        ("to-alias", "alias", ""),
        # The implicit MX of the same section.
        ("implicit", "implicit", " (implicit.mx.test has no MX record)"),
        ("v6", "mail-v6", ""),
    ],
)
def test_a_domain_with_one_server(check, smtp_sink, smtp_port, domain, host, note):
    if domain == "v6":
        smtp_sink(host="::1", port=smtp_port)
    run = check(f"{domain}.mx.test")
    assert (run.exit_code, shape(run)) == (0, accepted(host, domain, note))


@pytest.mark.parametrize(
    ("domain", "host", "reason", "besides", "note"),
    [
        ("null.mx.test", "", "null.mx.test accepts no mail (null MX, RFC 7505)", "", ""),
        ("dangling.mx.test", "does-not-exist.mx.test",
         "does-not-exist.mx.test does not exist (NXDOMAIN)",
         "MX: 10 does-not-exist.mx.test\n", ""),
        ("addressless.mx.test", "without-address.mx.test",
         "without-address.mx.test has no address", "MX: 10 without-address.mx.test\n", ""),
        ("nothing.mx.test", "", "nothing.mx.test has no address",
         "Note: nothing.mx.test has no MX record, so mail goes to its own address (RFC 5321 5.1)\n",
         " (nothing.mx.test has no MX record)"),
        ("nowhere.mx.test", "", "nowhere.mx.test does not exist (NXDOMAIN)", "", ""),
        ("broken.test", "", "SERVFAIL from {knot} port #", "", ""),
    ],
)  # fmt: skip
def test_a_domain_without_a_server(check, knot, domain, host, reason, besides, note):
    run = check(domain)
    reason = reason.format(knot=knot.address)
    assert (run.exit_code, shape(run)) == (2, without_server(host or domain, reason, besides, note))


def test_zone_the_server_is_not_responsible_for(check, knot):
    """The answer says nothing of the domain, only that this was the wrong server to ask."""
    assert knot.ask("elsewhere.test").rcode() == dns.rcode.REFUSED

    run = check("elsewhere.test")

    reason = f"no name server answered: REFUSED from {knot.address} port #"
    assert shape(run) == (
        f"MAILACCEPT UNKNOWN - could not look up elsewhere.test: {reason}\nMeaning\nNext step\n"
        f"Stages at elsewhere.test:\n  mx #s  untested ({reason})\nTroubleshooting\n"
        "| mx=#s;;;0 total=#s;;;0\n"
    )
    assert run.exit_code == 3


def test_answer_too_long_for_udp(check, knot):
    """All servers are learnt, though the answer must be fetched by TCP."""
    short = knot.ask("many.mx.test")
    assert short.flags & dns.flags.TC
    (whole,) = knot.ask("many.mx.test", over=dns.query.tcp).answer
    assert len(whole) == MANY

    run = check("many.mx.test", "--until", "mx")

    assert shape(run) == (
        f"MAILACCEPT OK - {MANY} mail servers found in #s | mx=#s;;;0 total=#s;;;0\n"
    )
    assert run.exit_code == 0
