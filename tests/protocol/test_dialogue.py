"""The dialogue without a socket: what is sent, what is judged, and what is not sent any more."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_mailaccept.protocol.conversation import (
    Close,
    Command,
    Connect,
    Connected,
    Fault,
    Replied,
    Server,
    Session,
    Time,
)
from exchange_mailaccept.protocol.dialogue import walk
from exchange_mailaccept.protocol.further_requests import Secured, StartTls
from exchange_mailaccept.protocol.message import Content, Envelope, Plan
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.protocol.security import Security
from exchange_mailaccept.vocabulary import Cause, Stage, Tls, Verdict

PLAN = Plan(
    Envelope("probe@fabrikam.com", "postmaster@contoso.com"),
    "probe.fabrikam.com",
    Content(),
    "<1@fabrikam.com>",
    0.0,
)
SERVER = Server("mail1.contoso.com", ("192.0.2.1",), 25)
SECURITY = Security("TLSv1.3", "TLS_AES_256_GCM_SHA384", False)
LOST = Fault(Cause.CLOSED, "connection closed by the server")
SILENCE = Fault(Cause.SILENT, "within 5s")

BANNER = "220 mail1.contoso.com Microsoft ESMTP MAIL Service ready"
EHLO = "250 mail1.contoso.com Hello [192.0.2.9]"
OPENING = [BANNER, EHLO]
ACCEPTED = [
    *OPENING,
    "250 2.1.0 Sender OK",
    "250 2.1.5 Recipient OK",
    "354 Start",
    "250 2.6.0 Queued",
]
GOODBYE = "221 2.0.0 Service closing transmission channel"


def reply(text: str) -> Reply:
    """``250 one|two`` is a reply of two lines."""
    code, _, rest = text.partition(" ")
    return Reply(int(code), tuple(rest.split("|")))


class Talk:
    """A walk against a list of answers: replies as text, faults, and for STARTTLS a Security."""

    def __init__(self, answers: list[Any], plan: Plan = PLAN) -> None:
        self.sent: list[str] = []
        self.session = self._play(list(answers), plan)

    def _play(self, answers: list[Any], plan: Plan) -> Session:
        conversation = walk(plan, SERVER)
        request = next(conversation)
        try:
            while True:
                request = conversation.send(self._answer(request, answers))
        except StopIteration as end:
            session: Session = end.value
        assert answers == [], "the client left before it had heard everything"
        return session

    def _answer(self, request: Any, answers: list[Any]) -> Any:
        if isinstance(request, Connect):
            return Connected(0.5, addresses=("192.0.2.1", "192.0.2.9"))
        if isinstance(request, Close):
            self.sent.append("(closes)")
            return Time()
        if isinstance(request, StartTls):
            unverified = "" if request.verify else ", unverified"
            self.sent.append(f"(TLS for {request.server_name}{unverified})")
        else:
            assert isinstance(request, Command)
            if request.data:
                self.sent.append(request.data.decode().rstrip("\r\n"))
        answer = answers.pop(0)
        if isinstance(answer, Fault):
            return (Secured if isinstance(request, StartTls) else Replied)(1.0, answer)
        if isinstance(answer, Security):
            return Secured(1.0, security=answer)
        return Replied(1.0, reply=reply(answer))

    def outcome(self, stage: Stage) -> tuple[Verdict, Optional[str]]:
        """Verdict and reply of a stage."""
        found = self.session.outcome(stage)
        assert found is not None
        return found.verdict, str(found.reply) if found.reply else None

    @property
    def stages(self) -> str:
        """The stages reached, each with its verdict unless it passed."""
        return " ".join(
            each.stage.value if each.passed else f"{each.stage.value}={each.verdict.value}"
            for each in self.session.outcomes
        )


def commands(talk: Talk) -> list[str]:
    """What was sent, the message as one word."""
    return ["(message)" if each.startswith("From:") else each for each in talk.sent]


def test_seconds_add_up_to_the_last_reply_before_quit() -> None:
    talk = Talk([*ACCEPTED, GOODBYE])
    assert talk.session.seconds == 6.5
    assert [each.seconds for each in talk.session.outcomes] == [0.5, 1, 1, 1, 1, 1, 1, 1]


def test_quit_goes_with_the_final_dot_where_pipelining_is_offered() -> None:
    """RFC 2920 3.1: a round trip less, and no other time is falsified."""
    talk = Talk([BANNER, f"{EHLO}|PIPELINING", *ACCEPTED[2:], GOODBYE])
    assert talk.sent[-1].endswith("\r\n.\r\nQUIT")
    assert talk.stages == "connect banner ehlo mail rcpt data message quit"


@pytest.mark.parametrize("code", [500, 502])
def test_helo_after_a_refused_ehlo(code: int) -> None:
    """RFC 5321 4.1.4; what the firewall said is kept as the reason."""
    talk = Talk([BANNER, f"{code} What?", "250 mail1", *ACCEPTED[2:], GOODBYE])
    assert talk.sent[:2] == ["EHLO probe.fabrikam.com", "HELO probe.fabrikam.com"]
    ehlo = talk.session.outcome(Stage.EHLO)
    assert ehlo is not None
    assert ehlo.explanation == f"EHLO was refused ({code} What?), HELO was tried"
    assert ehlo.seconds == 2
    assert talk.session.extensions.keywords == {}


@pytest.mark.parametrize("code", [421, 501, 503, 504, 550])
def test_no_helo_after_another_refusal(code: int) -> None:
    talk = Talk([BANNER, f"{code} No", GOODBYE])
    assert talk.sent == ["EHLO probe.fabrikam.com", "QUIT"]


#: Position of a reply in the test: stage, and what is sent before it.
STAGES = [
    (Stage.BANNER, []),
    (Stage.EHLO, ["EHLO probe.fabrikam.com"]),
    (Stage.MAIL, ["MAIL FROM:<probe@fabrikam.com>"]),
    (Stage.RCPT, ["RCPT TO:<postmaster@contoso.com>"]),
    (Stage.DATA, ["DATA"]),
    (Stage.MESSAGE, ["(message)"]),
]
PASSES = {
    Stage.BANNER: {220},
    Stage.EHLO: {250},
    Stage.MAIL: {250},
    Stage.RCPT: {250, 251},
    Stage.DATA: {354},
    Stage.MESSAGE: {250},
}
CODES = [200, 211, 220, 221, 235, 250, 251, 252, 299, 334, 354, 421, 450, 451, 452, 500, 550, 554]
VERDICTS = {2: Verdict.BROKEN, 3: Verdict.BROKEN, 4: Verdict.DEFERRED, 5: Verdict.REFUSED}


@pytest.mark.parametrize("at", range(len(STAGES)))
def test_a_reply_is_judged_at_its_own_stage(at: int) -> None:
    """What passes one stage passes no other, and nothing that depended on it is sent."""
    stage, _ = STAGES[at]
    expected = [command for _, sent in STAGES[: at + 1] for command in sent]
    # EHLO refused with 500 or 502 leads to HELO.
    wrong = set(CODES) - PASSES[stage] - ({500, 502} if stage is Stage.EHLO else set())
    for code in wrong:
        talk = Talk([*ACCEPTED[:at], f"{code} So be it", GOODBYE])
        assert talk.outcome(stage) == (VERDICTS[code // 100], f"{code} So be it")
        assert commands(talk) == [*expected, "QUIT"]


@pytest.mark.parametrize("at", range(len(STAGES)))
@pytest.mark.parametrize("fault", [LOST, SILENCE])
def test_a_fault_ends_the_walk_at_its_stage(at: int, fault: Fault) -> None:
    """After the dot nobody knows what became of the message: not one more word."""
    stage, _ = STAGES[at]
    mute = stage is Stage.MESSAGE
    talk = Talk([*ACCEPTED[:at], fault, *([] if mute else [LOST])])
    assert talk.outcome(stage) == (fault.verdict, None)
    expected = [command for _, sent in STAGES[: at + 1] for command in sent]
    assert commands(talk) == [*expected, "(closes)" if mute else "QUIT"]


@pytest.mark.parametrize(
    ("farewell", "quit_"),
    [
        ("221 Bye", "quit"),
        ("500 What?", "quit=broken"),
        (LOST, "quit=broken"),
        (SILENCE, "quit=timeout"),
    ],
)
def test_quit_never_changes_the_verdict(farewell: Any, quit_: str) -> None:
    """The message was accepted; how the server says good-bye is its own affair."""
    talk = Talk([*ACCEPTED, farewell])
    assert talk.session.failure is None
    assert talk.stages == f"connect banner ehlo mail rcpt data message {quit_}"


@pytest.mark.parametrize(
    ("until", "sent"),
    [
        (Stage.CONNECT, []),
        (Stage.BANNER, []),
        (Stage.EHLO, ["EHLO probe.fabrikam.com"]),
        (Stage.MAIL, ["EHLO probe.fabrikam.com", "MAIL FROM:<probe@fabrikam.com>", "RSET"]),
        (
            Stage.RCPT,
            [
                "EHLO probe.fabrikam.com",
                "MAIL FROM:<probe@fabrikam.com>",
                "RCPT TO:<postmaster@contoso.com>",
                "RSET",
            ],
        ),
    ],
)
def test_until(until: Stage, sent: list[str]) -> None:
    # The greeting is heard out in any case: before it QUIT would be out of place.
    number = {Stage.CONNECT: 1, Stage.BANNER: 1, Stage.EHLO: 2, Stage.MAIL: 3, Stage.RCPT: 4}[until]
    reset = ["250 2.0.0 Resetting"] if "RSET" in sent else []
    talk = Talk([*ACCEPTED[:number], *reset, GOODBYE], PLAN._replace(until=until))
    assert talk.sent == [*sent, "QUIT"]


def test_until_data_leaves_without_a_word() -> None:
    """A QUIT would be the first line of the message."""
    talk = Talk(ACCEPTED[:5], PLAN._replace(until=Stage.DATA))
    assert talk.sent[-2:] == ["DATA", "(closes)"]


@pytest.mark.parametrize(
    ("own", "name"), [("192.0.2.9", "[192.0.2.9]"), ("fe80::1%eth0", "[IPv6:fe80::1]")]
)
def test_without_a_name_ehlo_has_an_address_literal(own: str, name: str) -> None:
    """RFC 5321 4.1.3; the zone means nothing to the other side."""
    conversation = walk(PLAN._replace(ehlo_name=""), SERVER)
    next(conversation)
    conversation.send(Connected(0.0, addresses=("192.0.2.1", own)))
    request = conversation.send(Replied(0.0, reply=reply(BANNER)))
    assert isinstance(request, Command)
    assert request.data == f"EHLO {name}\r\n".encode()


def test_nobody_is_bid_farewell_who_was_never_met() -> None:
    conversation = walk(PLAN, SERVER)
    next(conversation)
    with pytest.raises(StopIteration) as end:
        conversation.send(Connected(0.1, Fault(Cause.REFUSED, "connection refused")))
    assert [each.stage for each in end.value.value.outcomes] == [Stage.CONNECT]


@given(st.lists(st.tuples(st.integers(200, 599), st.text(max_size=8)), min_size=8, max_size=8))
def test_whatever_a_server_replies_the_walk_tells_the_truth(said: list[tuple[int, str]]) -> None:
    """The message is accepted only after 220, 250, 250, 250 or 251, 354 and 250."""
    answers = iter([Reply(code, (text,)) for code, text in said])
    conversation = walk(PLAN, SERVER)
    request = next(conversation)
    bodies = 0
    session: Optional[Session] = None
    while session is None:
        if isinstance(request, Connect):
            answer = Connected(0.0, addresses=("192.0.2.1", "192.0.2.9"))
        elif isinstance(request, Command):
            bodies += b"\r\n.\r\n" in request.data
            answer = Replied(0.0, reply=next(answers))
        else:
            answer = Time()
        try:
            request = conversation.send(answer)
        except StopIteration as end:
            session = end.value
    codes = {each.stage: each.reply.code for each in session.outcomes if each.reply}
    accepted = session.failure is None
    assert accepted == (
        [codes.get(stage) in PASSES[stage] for stage, _ in STAGES] == [True] * len(STAGES)
    )
    assert bodies == (codes.get(Stage.DATA) == 354)


# STARTTLS.

STARTTLS = PLAN._replace(tls=Tls.STARTTLS)
OFFERED = f"{EHLO}|STARTTLS|XRDST"
INSIDE = f"{EHLO}|SIZE"


def test_after_a_failed_handshake_not_a_word() -> None:
    """QUIT would go out in clear text, into the middle of a handshake."""
    fault = Fault(Cause.TLS, "handshake failed: wrong version number")
    talk = Talk([BANNER, OFFERED, "220 ready", fault], STARTTLS)
    assert talk.sent[-1] == "(closes)"
    assert talk.outcome(Stage.STARTTLS) == (Verdict.BROKEN, None)


def test_tls_from_the_first_byte() -> None:
    """The handshake comes before the banner, for the name that was asked for."""
    plan = PLAN._replace(tls=Tls.IMPLICIT, tls_name="mail.contoso.com")
    talk = Talk([SECURITY, *ACCEPTED, GOODBYE], plan)
    assert talk.sent[0] == "(TLS for mail.contoso.com)"
    assert talk.stages == "connect starttls banner ehlo mail rcpt data message quit"
    cut = Talk([SECURITY, BANNER, GOODBYE], plan._replace(until=Stage.STARTTLS))
    assert (cut.stages, cut.sent[1:]) == ("connect starttls quit", ["QUIT"])


UNTRUSTED = Fault(Cause.CERTIFICATE, "the certificate has expired")


@pytest.mark.parametrize("answers", [[LOST, LOST], ["421 4.3.2 Too many connections", GOODBYE]])
def test_the_second_connection_may_fail(answers) -> None:
    """As the first one could."""
    talk = Talk([BANNER, OFFERED, "220 ready", UNTRUSTED, *answers], STARTTLS)
    assert talk.session.failure is not None
    assert talk.session.failure.stage is Stage.BANNER
    assert talk.session.security is None


def test_the_turn_of_a_server_includes_both_connections() -> None:
    """When others wait for its end."""
    conversation = walk(STARTTLS, SERVER, turn=10.0)
    request: Any = next(conversation)
    left = []
    answers = iter([reply(BANNER), reply(OFFERED), reply("220 ready")])
    while len(left) < 6:
        left.append(request.patience)
        if isinstance(request, Connect):
            request = conversation.send(Connected(0.5, addresses=("192.0.2.1", "192.0.2.9")))
        elif isinstance(request, StartTls):
            assert isinstance(conversation.send(Secured(1.0, UNTRUSTED)), Close)
            request = conversation.send(Time())
        else:
            request = conversation.send(Replied(1.0, reply=next(answers, reply(BANNER))))
    assert left == [10.0, 9.5, 8.5, 7.5, 6.5, 5.5]


def test_nothing_is_said_in_plain_text_where_tls_comes_first() -> None:
    talk = Talk([], PLAN._replace(tls=Tls.IMPLICIT, until=Stage.CONNECT))
    assert (talk.stages, talk.sent) == ("connect", ["(closes)"])


def test_nothing_is_said_before_the_greeting() -> None:
    """RFC 5321 4.3.1: whoever does is a spammer to some servers."""
    silence = Fault(Cause.SILENT, "within 2s")
    talk = Talk([silence], PLAN._replace(until=Stage.CONNECT))
    assert (talk.stages, talk.sent) == ("connect", ["(closes)"])


@pytest.mark.parametrize("until", [Stage.MAIL, Stage.RCPT])
def test_a_silent_rset_costs_no_time_of_the_test(until: Stage) -> None:
    """Its reply, if it came late, would be taken for that to QUIT."""
    number = {Stage.MAIL: 3, Stage.RCPT: 4}[until]
    silence = Fault(Cause.SILENT, "within 2s")
    talk = Talk([*ACCEPTED[:number], silence], PLAN._replace(until=until))
    assert talk.sent[-2:] == ["RSET", "(closes)"]
    assert talk.session.failure is None
    assert talk.session.seconds == pytest.approx(
        sum(each.seconds for each in talk.session.outcomes)
    )
