"""The MX that a domain should have (``--expect-mx``): strangers are named and never connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.plugin import ALL, BANNER, UNKNOWN, PluginRun, run_plugin
from support.scripts import Servers
from support.smtp import PortOfAll

FIRST = ("--expect-mx", "mail1.contoso.com")
EXPECTED = ("--expect-mx", "mail1.contoso.com", "--expect-mx", "mail2.contoso.com")
MAIL1, MAIL2, STRANGER = "10 mail1.contoso.com.", "20 mail2.contoso.com.", "15 mx.hoster.example."
TAKEN = (
    "mail1.contoso.com accepted mail for postmaster@contoso.com in #s"
    " (Exchange 2019/SE; queued on mbx01.contoso.com as ID)"
)


class Lab:
    """Two expected servers and a stranger, each of whom takes all mail."""

    def __init__(self, serve: Servers, names: Callable[..., tuple[str, str]]) -> None:
        self.held = PortOfAll()
        self.first, self.second, self.stranger = (
            serve(BANNER, *ALL, host=f"127.0.0.{octet}", port=self.held.number)
            for octet in (2, 3, 4)
        )
        self._names = names

    def check(self, mx: Any, *arguments: str, target: tuple[str, ...] = ()) -> PluginRun:
        name_server = self._names(
            {
                ("contoso.com.", "MX"): mx,
                ("contoso.com.", "A"): ["127.0.0.4"],
                ("mail1.contoso.com.", "A"): ["127.0.0.2"],
                ("MAIL1.contoso.com.", "A"): ["127.0.0.2"],
                ("mail2.contoso.com.", "A"): ["127.0.0.3"],
                ("mx.hoster.example.", "A"): ["127.0.0.4"],
            }
        )
        return run_plugin(
            *(target or ("-d", "contoso.com")), "-p", str(self.held.number),
            *name_server, "-F", "probe.client.example", *arguments,
        )  # fmt: skip

    @property
    def connections(self) -> tuple[int, int, int]:
        return self.first.connections, self.second.connections, self.stranger.connections

    def close(self) -> None:
        self.held.close()


@pytest.fixture
def lab(serve_carelessly, names) -> Iterator[Lab]:
    lab = Lab(serve_carelessly, names)
    yield lab
    lab.close()


Check = Callable[..., PluginRun]


@pytest.mark.parametrize(
    ("mx", "arguments", "line"),
    [
        ([MAIL1, MAIL2], EXPECTED, f"OK - {TAKEN}"),
        ([MAIL1, MAIL2], ("--expect-mx", "*.contoso.com"), f"OK - {TAKEN}"),
        ([MAIL1, MAIL2], ("--expect-mx", "*.CONTOSO.com."), f"OK - {TAKEN}"),
        # Microsoft's record of verification is no server.
        ([MAIL1, MAIL2, "32767 ms1.msv1.invalid."], EXPECTED, f"OK - {TAKEN}"),
        ([MAIL1], EXPECTED, f"WARNING - no MX mail2.contoso.com, which is expected; {TAKEN}"),
        (
            [MAIL1, MAIL2, STRANGER],
            EXPECTED,
            f"WARNING - unexpected MX mx.hoster.example (15); {TAKEN}",
        ),
        (
            [MAIL1, STRANGER],
            EXPECTED,
            "WARNING - unexpected MX mx.hoster.example (15); no MX mail2.contoso.com, which is"
            f" expected; {TAKEN}",
        ),
        (
            [MAIL1, MAIL2, "5 mx.hoster.example."],
            EXPECTED,
            "CRITICAL - unexpected MX mx.hoster.example (5), preferred to every expected one;"
            f" {TAKEN}",
        ),
        ([MAIL1, STRANGER], (*EXPECTED, "--severity", "mx-set=ok"), f"OK - {TAKEN}"),
    ],
)
def test_the_mx_beside_those_that_are_expected(lab, mx, arguments, line):
    run = lab.check(mx, *arguments)
    assert (run.first_line, run.stderr) == (f"MAILACCEPT {line}", "")
    assert lab.connections == (1, 0, 0)


def test_names_of_mx_are_compared_without_case(lab):
    run = lab.check(["10 MAIL1.Contoso.COM."], "--expect-mx", "mail1.contoso.com")
    assert (run.result, lab.connections) == (
        f"OK - {TAKEN.replace('mail1.contoso.com', 'MAIL1.contoso.com')}",
        (1, 0, 0),
    )


WRONG = "contoso.com has the wrong MX, mx.hoster.example (expected: mail1.contoso.com)"


@pytest.mark.parametrize(
    ("mx", "arguments", "words"),
    [
        ([STRANGER], FIRST, WRONG),
        ([STRANGER], (*FIRST, "--all-mx"), WRONG),
        ([STRANGER], (*FIRST, "--until", "mx"), WRONG),
        ([STRANGER], ("--expect-mx", "*.hoster.test"),
         "contoso.com has the wrong MX, mx.hoster.example (expected: *.hoster.test)"),
        # Labels are compared, not letters, and the star stands for at least one.
        (["10 notcontoso.com.", "20 contoso.com."], ("--expect-mx", "*.contoso.com"),
         "contoso.com has the wrong MX, notcontoso.com, contoso.com (expected: *.contoso.com)"),
        ([], FIRST, "contoso.com has no MX record (expected: mail1.contoso.com)"),
        # These have findings of their own.
        (["0 ."], FIRST,
         "no mail server at contoso.com: contoso.com accepts no mail (null MX, RFC 7505)"),
        (2, FIRST, "no mail server at contoso.com: SERVFAIL from "),
    ],
)  # fmt: skip
def test_nothing_is_sent_to_strangers_alone(lab, mx, arguments, words):
    run = lab.check(mx, *arguments)
    assert run.result.startswith(f"CRITICAL - {words}")
    assert lab.connections == (0, 0, 0)


def test_severity_does_not_lead_to_strangers(lab):
    run = lab.check([STRANGER], *FIRST, "--severity", "mx-set=ok")
    assert run.result == f"OK - not accepted, as --severity mx-set=ok allows: {WRONG}"
    assert lab.connections == (0, 0, 0)


def test_the_key_of_the_mx_set_is_the_last_that_is_looked_for(lab):
    severities = ("--severity", "mx-set=ok", "--severity", "mx=unknown")
    assert lab.check([STRANGER], *FIRST, *severities).exit_code == UNKNOWN


@pytest.mark.parametrize(
    ("how", "words", "connections"),
    [
        (
            ("--all-mx",),
            "2 of 2 mail servers of contoso.com accept mail for postmaster@contoso.com in #s",
            (1, 1, 0),
        ),
        (("--until", "mx"), "2 mail servers found in #s", (0, 0, 0)),
        (("--until", "mx", "--all-mx"), "2 mail servers found for contoso.com in #s", (0, 0, 0)),
    ],
)
def test_a_stranger_is_no_member_of_the_set(lab, how, words, connections):
    run = lab.check([MAIL1, MAIL2, STRANGER], *EXPECTED, *how)
    assert (run.first_line, lab.connections) == (
        f"MAILACCEPT WARNING - unexpected MX mx.hoster.example (15); {words}",
        connections,
    )
    assert "\nNote: MX 15 mx.hoster.example is not expected and was not connected\n" in run.stdout
    assert "\nMeaning: The domain's MX records are not those that --expect-mx names" in run.stdout


def test_a_failure_is_told_before_the_mx_set(lab):
    lab.first.close()
    run = lab.check([MAIL1, STRANGER], "--expect-mx", "mail1.contoso.com")
    assert (run.result, lab.connections) == (
        "CRITICAL - mail1.contoso.com could not be connected: 127.0.0.2 port"
        f" {lab.held.number}: connection refused",
        (0, 0, 0),
    )
    assert "\nNote: MX 15 mx.hoster.example is not expected and was not connected\n" in run.stdout
