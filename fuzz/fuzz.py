#!/usr/bin/env python3
"""Coverage-guided fuzzing of the readers of replies: ``fuzz.py TARGET [LIBFUZZER-ARGUMENT...]``.

Targets: reply, dialogue, dns, printable.  Each asserts properties that hold for every input; an
exception that is not documented is a finding.  Needs the package atheris; see run.sh.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Union

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["exchange_mailaccept"]):
    from exchange_mailaccept.exchange import delays, masks  # noqa: F401 two are found in Python's table
    from exchange_mailaccept.protocol import mx
    from exchange_mailaccept.protocol import reply as reply_module
    from exchange_mailaccept.protocol.auth import Credentials
    from exchange_mailaccept.protocol.conversation import (
        Close,
        Command,
        Connect,
        Connected,
        Fault,
        Replied,
        Server,
        Session,
        Target,
        Time,
    )
    from exchange_mailaccept.protocol.dialogue import walk
    from exchange_mailaccept.protocol.further_requests import Responses, Secured, StartTls
    from exchange_mailaccept.protocol.message import Content, Envelope, Plan
    from exchange_mailaccept.protocol.reply import ProtocolError, Reply, ReplyParser
    from exchange_mailaccept.protocol.security import Security
    from exchange_mailaccept.report import headline, lines
    from exchange_mailaccept.report import text as foreign_text
    from exchange_mailaccept.report.failure import failure
    from exchange_mailaccept.run.acceptance import Acceptance, examine
    from exchange_mailaccept.run.server_set import Member
    from exchange_mailaccept.vocabulary import Cause, Stage, Tls
# Of dnspython the code that reads responses, so that the fuzzer learns to make valid records;
# not what every query goes through as well, which would take most of the time.
with atheris.instrument_imports(include=["dns"], exclude=["dns.name", "dns.enum", "dns.set"]):
    import dns.message  # noqa: F401

#: Low enough for the fuzzer to reach them.
reply_module.MAX_LINE = 300
reply_module.MAX_REPLY = 2_000
reply_module.MAX_LINES = 40

SECRET = "correct horse battery"
PLAIN = Plan(
    Envelope("probe@fabrikam.com", "postmaster@contoso.com"),
    "probe.fabrikam.com",
    Content(),
    "<1@fabrikam.com>",
    0.0,
)
LOGON = Credentials("AUTO", "probe", SECRET, "", without_tls=True)
#: The first byte of the input of ``dialogue`` chooses one.
PLANS = (
    PLAIN,
    PLAIN._replace(tls=Tls.IF_OFFERED),
    PLAIN._replace(tls=Tls.STARTTLS, credentials=LOGON),
    PLAIN._replace(tls=Tls.IMPLICIT, until=Stage.RCPT),
    PLAIN._replace(credentials=LOGON),
    PLAIN._replace(credentials=LOGON._replace(mechanism="LOGIN"), until=Stage.AUTH),
    PLAIN._replace(credentials=LOGON._replace(mechanism="XOAUTH2", token=SECRET)),
    PLAIN._replace(until=Stage.DATA, transcript=False),
)
SERVER = Server("mail1.contoso.com", ("192.0.2.1",), 25)
TARGET = Target("contoso.com", "", 25)
MOST_QUESTIONS = 200


def replies_in(pieces: list[bytes]) -> list[object]:
    """The replies in ``pieces``, and the fault after them if there is one."""
    parser = ReplyParser()
    found: list[object] = []
    for piece in pieces:
        parser.feed(piece)
        try:
            while (reply := parser.next_reply()) is not None:
                found.append(reply)
        except ProtocolError as error:
            return [*found, str(error)]
    return found


def reply(data: bytes) -> None:
    """However the bytes are cut, the replies are the same, and within their limits."""
    whole = replies_in([data])
    size = 1 + data[0] % 7 if data else 1
    cut = replies_in([data[at : at + size] for at in range(0, len(data), size)])
    # The beginning of a line can be wrong before its end shows in which way.
    assert [each for each in whole if isinstance(each, Reply)] == [
        each for each in cut if isinstance(each, Reply)
    ]
    assert isinstance((whole or [None])[-1], str) == isinstance((cut or [None])[-1], str)
    for each in whole:
        if isinstance(each, Reply):
            assert 200 <= each.code <= 599
            assert 1 <= len(each.lines) <= reply_module.MAX_LINES
            assert sum(map(len, each.lines)) <= 4 * reply_module.MAX_REPLY
            assert each.enhanced.isascii()


def dialogue(data: bytes) -> None:
    """Whatever a server says, the walk ends, tells the truth, keeps SMTP's order and our secret."""
    plan = PLANS[data[0] % len(PLANS)] if data else PLAIN
    parser = ReplyParser()
    parser.feed(data[1:])
    sent: list[bytes] = []
    conversation = walk(plan, SERVER)
    try:
        request = next(conversation)
        while True:
            answer: Union[Connected, Replied, Secured, Time] = Time()
            if isinstance(request, Connect):
                answer = Connected(0.0, addresses=("192.0.2.1", "192.0.2.9"))
            elif isinstance(request, Command):
                sent.append(request.data)
                answer = next_answer(parser)
            elif isinstance(request, StartTls):
                answer = Secured(0.0, security=Security("TLSv1.3", "AES256", verified=False))
            else:
                assert isinstance(request, Close)
                sent.append(b"close")
            request = conversation.send(answer)
    except StopIteration as end:
        check_truth(end.value, sent)
        check_words(end.value, plan)


def next_answer(parser: ReplyParser) -> Replied:
    """The next reply, or the fault instead of it."""
    try:
        found = parser.next_reply()
    except ProtocolError as error:
        return Replied(0.0, Fault(Cause.NOT_SMTP, f"{error}: {error.received}"))
    if found is None:
        return Replied(0.0, Fault(Cause.CLOSED, "connection closed by the server"))
    return Replied(0.0, reply=found)


def check_truth(session: Session, sent: list[bytes]) -> None:
    """Compare a session with what was sent in it."""
    codes = {each.stage: each.reply.code for each in session.outcomes if each.reply is not None}
    message = session.outcome(Stage.MESSAGE)
    bodies = [at for at, each in enumerate(sent) if b"\r\n.\r\n" in each]
    assert len(bodies) == (0 if message is None else 1)
    if message is not None:
        assert (codes[Stage.BANNER], codes[Stage.DATA]) == (220, 354)
        # Nothing follows but QUIT, which may have been sent with the message.
        assert sent[bodies[0] + 1 :] in ([b"QUIT\r\n"], [b""], [b"close"], [])
        assert message.passed == (codes.get(Stage.MESSAGE) == 250)
    assert sum(each.startswith(b"MAIL FROM:") for each in sent) <= 1
    stopped = [each for each in session.outcomes if not each.passed]
    assert len([each for each in stopped if each.stage is not Stage.QUIT]) <= 1


def check_words(session: Session, plan: Plan) -> None:
    """Write the report of a session, and assert that everything in it is harmless text."""
    acceptance = Acceptance(None, (session,))
    examined = examine(Member("", acceptance), "auto", ())
    if acceptance.failure is None:
        first = headline.success(acceptance, plan, examined.keywords.generation)
    else:
        first = failure(acceptance, TARGET, plan)
    shown = lines.server_lines(examined, plan, full=True) + lines.transcript_lines([session])
    for line in (first, *shown):
        assert FORBIDDEN.search(line) is None, line
        assert SECRET not in line or plan.credentials is None, line


def keep_order(_hosts: list[mx.MailHost]) -> None:
    """Replace random.shuffle, so that a finding can be repeated."""


def dns_response(question: bytes, rest: bytes) -> tuple[bytes | None, bytes]:
    """The response to ``question`` that is next in ``rest``, and what is left of it.

    ``rest`` has its length, flags, numbers of records and records.  Id and question are correct,
    because a response with wrong ones is ignored; the highest bit of the length leaves out the
    question.  Without a length there is no response.
    """
    length = int.from_bytes(rest[:2], "big")
    body, rest = rest[2 : 2 + (length & 0x7FFF)], rest[2 + (length & 0x7FFF) :]
    if not body:
        return None, rest
    if length & 0x8000:
        return question[:2] + body, rest
    asked = question[12 : question.index(b"\0", 12) + 5]
    return question[:2] + body[:2] + b"\0\1" + body[2:8] + asked + body[8:], rest


def dns_answers(data: bytes) -> None:
    """Whatever name servers send, a lookup ends in a value or a fault, after a bounded effort."""
    name_servers = [("192.0.2.53", 53), ("192.0.2.54", 53)][: 1 + data[0] // 2 % 2 if data else 1]
    if data[:1] and data[0] % 2:
        asking = mx.addresses("mail1.contoso.com", name_servers)
    else:
        asking = mx.mail_hosts("contoso.com", name_servers, shuffle=keep_order)
    rest = data[1:]
    try:
        request = next(asking)
        for _ in range(MOST_QUESTIONS):
            responses = []
            for question in request.messages:
                response, rest = dns_response(question, rest)
                responses.append(response)
            request = asking.send(Responses(0.0, responses=tuple(responses)))
        raise AssertionError("the lookup does not end")
    except StopIteration as end:
        found = end.value
    if isinstance(found, mx.MailHosts):
        assert found.hosts
        assert all(host.name for host in found.hosts)
    elif isinstance(found, mx.Addresses):
        assert found.addresses
        assert all(IS_ADDRESS.fullmatch(each) for each in found.addresses)
    else:
        assert isinstance(found, Fault)
        assert found.explanation


IS_ADDRESS = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-f:]*:[0-9a-f:.]*")
#: What must not be printed: other characters than ASCII, and those that are special to Nagios,
#: Icinga Web or a shell.
FORBIDDEN = re.compile(r"[^ -~]|[|<>`$\\]")


def printable(data: bytes) -> None:
    """What is printed is one harmless line of ASCII, and stays so when it is printed again."""
    text = data.decode("utf-8", "surrogateescape")
    found = foreign_text.printable(text, 300)
    assert FORBIDDEN.search(found) is None
    assert len(found) <= 300
    assert foreign_text.printable(found, 300) == found


TARGETS = {"reply": reply, "dialogue": dialogue, "dns": dns_answers, "printable": printable}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: fuzz.py {'|'.join(TARGETS)} [LIBFUZZER-ARGUMENT...]")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
