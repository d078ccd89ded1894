#!/usr/bin/env python3
"""Coverage-guided fuzzing of what reads foreign bytes: ``fuzz.py TARGET [LIBFUZZER-ARGUMENT...]``.

Targets: reply, dialogue, dns, printable.  Each states properties that hold for all input; any other
exception than the one that is promised is a finding.  Needs the package atheris; see run.sh.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["exchange_mailaccept"]):
    from exchange_mailaccept import mx
    from exchange_mailaccept.dialogue import Plan, walk
    from exchange_mailaccept.message import Content, Envelope
    from exchange_mailaccept.reply import MAX_LINES, MAX_REPLY, ProtocolError, Reply, ReplyParser
    from exchange_mailaccept.report import printable
    from exchange_mailaccept.stages import Server, Session, Stage, Verdict
    from exchange_mailaccept.world import Answer, Close, Connect, Exchange, Fault

PLAN = Plan(
    Envelope("probe@fabrikam.com", "postmaster@contoso.com"),
    "probe.fabrikam.com",
    Content(),
    "<1@fabrikam.com>",
    0.0,
)
SERVER = Server("mail1.contoso.com", ("192.0.2.1",), 25)
MOST_QUESTIONS = 200


def replies_in(pieces: list[bytes]) -> list[object]:
    """The replies in ``pieces``, with the fault that ends them if one does."""
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
    # The beginning of a line can be faulty before its end says in which way.
    assert [each for each in whole if isinstance(each, Reply)] == [
        each for each in cut if isinstance(each, Reply)
    ]
    assert isinstance((whole or [None])[-1], str) == isinstance((cut or [None])[-1], str)
    for each in whole:
        if isinstance(each, Reply):
            assert 200 <= each.code <= 599
            assert 1 <= len(each.lines) <= MAX_LINES
            assert sum(map(len, each.lines)) <= 4 * MAX_REPLY
            str(each.enhanced)


def dialogue(data: bytes) -> None:
    """Whatever a server says, the walk ends, tells the truth, and keeps the order of SMTP."""
    parser = ReplyParser()
    parser.feed(data)
    sent: list[bytes] = []
    conversation = walk(PLAN, SERVER)
    answer = None
    try:
        request = next(conversation)
        while True:
            answer = Answer(0.0)
            if isinstance(request, Connect):
                answer = Answer(0.0, addresses=("192.0.2.1", "192.0.2.9"))
            elif isinstance(request, Exchange):
                sent.append(request.data)
                answer = next_answer(parser)
            else:
                assert isinstance(request, Close)
                sent.append(b"close")
            request = conversation.send(answer)
    except StopIteration as end:
        check(end.value, sent)


def next_answer(parser: ReplyParser) -> Answer:
    """The next reply, or the fault that stands in its place."""
    try:
        found = parser.next_reply()
    except ProtocolError as error:
        return Answer(0.0, Fault(Verdict.BROKEN, str(error)))
    if found is None:
        return Answer(0.0, Fault(Verdict.BROKEN, "connection closed by the server"))
    return Answer(0.0, reply=found)


def check(session: Session, sent: list[bytes]) -> None:
    """Hold a session against what was sent in it."""
    codes = {each.stage: each.reply.code for each in session.outcomes if each.reply is not None}
    accepted = session.outcome(Stage.MESSAGE)
    bodies = [each for each in sent if b"\r\n.\r\n" in each]
    if accepted is not None and accepted.passed:
        assert codes[Stage.BANNER] == 220
        assert codes[Stage.DATA] == 354
        assert codes[Stage.MESSAGE] == 250
    assert len(bodies) == (1 if codes.get(Stage.DATA) == 354 else 0)
    assert sum(each.startswith(b"MAIL FROM:") for each in sent) <= 1
    assert len([each for each in session.outcomes if not each.passed]) <= 2


def keep_order(_hosts: list[mx.MailHost]) -> None:
    """Stand in for chance, which would make a finding hard to repeat."""


def dns(data: bytes) -> None:
    """Whatever name servers send, a lookup ends in a value or a fault, after a bounded effort."""
    lookup = mx.mail_hosts("contoso.com", [("192.0.2.53", 53)], shuffle=keep_order)
    for asking in (lookup, mx.addresses("mail1.contoso.com", [("192.0.2.53", 53)])):
        rest = data
        try:
            request = next(asking)
            for _ in range(MOST_QUESTIONS):
                responses = []
                for question in request.messages:
                    size = rest[0] if rest else 0
                    body, rest = rest[1 : 1 + size], rest[1 + size :]
                    # The id must fit, or nothing behind it would ever be looked at; so must the
                    # question, in every other response.
                    known = question[:2] if size % 2 else question[:2] + b"\x81\x80" + question[4:]
                    responses.append(known + body if size else None)
                request = asking.send(Answer(0.0, responses=tuple(responses)))
            raise AssertionError("the lookup does not end")
        except StopIteration as end:
            found = end.value
        assert isinstance(found, (mx.MailHosts, mx.Addresses, Fault))


FORBIDDEN = re.compile(r"[^ -~]|[|<>`$]")


def shown(data: bytes) -> None:
    """What is printed is one harmless line of ASCII, and stays so when it is printed again."""
    text = data.decode("utf-8", "surrogateescape")
    found = printable(text, 300)
    assert FORBIDDEN.search(found) is None
    assert len(found) <= 300
    assert printable(found, 300) == found


TARGETS = {"reply": reply, "dialogue": dialogue, "dns": dns, "printable": shown}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: fuzz.py {'|'.join(TARGETS)} [LIBFUZZER-ARGUMENT...]")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
