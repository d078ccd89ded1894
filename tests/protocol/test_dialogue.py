"""The dialogue without a socket: what is sent, what is judged, and what is not sent any more."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.outcomes import reply

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
from exchange_mailaccept.protocol.security import Security
from exchange_mailaccept.vocabulary import Cause, Stage, Tls, Verdict

PLAN = Plan(
    Envelope("probe@fabrikam.com", "postmaster@contoso.com"),
    "probe.fabrikam.com",
    Content(),
    "<1@fabrikam.com>",
    0.0,
)
CONNECTED = Connected(0.5, addresses=("192.0.2.1", "192.0.2.9"))
SECURITY = Security("TLSv1.3", "TLS_AES_256_GCM_SHA384", False)
LOST = Fault(Cause.CLOSED, "connection closed by the server")
SILENCE = Fault(Cause.SILENT, "within 5s")

BANNER = "220 mail1.contoso.com Microsoft ESMTP MAIL Service ready"
EHLO = "250 mail1.contoso.com Hello [192.0.2.9]"
ACCEPTED = [
    BANNER,
    EHLO,
    "250 2.1.0 Sender OK",
    "250 2.1.5 Recipient OK",
    "354 Start",
    "250 2.6.0 OK",
]
RESET = "250 2.0.0 Resetting"
GOODBYE = "221 2.0.0 Service closing transmission channel"
#: What is sent before each of those replies.
SENT = [
    *("EHLO probe.fabrikam.com", "MAIL FROM:<probe@fabrikam.com>"),
    *("RCPT TO:<postmaster@contoso.com>", "DATA", "(message)"),
]


class Talk:
    """A walk against a list of answers: replies as text, faults, and for STARTTLS a Security."""

    def __init__(
        self,
        answers: list[Any],
        plan: Plan = PLAN,
        connected: Connected = CONNECTED,
        turn: Optional[float] = None,
    ) -> None:
        self.unheard = list(answers)
        self.sent: list[str] = []
        #: How long each request but Close may take.
        self.patience: list[float] = []
        self._connected = connected
        conversation = walk(plan, Server("mail1.contoso.com", ("192.0.2.1",), 25), turn)
        request = next(conversation)
        try:
            while True:
                request = conversation.send(self._answer(request))
        except StopIteration as end:
            self.session: Session = end.value

    def _answer(self, request: Any) -> Any:
        if isinstance(request, Close):
            self.sent.append("(closes)")
            return Time()
        self.patience.append(request.patience)
        if isinstance(request, Connect):
            return self._connected
        if isinstance(request, StartTls):
            unverified = "" if request.verify else ", unverified"
            self.sent.append(f"(TLS for {request.server_name}{unverified})")
        elif request.data:
            text = request.data.decode().rstrip("\r\n")
            if text.startswith("From:"):
                text = "(message)" + text.partition("\r\n.")[2]
            self.sent.append(text)
        answer = self.unheard.pop(0)
        if isinstance(answer, Fault):
            return (Secured if isinstance(request, StartTls) else Replied)(1.0, answer)
        if isinstance(answer, Security):
            return Secured(1.0, security=answer)
        assert isinstance(request, Command)
        return Replied(1.0, reply=reply(answer))

    @property
    def stages(self) -> str:
        """The stages reached, each with its verdict unless it passed."""
        return " ".join(
            outcome.stage.value + ("" if outcome.passed else f"={outcome.verdict.value}")
            for outcome in self.session.outcomes
        )


def talked(*arguments: Any, **named: Any) -> Talk:
    """A walk in which the client has heard all answers."""
    talk = Talk(*arguments, **named)
    assert talk.unheard == []
    return talk


def test_seconds_add_up_to_the_last_reply_before_quit():
    session = talked([*ACCEPTED, GOODBYE]).session
    assert session.seconds == 6.5
    assert [outcome.seconds for outcome in session.outcomes] == [0.5, 1, 1, 1, 1, 1, 1, 1]


def test_quit_goes_with_the_final_dot_where_pipelining_is_offered():
    """RFC 2920 3.1: a round trip less, and no other time is falsified."""
    talk = talked([BANNER, f"{EHLO}|PIPELINING", *ACCEPTED[2:], GOODBYE])
    assert talk.sent == [*SENT[:4], "(message)\r\nQUIT"]
    assert talk.stages == "connect banner ehlo mail rcpt data message quit"


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ("500 What?", "500 What?"),
        ("502 What?", "502 What?"),
        # As an old PIX answers.
        (Fault(Cause.BARE_OK, "not an SMTP reply: 'OK'", "OK"), "OK"),
    ],
)
def test_helo_after_a_refused_ehlo(answer, refusal):
    """RFC 5321 4.1.4; what the firewall said is kept as the reason."""
    talk = talked([BANNER, answer, "250 mail1", *ACCEPTED[2:], GOODBYE])
    assert talk.sent[:2] == ["EHLO probe.fabrikam.com", "HELO probe.fabrikam.com"]
    ehlo = talk.session.outcome(Stage.EHLO)
    assert ehlo.explanation == f"EHLO was refused ({refusal}), HELO was tried"
    assert ehlo.seconds == 2
    assert talk.session.extensions.keywords == {}


STAGES = [Stage.BANNER, Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE]
PASSES = [{220}, {250}, {250}, {250, 251}, {354}, {250}]
CODES = {200, 211, 220, 221, 235, 250, 251, 252, 299, 334, 354, 421, 450, 451, 452, 500, 501, 502}
CODES |= {503, 504, 550, 554}
VERDICTS = {2: Verdict.BROKEN, 3: Verdict.BROKEN, 4: Verdict.DEFERRED, 5: Verdict.REFUSED}


@pytest.mark.parametrize("at", range(6), ids=[stage.value for stage in STAGES])
def test_a_reply_is_judged_at_its_own_stage(at):
    """What passes one stage passes no other, and nothing that depended on it is sent."""
    # EHLO refused with 500 or 502 leads to HELO.
    for code in CODES - PASSES[at] - ({500, 502} if at == 1 else set()):
        talk = talked([*ACCEPTED[:at], f"{code} So be it", GOODBYE])
        outcome = talk.session.outcome(STAGES[at])
        assert (outcome.verdict, str(outcome.reply)) == (VERDICTS[code // 100], f"{code} So be it")
        assert talk.sent == [*SENT[:at], "QUIT"]


@pytest.mark.parametrize("at", range(6), ids=[stage.value for stage in STAGES])
@pytest.mark.parametrize("fault", [LOST, SILENCE])
def test_a_fault_ends_the_walk_at_its_stage(at, fault):
    """After the dot nobody knows what became of the message: not one more word."""
    mute = STAGES[at] is Stage.MESSAGE
    talk = talked([*ACCEPTED[:at], fault, *([] if mute else [LOST])])
    outcome = talk.session.outcome(STAGES[at])
    assert (outcome.verdict, outcome.reply) == (fault.verdict, None)
    assert talk.sent == [*SENT[:at], "(closes)" if mute else "QUIT"]


@pytest.mark.parametrize(
    ("farewell", "quit_"),
    [
        ("221 Bye", "quit"),
        ("500 What?", "quit=broken"),
        (LOST, "quit=broken"),
        (SILENCE, "quit=timeout"),
    ],
)
def test_quit_never_changes_the_verdict(farewell, quit_):
    """The message was accepted; how the server says good-bye is its own affair."""
    talk = talked([*ACCEPTED, farewell])
    assert talk.session.failure is None
    assert talk.stages == f"connect banner ehlo mail rcpt data message {quit_}"


IMPLICIT = PLAN._replace(tls=Tls.IMPLICIT, tls_name="mail.contoso.com")


@pytest.mark.parametrize(
    ("plan", "until", "answers", "sent"),
    [
        # The greeting is heard out in any case: before it QUIT would be out of place.
        (PLAN, Stage.CONNECT, [BANNER, GOODBYE], ["QUIT"]),
        # RFC 5321 4.3.1: whoever speaks first is a spammer to some servers.
        (PLAN, Stage.CONNECT, [SILENCE], ["(closes)"]),
        (PLAN, Stage.BANNER, [BANNER, GOODBYE], ["QUIT"]),
        (PLAN, Stage.EHLO, [*ACCEPTED[:2], GOODBYE], [*SENT[:1], "QUIT"]),
        (PLAN, Stage.MAIL, [*ACCEPTED[:3], RESET, GOODBYE], [*SENT[:2], "RSET", "QUIT"]),
        (PLAN, Stage.RCPT, [*ACCEPTED[:4], RESET, GOODBYE], [*SENT[:3], "RSET", "QUIT"]),
        # The reply to RSET, if it came late, would be taken for that to QUIT.
        (PLAN, Stage.MAIL, [*ACCEPTED[:3], SILENCE], [*SENT[:2], "RSET", "(closes)"]),
        (PLAN, Stage.RCPT, [*ACCEPTED[:4], SILENCE], [*SENT[:3], "RSET", "(closes)"]),
        # QUIT would be the first line of the message.
        (PLAN, Stage.DATA, ACCEPTED[:5], [*SENT[:4], "(closes)"]),
        # Nothing is said in plain text where TLS comes first.
        (IMPLICIT, Stage.CONNECT, [], ["(closes)"]),
        (IMPLICIT, Stage.STARTTLS, [SECURITY, BANNER, GOODBYE],
         ["(TLS for mail.contoso.com)", "QUIT"]),
    ],
    ids=["connect", "connect to silence", "banner", "ehlo", "mail", "rcpt", "mail, RSET unanswered",
         "rcpt, RSET unanswered", "data", "connect, TLS first", "TLS first"],
)  # fmt: skip
def test_until(plan, until, answers, sent):
    """How the client leaves takes no time of the test."""
    talk = talked(answers, plan._replace(until=until))
    assert talk.sent == sent
    assert talk.session.failure is None
    assert talk.session.seconds == sum(
        outcome.seconds for outcome in talk.session.outcomes if outcome.stage is not Stage.QUIT
    )


@pytest.mark.parametrize(
    ("own", "name"), [("192.0.2.9", "[192.0.2.9]"), ("fe80::1%eth0", "[IPv6:fe80::1]")]
)
def test_without_a_name_ehlo_has_an_address_literal(own, name):
    """RFC 5321 4.1.3; the zone means nothing to the other side."""
    connected = Connected(0.0, addresses=("192.0.2.1", own))
    plan = PLAN._replace(ehlo_name="", until=Stage.EHLO)
    assert talked([*ACCEPTED[:2], GOODBYE], plan, connected).sent == [f"EHLO {name}", "QUIT"]


def test_nobody_is_bid_farewell_who_was_never_met():
    talk = talked([], connected=Connected(0.1, Fault(Cause.REFUSED, "connection refused")))
    assert (talk.stages, talk.sent) == ("connect=broken", [])


@given(st.lists(st.tuples(st.integers(200, 599), st.text(max_size=8)), min_size=8, max_size=8))
def test_whatever_a_server_replies_the_walk_tells_the_truth(said):
    """The message is accepted only after 220, 250, 250, 250 or 251, 354 and 250."""
    talk = Talk([f"{code} {text}" for code, text in said])
    outcomes = [talk.session.outcome(stage) for stage in STAGES]
    codes = [outcome.reply.code if outcome else None for outcome in outcomes]
    accepted = all(code in passing for code, passing in zip(codes, PASSES))
    assert (talk.session.failure is None) == accepted
    assert ("(message)" in " ".join(talk.sent)) == (codes[4] == 354)


# STARTTLS.

STARTTLS = PLAN._replace(tls=Tls.STARTTLS)
UP_TO_TLS = [BANNER, f"{EHLO}|STARTTLS|XRDST", "220 ready"]
UNTRUSTED = Fault(Cause.CERTIFICATE, "the certificate has expired")


def test_after_a_failed_handshake_not_a_word():
    """QUIT would go out in clear text, into the middle of a handshake."""
    talk = talked([*UP_TO_TLS, Fault(Cause.TLS, "handshake failed")], STARTTLS)
    assert talk.sent[-1] == "(closes)"
    assert talk.stages == "connect banner ehlo starttls=broken"


def test_tls_from_the_first_byte():
    """The handshake comes before the banner, for the name that was asked for."""
    talk = talked([SECURITY, *ACCEPTED, GOODBYE], IMPLICIT)
    assert talk.sent[0] == "(TLS for mail.contoso.com)"
    assert talk.stages == "connect starttls banner ehlo mail rcpt data message quit"


@pytest.mark.parametrize("answers", [[LOST, LOST], ["421 4.3.2 Too many connections", GOODBYE]])
def test_the_second_connection_may_fail(answers):
    """As the first one could."""
    session = talked([*UP_TO_TLS, UNTRUSTED, *answers], STARTTLS).session
    assert session.failure.stage is Stage.BANNER
    assert session.security is None


def test_the_turn_of_a_server_includes_both_connections():
    """When others wait for its end."""
    talk = talked([*UP_TO_TLS, UNTRUSTED, LOST, LOST], STARTTLS, turn=10.0)
    assert talk.patience[:7] == [10.0, 9.5, 8.5, 7.5, 6.5, 5.5, 5.0]
