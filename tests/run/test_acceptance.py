"""Which server answers for a domain: the order, the passing over, and never a second message.

Against a world of lists: a zone, and what each address says.  Nothing is sent anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.world import (
    ACCEPTS,
    DOMAIN,
    GREETS,
    INTERRUPTED,
    LOST,
    PLAN,
    RCPT_ONLY,
    REFUSED,
    SILENT,
    THREE,
    TWO,
    World,
    zone,
)

from exchange_mailaccept.protocol.conversation import Server, Session, StageOutcome, Target
from exchange_mailaccept.protocol.further_requests import Resolve
from exchange_mailaccept.report.findings import backup
from exchange_mailaccept.run.acceptance import Acceptance
from exchange_mailaccept.vocabulary import Stage, Verdict

if TYPE_CHECKING:
    from exchange_mailaccept.protocol.further_requests import Request


def stages(acceptance: Acceptance) -> str:
    """The stages of the outcomes, each with its verdict unless it passed."""
    return " ".join(
        outcome.stage.value if outcome.passed else f"{outcome.stage.value}={outcome.verdict.value}"
        for outcome in acceptance.outcomes
    )


def names(sessions: Sequence[Session]) -> list[str]:
    return [session.server.name for session in sessions]


# One server.


def test_the_first_server_accepts():
    world = World(TWO, {"192.0.2.1": ACCEPTS, "192.0.2.2": ACCEPTS})
    acceptance = world.accept()
    assert stages(acceptance) == "mx connect banner ehlo mail rcpt data message quit"
    assert acceptance.failure is None
    assert names(acceptance.sessions) == ["mail1.contoso.com"]
    assert acceptance.passed_over == ()
    assert len(acceptance.hosts) == 2
    assert world.tried == ["192.0.2.1"]
    assert world.asked == ["contoso.com MX", "mail1.contoso.com A", "mail1.contoso.com AAAA"]


def test_seconds_are_those_of_the_lookups_and_of_the_walk():
    """Two lookups of 0.25 s, a connection and six replies of 1 s; QUIT does not count."""
    acceptance = World(TWO, {"192.0.2.1": ACCEPTS}).accept()
    assert acceptance.lookup.seconds == 0.5
    assert acceptance.seconds == 7.5


def test_a_host_given_by_address_is_not_looked_up():
    world = World({}, {"192.0.2.1": ACCEPTS})
    acceptance = world.accept(Target("contoso.com", "192.0.2.1", 25))
    assert stages(acceptance) == "connect banner ehlo mail rcpt data message quit"
    assert acceptance.lookup is None
    assert world.asked == []
    assert world.patience == []


def test_a_host_given_by_name_is_found_by_the_system():
    world = World({}, {"mail1": ["192.0.2.1"], "192.0.2.1": ACCEPTS})
    acceptance = world.accept(Target("contoso.com", "mail1", 25))
    assert stages(acceptance) == "mx connect banner ehlo mail rcpt data message quit"
    assert world.asked == ["mail1 of the system"]


def test_a_host_given_by_name_is_found_by_the_name_server_that_was_given():
    world = World(TWO, {"192.0.2.2": ACCEPTS})
    acceptance = world.accept(DOMAIN._replace(host="mail2.contoso.com"))
    assert acceptance.failure is None
    assert world.asked == ["mail2.contoso.com A", "mail2.contoso.com AAAA"]


# Passing over.

NO_GREETING = {
    "refused connection": REFUSED,
    "silence": SILENT,
    "no greeting": [LOST],
    "silent greeting": [SILENT],
    "421": ["421 4.3.2 Service not available", "221 Bye"],
    "450": ["450 Later", "221 Bye"],
    "554": ["554 No", "221 Bye"],
    "250": ["250 Hello", "221 Bye"],
}


@pytest.mark.parametrize("said", NO_GREETING.values(), ids=NO_GREETING)
def test_a_server_that_does_not_greet_is_passed_over(said):
    """RFC 5321 5.1: nothing has been handed over."""
    world = World(TWO, {"192.0.2.1": said, "192.0.2.2": ACCEPTS})
    acceptance = world.accept()
    assert acceptance.failure is None
    assert acceptance.decisive is acceptance.sessions[1]
    assert names(acceptance.passed_over) == ["mail1.contoso.com"]
    assert world.messages == ["192.0.2.2"]


def test_a_host_without_an_address_is_passed_over():
    records = {key: value for key, value in TWO.items() if key != ("mail1.contoso.com.", "A")}
    acceptance = World(records, {"192.0.2.2": ACCEPTS}).accept()
    assert acceptance.failure is None
    (failed,) = acceptance.passed_over
    assert failed.failure.stage is Stage.MX
    assert failed.failure.explanation == "mail1.contoso.com has no address"


#: What a server says that has greeted, and does not accept in the end.
GREETED = {
    "EHLO refused": ["220 ready", "550 No", "221 Bye"],
    "EHLO 421": ["220 ready", "421 Closing"],
    "EHLO lost": ["220 ready", LOST],
    "EHLO silent": ["220 ready", SILENT],
    "MAIL refused": [*GREETS, "530 No", "221 Bye"],
    "MAIL deferred": [*GREETS, "452 Later", "221 Bye"],
    "MAIL lost": [*GREETS, LOST],
    "RCPT refused": [*GREETS, "250 OK", "550 No", "221 Bye"],
    "RCPT 421": [*GREETS, "250 OK", "421 Closing"],
    "DATA refused": [*ACCEPTS[:4], "554 No", "221 Bye"],
    "DATA silent": [*ACCEPTS[:4], SILENT],
    "message refused": [*ACCEPTS[:5], "554 No", "221 Bye"],
    "message deferred": [*ACCEPTS[:5], "451 Later", "221 Bye"],
    "message 421": [*ACCEPTS[:5], "421 Closing"],
    "message lost": [*ACCEPTS[:5], LOST],
    "message silent": [*ACCEPTS[:5], SILENT],
}


@pytest.mark.parametrize("said", GREETED.values(), ids=GREETED)
def test_no_second_server_after_a_greeting(said):
    """Whatever happens later is the answer of the domain; a second try could deliver twice."""
    world = World(THREE, {"192.0.2.1": said, "192.0.2.2": ACCEPTS, "192.0.2.3": ACCEPTS})
    acceptance = world.accept()
    assert world.tried == ["192.0.2.1"]
    assert len(world.messages) <= 1
    assert acceptance.decisive is acceptance.sessions[0]


@pytest.mark.parametrize("farewell", ["500 What?", LOST, SILENT])
def test_no_second_server_after_a_bad_farewell(farewell):
    said = [*ACCEPTS[:-1], farewell]
    world = World(TWO, {"192.0.2.1": said, "192.0.2.2": ACCEPTS})
    acceptance = world.accept()
    assert acceptance.failure is None
    assert world.messages == ["192.0.2.1"]


def test_the_one_that_got_furthest_speaks_for_servers_that_all_fail():
    world = World(THREE, {"192.0.2.2": ["554 No", "221 Bye"]})
    acceptance = world.accept()
    assert names(acceptance.sessions) == [
        "mail1.contoso.com", "mail2.contoso.com", "mail3.contoso.com",
    ]  # fmt: skip
    assert acceptance.decisive is acceptance.sessions[1]
    assert names(acceptance.passed_over) == ["mail1.contoso.com", "mail3.contoso.com"]
    assert stages(acceptance) == "mx connect banner=refused quit"


def test_the_first_speaks_for_servers_that_all_fail_alike():
    acceptance = World(THREE, {}).accept()
    assert acceptance.decisive is acceptance.sessions[0]
    assert stages(acceptance) == "mx connect=broken"


def test_a_server_that_refuses_after_others_were_passed_over():
    world = World(TWO, {"192.0.2.1": ["554 No", "221 Bye"], "192.0.2.2": GREETED["EHLO refused"]})
    acceptance = world.accept()
    assert acceptance.decisive is acceptance.sessions[1]
    assert stages(acceptance) == "mx connect banner ehlo=refused quit"


def test_a_server_of_the_same_preference_is_not_a_better_one():
    """Which of two equals is tried first is chance (RFC 5321 5.1)."""
    records = {
        ("contoso.com.", "MX"): ["10 mail1.contoso.com.", "10 mail2.contoso.com."],
        ("mail1.contoso.com.", "A"): ["192.0.2.1"],
        ("mail2.contoso.com.", "A"): ["192.0.2.2"],
    }
    # One of both orders has the failing server first.
    tests = [World(records, {f"192.0.2.{at}": ACCEPTS}).accept() for at in (1, 2) * 20]
    words = [backup(test, PLAN) for test in tests if test.passed_over]
    assert words
    assert not any("better" in line for line in words)


@pytest.mark.parametrize(("between", "tried"), [(0.0, 16), (0.125, 13)])
def test_300_hosts_when_the_time_is_over(between, tried):
    """The rest is not tried: every one would only fail at once.

    A quarter of a second goes to the domain, and for each host a quarter to its address and one
    until the next; and ``between`` two answers the time passes as well.
    """
    hosts = zone(*(f"mail{number}.contoso.com" for number in range(1, 301)))
    world = World(hosts, {}, seconds=2, between=between)
    acceptance = world.accept(timeout=20.0)
    assert (len(acceptance.sessions), len(acceptance.hosts)) == (tried, 300)
    assert world.tried == [f"192.0.2.{number}" for number in range(1, tried + 1)]


def test_an_interrupted_run_does_not_go_on():
    world = World(THREE, {"192.0.2.1": INTERRUPTED})
    acceptance = world.accept()
    assert world.tried == ["192.0.2.1"]
    assert acceptance.failure.verdict is Verdict.UNTESTED


# Patience.


def test_the_time_is_shared_among_the_servers_left():
    """60 s for three, then what is left for two, then all; look-ups are taken off before."""
    world = World(THREE, {}, seconds=10.0)
    world.accept(timeout=60.5)
    assert world.patience == pytest.approx([20.0, 24.875, 39.5])


def test_time_beside_one_another_is_counted_once():
    """The first is silent for 30 s; after 20 the second is begun, and takes 30 to connect."""
    said = {"192.0.2.1": SILENT, "192.0.2.2": ["220 ready", "221 Bye"]}
    world = World(THREE, said, seconds=30.0)
    acceptance = world.accept(plan=PLAN._replace(until=Stage.CONNECT), timeout=60.5)
    assert [session.seconds for session in acceptance.sessions] == [30, 30]
    # With a second for four look-ups.
    assert acceptance.seconds == 51


def test_each_server_has_at_least_a_second():
    world = World(zone(*(f"mail{number}.contoso.com" for number in range(1, 200))), {}, 0.1)
    world.accept(timeout=10.0)
    assert world.patience[0] == 1.0


# Lookups that fail.


@pytest.mark.parametrize(
    ("records", "verdict", "explanation"),
    [
        ("NXDOMAIN", Verdict.BROKEN, "contoso.com does not exist (NXDOMAIN)"),
        ("SERVFAIL", Verdict.BROKEN, "SERVFAIL from 192.0.2.53"),
        ("REFUSED", Verdict.UNTESTED, "no name server answered: REFUSED from 192.0.2.53"),
        (["0 ."], Verdict.BROKEN, "contoso.com accepts no mail (null MX, RFC 7505)"),
        (None, Verdict.UNTESTED, "no name server answered: 192.0.2.53 timed out"),
    ],
)
def test_a_domain_without_servers(records, verdict, explanation):
    world = World({("contoso.com.", "MX"): records, ("contoso.com.", "A"): ["192.0.2.1"]}, {})
    acceptance = world.accept()
    assert (acceptance.failure.stage, acceptance.failure.verdict) == (Stage.MX, verdict)
    assert acceptance.failure.explanation == explanation
    assert acceptance.outcomes == (acceptance.failure,)
    assert (acceptance.sessions, acceptance.decisive) == ((), None)
    assert acceptance.seconds == acceptance.failure.seconds
    assert world.tried == []


@pytest.mark.parametrize("lost", ["mail1", "mail2"])
def test_a_server_that_is_down_weighs_more_than_one_that_could_not_be_tested(lost):
    zones = {**TWO, (f"{lost}.contoso.com.", "A"): "REFUSED"}
    zones[(f"{lost}.contoso.com.", "AAAA")] = "REFUSED"
    acceptance = World(zones, {}).accept()
    assert (acceptance.failure.stage, acceptance.failure.verdict) == (Stage.CONNECT, Verdict.BROKEN)


def test_who_is_told_to_end_says_nothing_of_the_servers_before():
    acceptance = World(TWO, {"192.0.2.2": [INTERRUPTED]}).accept()
    assert (acceptance.failure.stage, acceptance.failure.verdict) == (
        Stage.BANNER,
        Verdict.UNTESTED,
    )


# Our own name.


class _Named(World):
    """A world whose resolver knows this host by a longer name."""

    def _answer(self, request: Request) -> Any:
        answer = super()._answer(request)
        if isinstance(request, Resolve) and answer.fault is None:
            return answer._replace(canonical_name=answer.addresses[0])
        return answer


@pytest.mark.parametrize(
    ("node", "known", "ehlo"),
    [
        ("probe.fabrikam.com", {}, "EHLO probe.fabrikam.com"),
        ("probe", {"probe": ["probe.fabrikam.com"]}, "EHLO probe.fabrikam.com"),
        ("probe", {"probe": ["probe"]}, "EHLO [192.0.2.99]"),
        ("probe", {"probe": ["localhost.localdomain"]}, "EHLO [192.0.2.99]"),
        ("probe", {}, "EHLO [192.0.2.99]"),
        ("probe", {"probe": SILENT}, "EHLO [192.0.2.99]"),
        ("probe_1.fabrikam.com", {}, "EHLO [192.0.2.99]"),
        ("10.1.2.3", {}, "EHLO [192.0.2.99]"),
        ("localhost.localdomain", {}, "EHLO [192.0.2.99]"),
        ("", {}, "EHLO [192.0.2.99]"),
    ],
)
def test_our_own_name(monkeypatch, node, known, ehlo):
    """Fully qualified, or else the address literal (RFC 5321 4.1.4)."""
    uname = os.uname()
    changed = os.uname_result((uname.sysname, node, uname.release, uname.version, uname.machine))
    monkeypatch.setattr(os, "uname", lambda: changed)
    world = _Named({}, {**known, "192.0.2.1": ACCEPTS})
    world.accept(Target("contoso.com", "192.0.2.1", 25), PLAN._replace(ehlo_name=""))
    assert world.sent[0] == ("192.0.2.1", ehlo)


# Values.


def test_a_session_that_begins_with_its_own_lookup_has_each_stage_once():
    failed = StageOutcome(Stage.MX, Verdict.BROKEN, 0.5, None, "mail1 has no address")
    session = Session(Server("mail1", (), 25, 10), "", (failed,))
    acceptance = Acceptance(StageOutcome(Stage.MX, Verdict.PASSED, 0.5), (session,))
    assert acceptance.outcomes == (failed,)
    assert acceptance.failure is failed


# Whatever happens.

WORDS = st.sampled_from(
    [*ACCEPTS, "251 OK", "421 Closing", "450 Later", "500 What?", "554 No", LOST, SILENT]
)
SAYING = st.one_of(
    st.sampled_from([REFUSED, SILENT]),
    st.lists(WORDS, max_size=9),
    st.integers(0, 6).flatmap(
        lambda passed: st.lists(WORDS, max_size=3).map(lambda rest: [*ACCEPTS[:passed], *rest])
    ),
)


@settings(max_examples=40)
@given(said=st.lists(SAYING, min_size=3, max_size=3))
def test_the_message_goes_to_one_server_at_most(said):
    world = World(THREE, {f"192.0.2.{at}": words for at, words in enumerate(said, 1)})
    acceptance = world.accept(timeout=1000.0)
    assert len(world.messages) <= 1
    assert len(set(world.tried)) == len(world.tried)
    if acceptance.failure is None:
        session = acceptance.decisive
        assert session is acceptance.sessions[-1]
        assert world.messages == [session.address]
        message = session.outcome(Stage.MESSAGE)
        assert message.reply.code == 250


@settings(max_examples=40)
@given(said=st.lists(SAYING, min_size=3, max_size=3))
def test_no_message_goes_out_when_none_is_wanted(said):
    world = World(THREE, {f"192.0.2.{at}": words for at, words in enumerate(said, 1)})
    world.accept(plan=RCPT_ONLY, timeout=1000.0)
    assert world.messages == []
    assert "DATA" not in [command for _, command in world.sent]
