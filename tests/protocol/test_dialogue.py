"""The dialogue without a socket: what is sent, what is judged, and what is not sent any more."""

from __future__ import annotations

import base64
import re
import socket
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dialogue_server import DialogueServer, Line, lines_of
from support.scripted_server import run_plugin

from exchange_mailaccept.protocol.auth import Credentials
from exchange_mailaccept.protocol.dialogue import Plan, walk
from exchange_mailaccept.protocol.message import Content, Envelope
from exchange_mailaccept.protocol.reply import Reply
from exchange_mailaccept.protocol.requests import (
    Close,
    Command,
    Connect,
    Connected,
    Done,
    Replied,
    Secured,
    StartTls,
)
from exchange_mailaccept.protocol.stages import Fault, Security, Server, Session
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
            return Done()
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


def test_the_whole_test_in_its_order() -> None:
    """One command at a time, the message with its final dot in one flight, QUIT."""
    talk = Talk([*ACCEPTED, GOODBYE])
    assert commands(talk) == [
        "EHLO probe.fabrikam.com",
        "MAIL FROM:<probe@fabrikam.com>",
        "RCPT TO:<postmaster@contoso.com>",
        "DATA",
        "(message)",
        "QUIT",
    ]
    assert talk.sent[4].endswith("\r\n.")
    assert talk.stages == "connect banner ehlo mail rcpt data message quit"


def test_seconds_add_up_to_the_last_reply_before_quit() -> None:
    """The connection took 0.5 s here, and each reply 1 s."""
    talk = Talk([*ACCEPTED, GOODBYE])
    assert talk.session.seconds == 6.5
    assert [each.seconds for each in talk.session.outcomes] == [0.5, 1, 1, 1, 1, 1, 1, 1]


def test_quit_goes_with_the_final_dot_where_pipelining_is_offered() -> None:
    """RFC 2920 3.1: a round trip less, and no other time is falsified."""
    talk = Talk([BANNER, f"{EHLO}|PIPELINING", *ACCEPTED[2:], GOODBYE])
    assert talk.sent[-1].endswith("\r\n.\r\nQUIT")
    assert talk.stages == "connect banner ehlo mail rcpt data message quit"


def test_no_notification_is_asked_for_where_dsn_is_offered() -> None:
    """RFC 3461 4.1."""
    talk = Talk([BANNER, f"{EHLO}|DSN", *ACCEPTED[2:], GOODBYE])
    assert talk.sent[2] == "RCPT TO:<postmaster@contoso.com> NOTIFY=NEVER"


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
    """The server knows EHLO, and does not want us."""
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


#: A reply that neither passes the stage nor leads to HELO.
WRONG = [
    (at, code)
    for at, (stage, _) in enumerate(STAGES)
    for code in CODES
    if code not in PASSES[stage] and not (stage is Stage.EHLO and code in (500, 502))
]


@pytest.mark.parametrize(("at", "code"), WRONG)
def test_each_reply_is_judged_at_its_own_stage(at: int, code: int) -> None:
    """What passes one stage passes no other, and nothing that depended on it is sent."""
    stage, _ = STAGES[at]
    talk = Talk([*ACCEPTED[:at], f"{code} So be it", GOODBYE])
    assert talk.outcome(stage) == (VERDICTS[code // 100], f"{code} So be it")
    expected = [command for _, sent in STAGES[: at + 1] for command in sent]
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


def test_251_passes_rcpt() -> None:
    """RFC 5321 3.4: not local, will forward."""
    talk = Talk([*ACCEPTED[:3], "251 User not local; will forward", *ACCEPTED[4:], GOODBYE])
    assert talk.session.failure is None


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
    """RSET ends a transaction that was begun."""
    # The greeting is heard out in any case: before it QUIT would be out of place.
    number = {Stage.CONNECT: 1, Stage.BANNER: 1, Stage.EHLO: 2, Stage.MAIL: 3, Stage.RCPT: 4}[until]
    reset = ["250 2.0.0 Resetting"] if "RSET" in sent else []
    talk = Talk([*ACCEPTED[:number], *reset, GOODBYE], PLAN._replace(until=until))
    assert talk.sent == [*sent, "QUIT"]


def test_until_data_leaves_without_a_word() -> None:
    """A QUIT would be the first line of the message."""
    talk = Talk(ACCEPTED[:5], PLAN._replace(until=Stage.DATA))
    assert talk.sent[-2:] == ["DATA", "(closes)"]


def test_a_non_ascii_mailbox_needs_smtputf8() -> None:
    """RFC 6531 3.4: without it nothing is sent that the server could not read."""
    plan = PLAN._replace(envelope=Envelope("probe@fabrikam.com", "j\u00f6rg@contoso.com"))
    talk = Talk([*OPENING, GOODBYE], plan)
    assert talk.sent == ["EHLO probe.fabrikam.com", "QUIT"]
    assert talk.outcome(Stage.MAIL) == (Verdict.MISSING, None)
    talk = Talk([BANNER, f"{EHLO}|SMTPUTF8", *ACCEPTED[2:], GOODBYE], plan)
    assert talk.sent[1] == "MAIL FROM:<probe@fabrikam.com> SMTPUTF8"


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
    """The connection was refused."""
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
            answer = Done()
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


def test_starttls_forgets_what_was_offered_before() -> None:
    """RFC 3207 4.2."""
    talk = Talk(
        [BANNER, OFFERED, "220 2.0.0 ready", SECURITY, INSIDE, *ACCEPTED[2:], GOODBYE], STARTTLS
    )
    assert talk.sent[:4] == [
        "EHLO probe.fabrikam.com",
        "STARTTLS",
        "(TLS for mail1.contoso.com)",
        "EHLO probe.fabrikam.com",
    ]
    assert list(talk.session.extensions.keywords) == ["SIZE"]
    outcome = talk.session.outcome(Stage.STARTTLS)
    assert outcome is not None
    assert outcome.seconds == 3
    assert talk.session.security == SECURITY


def test_starttls_if_offered() -> None:
    """As senders on the Internet do."""
    plan = PLAN._replace(tls=Tls.IF_OFFERED)
    assert (
        Talk([*ACCEPTED, GOODBYE], plan).stages == "connect banner ehlo mail rcpt data message quit"
    )
    talk = Talk([BANNER, OFFERED, "220 ready", SECURITY, INSIDE, *ACCEPTED[2:], GOODBYE], plan)
    assert talk.stages == "connect banner ehlo starttls mail rcpt data message quit"


def test_starttls_that_is_not_offered_is_missing() -> None:
    """And nothing goes out in clear text instead."""
    talk = Talk([*OPENING, GOODBYE], STARTTLS)
    assert talk.outcome(Stage.STARTTLS) == (Verdict.MISSING, None)
    assert talk.sent == ["EHLO probe.fabrikam.com", "QUIT"]


@pytest.mark.parametrize("said", ["454 4.7.0 TLS not available", "500 5.3.3 What?", "250 ready"])
def test_a_refused_starttls_is_judged_by_its_reply(said: str) -> None:
    """220 and nothing else."""
    talk = Talk([BANNER, OFFERED, said, GOODBYE], STARTTLS)
    assert talk.outcome(Stage.STARTTLS) == (VERDICTS[int(said[0])], said)


def test_after_a_failed_handshake_not_a_word() -> None:
    """QUIT would go out in clear text, into the middle of a handshake."""
    fault = Fault(Cause.TLS, "handshake failed: wrong version number")
    talk = Talk([BANNER, OFFERED, "220 ready", fault], STARTTLS)
    assert talk.sent[-1] == "(closes)"
    assert talk.outcome(Stage.STARTTLS) == (Verdict.BROKEN, None)


def test_ehlo_after_tls_belongs_to_starttls() -> None:
    """There is no HELO instead of it: the server has said that it can do better."""
    talk = Talk([BANNER, OFFERED, "220 ready", SECURITY, "500 What?", GOODBYE], STARTTLS)
    assert talk.outcome(Stage.STARTTLS) == (Verdict.REFUSED, "500 What?")


def test_tls_from_the_first_byte() -> None:
    """The handshake comes before the banner, for the name that was asked for."""
    plan = PLAN._replace(tls=Tls.IMPLICIT, tls_name="mail.contoso.com")
    talk = Talk([SECURITY, *ACCEPTED, GOODBYE], plan)
    assert talk.sent[0] == "(TLS for mail.contoso.com)"
    assert talk.stages == "connect starttls banner ehlo mail rcpt data message quit"
    cut = Talk([SECURITY, BANNER, GOODBYE], plan._replace(until=Stage.STARTTLS))
    assert (cut.stages, cut.sent[1:]) == ("connect starttls quit", ["QUIT"])


UNTRUSTED = Fault(Cause.CERTIFICATE, "the certificate has expired")


def test_a_certificate_that_fails_verification_does_not_end_the_test() -> None:
    """The walk begins anew, and of the first one only the reason is left."""
    again = [BANNER, OFFERED, "220 ready", SECURITY, INSIDE, *ACCEPTED[2:], GOODBYE]
    talk = Talk([BANNER, OFFERED, "220 ready", UNTRUSTED, *again], STARTTLS)
    assert talk.sent[:8] == [
        *("EHLO probe.fabrikam.com", "STARTTLS", "(TLS for mail1.contoso.com)", "(closes)"),
        *("EHLO probe.fabrikam.com", "STARTTLS", "(TLS for mail1.contoso.com, unverified)"),
        "EHLO probe.fabrikam.com",
    ]
    assert talk.stages == "connect banner ehlo starttls mail rcpt data message quit"
    assert talk.session.security == SECURITY._replace(untrusted="the certificate has expired")
    # 0.5 s to connect, a second for each of the other nine answers before QUIT.
    assert talk.session.seconds == 9.5
    assert ("~", "connecting once more, without verification") in [
        (line.speaker, line.text) for line in talk.session.transcript
    ]


def test_with_verify_a_certificate_that_fails_verification_ends_the_test() -> None:
    talk = Talk([BANNER, OFFERED, "220 ready", UNTRUSTED], STARTTLS._replace(verify=True))
    assert talk.sent[-1] == "(closes)"
    assert talk.stages == "connect banner ehlo starttls=broken"


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
            request = conversation.send(Done())
        else:
            request = conversation.send(Replied(1.0, reply=next(answers, reply(BANNER))))
    assert left == [10.0, 9.5, 8.5, 7.5, 6.5, 5.5]


def test_nothing_is_said_in_plain_text_where_tls_comes_first() -> None:
    """Not even QUIT."""
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


# AUTH.

SECRET = "s3cr3t-of-the-probe"
PLAIN = base64.b64encode(f"\0probe\0{SECRET}".encode()).decode()
XOAUTH2 = base64.b64encode(b"user=probe\1auth=Bearer eyJ0b2tlbg\1\1").decode()


def logging_on(offered: str, answers: list[Any], **how: Any) -> Talk:
    """A walk that logs on inside TLS."""
    given = {"mechanism": "AUTO", "user": "probe", "password": SECRET, **how}
    plan = STARTTLS._replace(credentials=Credentials(**given))
    inside = f"{EHLO}|AUTH {offered}"
    return Talk([BANNER, OFFERED, "220 ready", SECURITY, inside, *answers], plan)


DONE = "235 2.7.0 Authentication successful"


def test_plain() -> None:
    """RFC 4616: the secret in the command itself."""
    talk = logging_on("PLAIN LOGIN", [DONE, *ACCEPTED[2:], GOODBYE])
    assert talk.sent[4] == f"AUTH PLAIN {PLAIN}"
    assert talk.stages == "connect banner ehlo starttls auth mail rcpt data message quit"


def test_login() -> None:
    """Name and password at their prompts."""
    prompts = ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", DONE]
    talk = logging_on("NTLM LOGIN", [*prompts, *ACCEPTED[2:], GOODBYE], mechanism="LOGIN")
    secret = base64.b64encode(SECRET.encode()).decode()
    assert talk.sent[4:7] == ["AUTH LOGIN", "cHJvYmU=", secret]


def test_a_token_is_preferred() -> None:
    """It expires, a password does not."""
    offered = "LOGIN XOAUTH2"
    talk = logging_on(offered, [DONE, *ACCEPTED[2:], GOODBYE], token="eyJ0b2tlbg")
    assert talk.sent[4] == f"AUTH XOAUTH2 {XOAUTH2}"


def test_the_reason_of_a_refused_token_is_told() -> None:
    """It comes as a challenge, and the refusal after an empty response; the token is masked."""
    why = base64.b64encode(b'{"status":"400","token":"eyJ0b2tlbg"}').decode()
    refused = "535 5.7.3 Authentication unsuccessful"
    talk = logging_on("XOAUTH2", [f"334 {why}", refused, GOODBYE], token="eyJ0b2tlbg")
    assert talk.sent[4:7] == [f"AUTH XOAUTH2 {XOAUTH2}", "", "QUIT"]
    outcome = talk.session.outcome(Stage.AUTH)
    assert outcome is not None
    assert (outcome.verdict, str(outcome.reply)) == (Verdict.REFUSED, refused)
    assert outcome.explanation == (
        """AUTH XOAUTH2, the server's reason: {"status":"400","token":"****"}"""
    )


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("535 5.7.3 Authentication unsuccessful", Verdict.REFUSED),
        ("504 5.7.4 Unrecognized authentication type", Verdict.REFUSED),
        ("454 4.7.0 Temporary authentication failure", Verdict.DEFERRED),
        ("250 OK", Verdict.BROKEN),
        (LOST, Verdict.BROKEN),
    ],
)
def test_a_logon_that_fails_is_judged(said: Any, verdict: Verdict) -> None:
    """And no mail is tried without it."""
    talk = logging_on("PLAIN", [said, GOODBYE])
    found = talk.session.outcome(Stage.AUTH)
    assert found is not None
    assert found.verdict is verdict
    assert talk.sent[5:] == ["QUIT"]


@pytest.mark.parametrize(
    ("challenges", "why"),
    [
        (["334 not base64!"], "the challenge is not valid base64: 334 not base64!"),
        (["334 VXNlcm5hbWU6"] * 3, "the server went on asking"),
    ],
)
def test_a_challenge_that_makes_no_sense_is_broken_off(challenges: list[str], why: str) -> None:
    """RFC 4954 4: with an asterisk."""
    talk = logging_on("LOGIN", [*challenges, "501 5.5.2 Cancelled", GOODBYE])
    assert talk.sent[-2:] == ["*", "QUIT"]
    outcome = talk.session.outcome(Stage.AUTH)
    assert outcome is not None
    assert (outcome.verdict, outcome.explanation) == (Verdict.BROKEN, why)


def test_a_mechanism_that_is_not_offered_is_missing() -> None:
    """With what is."""
    talk = logging_on("GSSAPI NTLM", [GOODBYE], mechanism="LOGIN")
    outcome = talk.session.outcome(Stage.AUTH)
    assert outcome is not None
    assert outcome.verdict is Verdict.MISSING
    assert outcome.explanation == "does not offer AUTH LOGIN but GSSAPI NTLM"


def test_no_secret_goes_out_without_tls() -> None:
    """Not even to a server that would take it."""
    credentials = Credentials("PLAIN", "probe", SECRET)
    answers = [BANNER, f"{EHLO}|AUTH PLAIN"]
    plan = PLAN._replace(credentials=credentials, tls=Tls.IF_OFFERED)
    talk = Talk([*answers, GOODBYE], plan)
    assert talk.outcome(Stage.AUTH) == (Verdict.MISSING, None)
    assert talk.sent == ["EHLO probe.fabrikam.com", "QUIT"]
    plan = PLAN._replace(credentials=credentials._replace(without_tls=True))
    talk = Talk([*answers, DONE, *ACCEPTED[2:], GOODBYE], plan)
    assert talk.sent[1] == f"AUTH PLAIN {PLAIN}"


def test_auth_offered_before_tls_and_not_inside_is_missing() -> None:
    """Somebody has taken it away."""
    plan = STARTTLS._replace(credentials=Credentials("PLAIN", "probe", SECRET))
    before = f"{EHLO}|STARTTLS|AUTH PLAIN"
    talk = Talk([BANNER, before, "220 ready", SECURITY, INSIDE, GOODBYE], plan)
    outcome = talk.session.outcome(Stage.AUTH)
    assert outcome is not None
    assert outcome.explanation == (
        "does not offer AUTH PLAIN inside TLS, though it offered AUTH before"
    )


ECHOES = [SECRET, PLAIN, PLAIN.rstrip("="), base64.b64encode(SECRET.encode()).decode()]


@pytest.mark.parametrize("echo", ECHOES)
def test_a_secret_that_the_server_echoes_is_masked(echo: str) -> None:
    """In outcomes and transcript, whatever it looks like."""
    talk = logging_on("PLAIN", [f"535 5.7.3 {echo} is|wrong: {echo}", GOODBYE])
    shown = f"{talk.session.outcomes} {talk.session.transcript}"
    assert echo not in shown
    assert "****" in shown


def test_a_secret_that_was_cut_is_masked() -> None:
    """A quotation ends where it is long enough, maybe in the middle of a secret."""
    cut = Fault(Cause.NOT_SMTP, f"not an SMTP reply: 'auth {PLAIN[:-6]}...'", f"auth {PLAIN}")
    talk = logging_on("PLAIN", [cut, GOODBYE])
    assert PLAIN[:12] not in f"{talk.session.outcomes} {talk.session.transcript}"


# Whole dialogues, over a real connection and with the plugin as Nagios runs it.


class Written(NamedTuple):
    """A dialogue with what is to come of it."""

    arguments: tuple[str, ...]
    exit_code: int
    line: str
    lines: tuple[Line, ...]


DIALOGUES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))


def written(path: Path) -> Written:
    text = path.read_text(encoding="utf-8")
    head = dict(re.findall("^# (run|exit|line): (.*)$", text, re.MULTILINE))
    arguments = tuple(head.get("run", "").split())
    return Written(arguments, int(head["exit"]), head["line"], lines_of(text))


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_a_written_dialogue(path: Path) -> None:
    """State, first line and every word that is said, to the end of the connection."""
    arguments, exit_code, line, lines = written(path)
    server = DialogueServer(lines)
    run = run_plugin(
        "-H", "127.0.0.1", "-p", str(server.port), "-r", "postmaster@contoso.com",
        "-F", "probe.client.example", *arguments,
    )  # fmt: skip
    server.close()
    first = run.masked.partition("\n")[0].partition(" | ")[0]
    first = first.replace(f"port {server.port}", "port PORT")
    assert server.mismatches == []
    assert (run.exit_code, first, run.stderr) == (exit_code, line, "")


def test_a_client_that_says_something_else_is_noticed() -> None:
    """The server would prove nothing if it took everything."""
    server = DialogueServer(lines_of("S: 220 ready\nC: EHLO probe.client.example\nS: 250 OK"))
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"HELO probe.client.example\r\n")
        client.shutdown(socket.SHUT_WR)
        client.recv(100)
    server.close()
    assert server.mismatches == [
        "expected 'EHLO probe.client.example', heard b'HELO probe.client.example\\r\\n'"
    ]


def test_a_client_that_says_more_is_noticed() -> None:
    """Also after the last line of the dialogue."""
    server = DialogueServer(lines_of("S: 220 ready"))
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"QUIT\r\n")
        client.shutdown(socket.SHUT_WR)
        client.recv(100)
    server.close()
    assert server.mismatches == ["expected nothing more, heard b'QUIT\\r\\n'"]
