"""Several sessions with a server (``--connections``): every node behind a balancer is met.

With ``--parallel 1`` one session comes after another, so that each has its place in the script.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest
from support.names import mx
from support.plugin import (
    ALL,
    BANNER,
    CRITICAL,
    DATA,
    EHLO,
    MAIL,
    MESSAGE,
    OK,
    QUIT,
    RCPT,
    RSET,
    WARNING,
    check,
    run_plugin,
)
from support.scripts import Manners, Play, Talk, script, smtp
from support.smtp import PortOfAll

UP_TO_RCPT = (EHLO, MAIL, RCPT, RSET, QUIT)
INACTIVE = b"421 4.3.2 Service not active\r\n"
IN_TURN = ("--parallel", "1")
TAKEN = "127.0.0.1 accepted mail for postmaster@contoso.com in #s"
REFUSED = "127.0.0.1 refused the connection: 421 4.3.2 Service not active"


def banner(node: str) -> bytes:
    return f"220 {node}.contoso.com Microsoft ESMTP MAIL Service ready\r\n".encode()


def balancer(*plays: Play) -> Play:
    """One node after another, and then again."""
    turns = itertools.cycle(plays)
    return lambda talk: next(turns)(talk)


def hangs_up(_: Talk) -> None:
    """As a balancer does that finds nobody behind it."""


def test_the_nodes_are_seen_by_their_greetings(serve):
    """The first session sends the message, the others end at RCPT."""
    nodes = [script(banner("mail1"), *ALL)]
    nodes += [script(banner(node), *UP_TO_RCPT) for node in ("mail2", "mail1", "mail3")]
    run = check(serve(balancer(*nodes)), "--connections", "4", *IN_TURN, "-v")
    assert run.result == (
        f"OK - {TAKEN} (Exchange 2019/SE; queued on mbx01.contoso.com as ID;"
        " nodes seen in 4 connections: mail1 2, mail2 1, mail3 1)"
    )
    assert "\nConnection 4: mail3.contoso.com, passed, " in run.stdout


def test_one_node_is_seen_behind_a_balancer_with_affinity(serve):
    nodes = [script(banner("mail1"), *ALL), script(banner("mail1"), *UP_TO_RCPT)]
    run = check(serve(balancer(*nodes)), "--connections", "2", *IN_TURN)
    assert run.exit_code == OK
    assert run.first_line.endswith("; one node seen in 2 connections: mail1 2)")


LOADED = (MAIL[0], b"452 4.3.1 Insufficient\r\n")
STRANGE = (RCPT[0], b"550 5.1.1 Unknown\r\n")


@pytest.mark.parametrize(
    ("place", "node", "words"),
    [
        (0, script(INACTIVE, QUIT), REFUSED),
        (1, script(INACTIVE, QUIT), REFUSED),
        (2, hangs_up, "127.0.0.1 sent no SMTP greeting: connection closed by the server"),
        (0, script(banner("mail2"), EHLO, LOADED, QUIT),
         "127.0.0.1 deferred MAIL ExMFA-MailAcceptTest@Fabrikam.com: 452 4.3.1 Insufficient"
         " (node mail2)"),
        (1, script(banner("mail2"), EHLO, MAIL, STRANGE, QUIT),
         "127.0.0.1 refused RCPT postmaster@contoso.com: 550 5.1.1 Unknown (node mail2)"),
    ],
)  # fmt: skip
def test_some_connections_fail(serve, place, node, words):
    """Wherever the node stands, the message goes to the first that takes the recipient."""
    nodes = [script(banner("mail1"), *ALL), script(banner("mail1"), *UP_TO_RCPT)]
    nodes.insert(place, node)
    server = serve(balancer(*nodes))
    run = check(server, "--connections", "3", *IN_TURN)
    seen = "mail1 2, mail2 1" if "node" in words else "mail1 2"
    assert run.result.startswith(
        f"WARNING - 1 of 3 connections to 127.0.0.1 failed; nodes seen: {seen}; {words};"
        " 127.0.0.1 accepted mail for "
    )
    assert "\nMeaning: One of the servers behind this name fails or is slow" in run.stdout
    assert server.heard.count(b"DATA\r\n") == 1


@pytest.mark.parametrize(("state", "code"), [("critical", CRITICAL), ("ok", OK)])
def test_the_state_of_a_node_is_for_the_user_to_say(serve, state, code):
    server = serve(balancer(script(BANNER, *ALL), script(INACTIVE, QUIT)))
    run = check(server, "--connections", "2", *IN_TURN, "--severity", f"node={state}")
    assert run.exit_code == code
    assert "1 of 2 connections to 127.0.0.1 failed" in run.first_line


def test_all_connections_fail_as_a_single_one_does(serve):
    run = check(serve(script(INACTIVE, QUIT)), "--connections", "3")
    assert run.result == f"CRITICAL - {REFUSED}"


def test_a_failure_after_rcpt_is_no_matter_of_nodes(serve):
    """The other sessions do not come so far."""
    proxy = (DATA[0], b"451 4.7.0 Temporary server error. Please try again later. PRX3\r\n")
    first = script(banner("mail1"), EHLO, MAIL, RCPT, proxy, QUIT)
    server = serve(balancer(first, script(banner("mail2"), *UP_TO_RCPT)))
    run = check(server, "--connections", "2", *IN_TURN)
    assert run.result == (
        "CRITICAL - 127.0.0.1 deferred DATA: 451 4.7.0 Temporary server error. Please"
        " try again later. PRX3"
    )


@pytest.mark.parametrize(
    "reply",
    [
        b"421 4.3.2 The maximum number of concurrent server connections has exceeded a per-source"
        b" limit, closing transmission channel\r\n",
        b"421 4.7.0 mx.test Error: too many connections from 127.0.0.1\r\n",
    ],
)
def test_too_many_connections_are_no_failure_of_a_node(serve, reply):
    server = serve(balancer(script(banner("mail1"), *ALL), script(reply, QUIT)))
    run = check(server, "--connections", "2", *IN_TURN, "-v")
    assert run.exit_code == OK
    assert run.first_line.endswith("; one node seen in 1 connection: mail1 1)")
    assert "(not tested)\n" in run.stdout


def test_a_silent_node_does_not_keep_the_others_from_being_tested(serve):
    """They are tested at the same time."""

    def silent(talk: Talk) -> None:
        talk.wait()

    server = serve(balancer(silent, smtp(Manners()), smtp(Manners())))
    run = check(server, "--connections", "3", "--profile", "none", "-t", "3")
    assert run.result.startswith(
        "WARNING - 1 of 3 connections to 127.0.0.1 failed; nodes seen: mx 2;"
        " 127.0.0.1 sent no greeting within #s; 127.0.0.1 accepted mail for"
    )


def late(_: Talk) -> bool:
    """Say nothing for a while."""
    time.sleep(0.5)
    return True


SLOW = Manners(banner=banner("mail2"), at={"": late})
FAST = Manners(banner=banner("mail1"))


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        (("-w", "banner=0.4", "-c", "banner=0.45"), "CRITICAL"),
        (("-w", "banner=30", "-c", "mail=30"), "OK"),
    ],
)
def test_a_node_that_is_slow(serve, limits, state):
    """Thresholds are for each session, and the numbers are those of the one with the message."""
    server = serve(balancer(smtp(FAST), smtp(SLOW)))
    run = check(server, "--connections", "2", *IN_TURN, "--profile", "none", *limits)
    words = (
        "1 of 2 connections to 127.0.0.1 slow; nodes seen: mail1 1, mail2 1; banner took #s"
        " (outside range 0:0.4"
    )
    line = run.first_line
    assert line.startswith(f"MAILACCEPT {state} - ")
    assert (words in line, "(node mail2); 127.0.0.1 accepted mail" in line) == (
        (state != "OK",) * 2
    )


class Crowd:
    """Counts the sessions that are in progress at the same time."""

    def __init__(self, size: int) -> None:
        self.most = self._now = 0
        self._lock = threading.Lock()
        self._full = threading.Barrier(size, timeout=10)

    def __call__(self, talk: Talk) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        # No session gets on before there are as many as are meant to be.
        self._full.wait()
        talk.tell(b"220 mx.test ESMTP\r\n")
        while (command := talk.line()) != b"QUIT":
            verb = command[:4]
            if verb == b"DATA":
                talk.tell(b"354 Go on\r\n")
                talk.message()
            if verb == b"MAIL":
                with self._lock:
                    self._now -= 1
            talk.tell(b"250 Ok\r\n")
        talk.tell(b"221 Bye\r\n")


@pytest.mark.parametrize(
    ("number", "parallel", "most"), [(15, (), 10), (6, ("--parallel", "3"), 3)]
)
def test_as_many_connections_at_once_as_is_allowed(serve, number, parallel, most):
    """One message is sent, whoever is first."""
    crowd = Crowd(1 if number == 15 else most)
    server = serve(crowd)
    run = check(server, "--connections", str(number), *parallel, "--profile", "none")
    assert (run.exit_code, server.connections) == (OK, number)
    assert crowd.most <= most
    assert server.heard.count(b"DATA\r\n") == 1


# Together with other options.


def test_up_to_rcpt_no_mail_is_sent_by_any(serve):
    server = serve(script(banner("mail1"), *UP_TO_RCPT))
    run = check(server, "--connections", "2", "--until", "rcpt")
    assert run.exit_code == OK
    assert run.first_line.endswith("; one node seen in 2 connections: mail1 2)")


def test_only_one_session_asks_for_what_must_be_refused(serve):
    refused = (
        "RCPT TO:<a@adatum[.]com> NOTIFY=NEVER",
        b"550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain\r\n",
    )
    first = (EHLO, MAIL, RCPT, DATA, MESSAGE, MAIL, refused, RSET, QUIT)
    server = serve(balancer(script(BANNER, *first), script(BANNER, *UP_TO_RCPT)))
    run = check(server, "--connections", "2", *IN_TURN, "--refuse", "a@adatum.com")
    assert run.exit_code == OK


@pytest.mark.parametrize(("profile", "code"), [("2019", OK), ("exmfa", WARNING)])
def test_the_keywords_are_those_of_the_session_with_the_message(serve, profile, code):
    server = serve(balancer(script(BANNER, *ALL), script(BANNER, *UP_TO_RCPT)))
    run = check(server, "--connections", "2", *IN_TURN, "--profile", profile)
    assert run.exit_code == code


def test_each_connection_is_secured(serve, certificates):
    server = serve(Manners(context=certificates.good.context()))
    trusted = ("-S", "--verify", "--ca-file", certificates.authority.file)
    run = check(server, "--connections", "3", *trusted, "--profile", "none")
    assert (run.exit_code, server.connections) == (OK, 3)
    assert server.heard.count(b"STARTTLS\r\n") == 3
    assert server.heard.count(b"DATA\r\n") == 1


THREE = mx(
    (10, "mail1.contoso.com", "127.0.0.2"),
    (10, "mail2.contoso.com", "127.0.0.3"),
    (20, "backup.contoso.com", "127.0.0.4"),
)


def domain(names: Any, table: Any, port: int, *arguments: str) -> Any:
    run = run_plugin(
        *("-d", "contoso.com", "-p", str(port), *names(table)),
        *("-F", "probe.client.example", "--profile", "none", *arguments),
    )
    assert run.stderr == ""
    return run


def test_each_server_of_a_set_has_its_connections(serve, names):
    """One message for each server, and a warning for the one with a node that fails."""
    held = PortOfAll()
    well = [serve(Manners(), host=host, port=held.number) for host in ("127.0.0.2", "127.0.0.4")]
    ill = serve(
        balancer(smtp(Manners()), script(INACTIVE, QUIT)), host="127.0.0.3", port=held.number
    )
    run = domain(names, THREE, held.number, "--all-mx", "--connections", "4")
    held.close()
    assert run.result == (
        "WARNING - 2 of 4 connections to mail2.contoso.com failed; nodes seen: mx 2;"
        " mail2.contoso.com refused the connection: 421 4.3.2 Service not active; 3 of 3 mail"
        " servers of contoso.com accept mail for postmaster@contoso.com in #s"
    )
    assert [server.connections for server in (*well, ill)] == [4, 4, 4]
    assert [server.heard.count(b"DATA\r\n") for server in (*well, ill)] == [1, 1, 1]


def test_a_server_with_several_addresses_has_fifteen_connections_at_most(serve, names):
    """Exchange takes 20 from one address."""
    held = PortOfAll()
    servers = [serve(Manners(), host=f"127.0.0.{last}", port=held.number) for last in (2, 3, 4)]
    table = {
        ("contoso.com.", "MX"): ["10 mail1.contoso.com."],
        ("mail1.contoso.com.", "A"): ["127.0.0.2", "127.0.0.3", "127.0.0.4"],
    }
    how = ("--all-mx", "--all-addresses", "--connections", "15")
    run = domain(names, table, held.number, *how)
    held.close()
    assert run.exit_code == OK
    assert [server.connections for server in servers] == [5, 5, 5]


@pytest.mark.parametrize(
    ("number", "connections", "how"), [(3, [3, 3], ()), (15, [8, 7], ("--all-mx",))]
)
def test_each_address_of_a_server_has_its_connections(serve, names, how, number, connections):
    """One message for all that, and fifteen connections at most."""
    held = PortOfAll()
    servers = [serve(Manners(), host=f"127.0.0.{last}", port=held.number) for last in (2, 3)]
    table = {
        ("contoso.com.", "MX"): ["10 mail1.contoso.com."],
        ("mail1.contoso.com.", "A"): ["127.0.0.2", "127.0.0.3"],
    }
    run = domain(names, table, held.number, "--connections", str(number), *how)
    held.close()
    assert run.exit_code == OK
    assert sorted(server.connections for server in servers) == sorted(connections)
    assert sum(server.heard.count(b"DATA\r\n") for server in servers) == 1


def test_the_server_that_greets_first_is_the_one_whose_nodes_are_met(serve, names):
    held = PortOfAll()
    ill = serve(
        balancer(smtp(Manners()), script(INACTIVE, QUIT)), host="127.0.0.4", port=held.number
    )
    table = mx((10, "mail1.contoso.com", "127.0.0.2"), (20, "backup.contoso.com", "127.0.0.4"))
    run = domain(
        names, table, held.number, "--connections", "4", "--severity", "backup-mx=ok"
    )  # fmt: skip
    held.close()
    assert run.result.startswith(
        "WARNING - 2 of 4 connections to backup.contoso.com failed; nodes seen: mx 2; "
    )
    assert (ill.connections, ill.heard.count(b"DATA\r\n")) == (4, 1)
