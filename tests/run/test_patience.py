"""Servers of a domain that greet late, or never: which is walked, which is late, which has failed.

Through the plugin as a process, against servers that greet when the test wants them to.  Nothing
waits for a time to pass but the plugin itself, for its share of ``-t``.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest
from support.names import Table, mx
from support.plugin import PLUGIN, PluginRun, run_plugin
from support.scripts import Manners, Servers
from support.smtp import PATIENCE, BlackHole, PortOfAll, Talk

OK, WARNING, CRITICAL = 0, 1, 2
FIRST, SECOND, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"
NAMES = {FIRST: "mx1.contoso.com", SECOND: "mx2.contoso.com", THIRD: "mx3.contoso.com"}


class Host:
    """A mail server that accepts everything, and greets when it is told to."""

    def __init__(self, serve: Servers, address: str, port: int, begins: bytes = b"") -> None:
        self._begins = begins
        #: Set when it may greet.
        self.may_greet = threading.Event()
        #: Set when a client is connected.
        self.connected = threading.Event()
        #: What it does when a client has said EHLO, before it answers.
        self.at_ehlo: Callable[[], Any] = lambda: None
        #: Set when a client has said QUIT.
        self.quitted = threading.Event()
        at = {"": self._greet, "EHLO": self._hello, "QUIT": self._quit}
        manners = Manners(banner=b"220 ready\r\n", at=at)
        self._server = serve(manners, host=address, port=port)

    @property
    def heard(self) -> list[str]:
        """The verbs that it heard."""
        verbs = {"EHLO", "MAIL", "RCPT", "DATA", "QUIT"}
        words = [line.decode().split(maxsplit=1) for line in self._server.heard]
        return [word[0] for word in words if word and word[0] in verbs]

    def _greet(self, talk: Talk) -> None:
        self.connected.set()
        talk.tell(self._begins)
        self.may_greet.wait(PATIENCE)

    def _hello(self, _: Talk) -> None:
        self.at_ehlo()

    def _quit(self, _: Talk) -> None:
        self.quitted.set()


class Domain:
    """Mail servers at several addresses with one port, and the name server that leads to them."""

    def __init__(self, serve: Servers, names: Callable[[Table], tuple[str, str]]) -> None:
        self._serve = serve
        self._names = names
        self._held = PortOfAll()
        self._holes: list[BlackHole] = []
        self.hosts: list[Host] = []

    def without_answer(self, address: str) -> None:
        """Have all connection attempts to ``address`` stay without an answer."""
        self._holes.append(BlackHole(address, self._held.number))

    def __call__(self, address: str, begins: bytes = b"") -> Host:
        self.hosts.append(Host(self._serve, address, self._held.number, begins))
        return self.hosts[-1]

    def arguments(self, *addresses: str, seconds: str) -> tuple[str, ...]:
        """Those of a run for a domain whose MX lead to ``addresses``, best first."""
        table = mx(*((at, NAMES[address], address) for at, address in enumerate(addresses)))
        return (
            *("-d", "contoso.com", "-p", str(self._held.number), "-F", "probe.fabrikam.com"),
            *(*self._names(table), "--profile", "none", "-v", "-t", seconds),
        )

    def check(self, *addresses: str, seconds: str) -> PluginRun:
        return run_plugin(*self.arguments(*addresses, seconds=seconds))

    def close(self) -> None:
        for host in self.hosts:
            host.may_greet.set()
        for hole in self._holes:
            hole.close()
        self._held.close()


@pytest.fixture
def domain(serve_carelessly, names) -> Iterator[Domain]:
    made = Domain(serve_carelessly, names)
    yield made
    made.close()


def messages(*hosts: Host) -> int:
    """How many messages the hosts were given."""
    return sum(host.heard.count("DATA") for host in hosts)


def test_two_servers_that_greet_late_are_not_given_up(domain):
    """Each has half of the time to itself, and greets when all of it is nearly over."""
    hosts = [domain(FIRST, b"220-mx1\r\n"), domain(SECOND, b"220-mx2\r\n")]

    def greet() -> None:
        # The second was begun beside the first, whose share is over then.
        if hosts[1].connected.wait(PATIENCE):
            hosts[0].may_greet.set()

    threading.Thread(target=greet, daemon=True).start()
    run = domain.check(FIRST, SECOND, seconds="6")
    assert (
        run.result
        == "OK - mx1.contoso.com accepted mail for postmaster@contoso.com in #s (Exchange)"
    )
    assert messages(*hosts) == 1
    assert hosts[1].heard == []


def test_a_primary_that_greets_while_the_backup_is_walked_is_late(domain):
    primary, backup = domain(FIRST), domain(SECOND)
    backup.may_greet.set()
    backup.at_ehlo = primary.may_greet.set
    run = domain.check(FIRST, SECOND, seconds="4")
    assert (
        run.result
        == "OK - mx2.contoso.com accepted mail for postmaster@contoso.com in #s (Exchange)"
    )
    assert "Note: mx1.contoso.com greeted late, after #s" in run.masked
    # No more than a farewell.
    assert primary.heard in ([], ["QUIT"])
    assert messages(primary, backup) == 1


def test_a_connected_primary_has_the_whole_of_the_time(domain):
    primary, backup = domain(FIRST), domain(SECOND)
    backup.may_greet.set()

    def greet() -> None:
        if backup.quitted.wait(PATIENCE):
            primary.may_greet.set()

    threading.Thread(target=greet, daemon=True).start()
    run = domain.check(FIRST, SECOND, seconds="10")
    assert (run.exit_code, messages(primary, backup)) == (OK, 1)
    assert "Note: mx1.contoso.com greeted late, after #s" in run.masked


def test_a_primary_that_never_greets_has_failed(domain):
    primary, backup = domain(FIRST), domain(SECOND)
    backup.may_greet.set()
    run = domain.check(FIRST, SECOND, seconds="3")
    assert run.result == (
        "WARNING - better MX failed: mx1.contoso.com sent no greeting within #s;"
        " mx2.contoso.com accepted mail for postmaster@contoso.com in #s (Exchange)"
    )
    assert messages(primary, backup) == 1


def test_no_server_that_is_not_connected_is_waited_for(domain):
    """Nobody listens at the first address: the second is tried at once, and ends the run."""
    backup = domain(SECOND)
    backup.may_greet.set()
    run = domain.check(FIRST, SECOND, seconds="20")
    assert run.result.startswith("WARNING - better MX failed: mx1.contoso.com could")
    assert backup.heard[-1:] == ["QUIT"]


def test_a_primary_that_was_never_connected_is_given_up_with_the_walk_of_the_backup(domain):
    """It may not greet any more, so nothing is waited for; ``within`` is less than all of -t."""
    backup = domain(SECOND)
    backup.may_greet.set()
    domain.without_answer(FIRST)
    run = domain.check(FIRST, SECOND, seconds="8")
    assert run.exit_code == WARNING
    said = re.search(r"mx1.contoso.com could not be connected within ([0-9.]+)s", run.stdout)
    assert said is not None
    assert float(said[1]) < 8
    assert backup.heard[-1:] == ["QUIT"]


def test_of_three_the_first_to_greet_is_walked(domain):
    """The two that were begun before it are quitted and get no message."""
    hosts = [domain(FIRST), domain(SECOND), domain(THIRD)]
    hosts[2].may_greet.set()
    hosts[2].at_ehlo = lambda: [host.may_greet.set() for host in hosts]
    run = domain.check(FIRST, SECOND, THIRD, seconds="6")
    assert run.exit_code == OK
    assert "mx3.contoso.com accepted mail" in run.first_line
    assert run.masked.count("greeted late") == 2
    assert messages(*hosts) == 1


def test_no_server_answers_is_said_after_all_of_the_time_only(domain):
    """A greeting that has begun is one that comes too late for -t."""
    domain(FIRST, b"220-mx1 ESMTP\r\n")
    domain(SECOND)
    run = domain.check(FIRST, SECOND, seconds="3")
    assert run.result == (
        "CRITICAL - contoso.com answers too late for -t (2 of 2 servers tried);"
        " mx1.contoso.com sent no greeting within #s, its reply had begun: '220-mx1 ESMTP'"
    )


def test_a_signal_ends_all_of_them(domain):
    hosts = [domain(FIRST), domain(SECOND)]
    run = subprocess.Popen(
        [sys.executable, str(PLUGIN), *domain.arguments(FIRST, SECOND, seconds="4")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert hosts[1].connected.wait(PATIENCE)
    os.kill(run.pid, signal.SIGTERM)
    said, complained = run.communicate(timeout=PATIENCE)
    assert (run.returncode, complained) == (3, b"")
    assert b"interrupted by SIGTERM" in said.partition(b"\n")[0]
