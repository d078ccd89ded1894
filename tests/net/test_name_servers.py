"""Name servers over real sockets: those that lose, forge, cut, drip and refuse."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.names import NameServer
from support.scripts import endless
from support.smtp import PATIENCE, Talk, free_port
from support.zones import BIG, EXAMPLE, UNUSABLE, ZONE, Zones, in_turn, only, silent, told

from exchange_mailaccept.net import loop
from exchange_mailaccept.protocol import mx
from exchange_mailaccept.protocol.conversation import Clock, Fault
from exchange_mailaccept.protocol.further_requests import Ask
from exchange_mailaccept.protocol.mx import addresses, mail_hosts
from exchange_mailaccept.vocabulary import Cause

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as Linux does it")


@pytest.fixture
def name_server() -> Iterator[Callable[[Any], NameServer]]:
    """Start name servers, and end them."""
    with contextlib.ExitStack() as stack:
        yield lambda known: stack.enter_context(contextlib.closing(NameServer(known)))


# Datagrams and streams.

CLOSED = Fault(Cause.CLOSED, "connection closed by the server")
FIRST, SECOND = b"\x00\x01one?", b"\x00\x02two?"
BOTH = (b"\x00\x01I", b"\x00\x02II")


def ask(
    address: tuple[str, int], *messages: bytes, tcp: bool = True, patience: float = PATIENCE
) -> Any:
    """What comes back for questions, which need not be any."""

    def conversation() -> Any:
        return (yield Ask(address, messages, tcp, patience))

    (answered,) = loop.Run([conversation()], PATIENCE).drive()
    return answered


@pytest.mark.parametrize(
    ("sent", "responses", "fault"),
    [
        ([b"\x00\x02II", b"\x00\x01I"], BOTH, None),
        ([b"\xff\xff?", b"", b"\x00", b"\x00\x01I", b"\x00\x02II"], BOTH, None),
        ([b"\x00\x01I", b"\x00\x01forged", b"\x00\x02II"], BOTH, None),
        ([b"\x00\x02II"], (None, b"\x00\x02II"), None),
        ([b"\xff\xff?"], (None, None), Fault(Cause.SILENT, "within 0.3s")),
        # A flood of them; the time is looked at in between.
        (itertools.repeat(b"\xff\xff?"), (None, None), Fault(Cause.SILENT, "within 0.3s")),
    ],
)  # fmt: skip
def test_responses_are_told_by_their_id(name_server, sent, responses, fault):
    """In the order of the questions; a foreign id is passed over, and the first of an id counts."""
    # Nothing to the first question, and all to the second.
    to_say = iter([None, iter(sent)])
    heard: list[bytes] = []

    def answer(query: bytes, _: bool) -> object:
        heard.append(query)
        return next(to_say)

    patience = 0.3 if fault else 2.0
    answered = ask(name_server(answer).address, FIRST, SECOND, tcp=False, patience=patience)
    assert heard == [FIRST, SECOND]
    assert (answered.responses, answered.fault) == (responses, fault)


def framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


@pytest.mark.parametrize(
    ("sent", "responses", "fault"),
    [
        (framed(b"\x00\x01I", b"\x00\x02II"), BOTH, None),
        (framed(b"\x00\x02II", b"\x00\x01I"), BOTH, None),
        (framed(b"", b"\xff\xff", b"\x00\x01I", b"\x00\x02II"), BOTH, None),
        (framed(b"\x00\x01I"), (b"\x00\x01I", None), None),
        (framed(b"\x00\x01I")[:-1], (None, None), CLOSED),
        (b"\xff", (None, None), CLOSED),
        (b"", (None, None), CLOSED),
    ],
)  # fmt: skip
@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_responses_over_tcp(serve, sent, responses, fault, cut):
    """However they are cut, the length in front of them included."""

    def what(talk: Talk) -> None:
        heard = b""
        while len(heard) < len(framed(FIRST, SECOND)):
            heard += talk.read()
        assert heard == framed(FIRST, SECOND)
        for at in range(0, len(sent), cut):
            talk.tell(sent[at : at + cut])

    server = serve(what)
    answered = ask((server.host, server.port), FIRST, SECOND)
    assert (answered.responses, answered.fault) == (responses, fault)


def test_a_name_server_that_drips_over_tcp(serve):
    def what(talk: Talk) -> None:
        talk.tell(b"\xff\xff")
        endless(b"\0", 0.01)(talk)

    server = serve(what)
    answered = ask((server.host, server.port), FIRST, patience=0.4)
    assert (answered.responses, answered.fault) == (
        (None,), Fault(Cause.SILENT, "within 0.4s")
    )  # fmt: skip


@linux
@pytest.mark.parametrize("tcp", [False, True])
def test_no_name_server_at_the_port(tcp):
    answered = ask(("127.0.0.1", free_port()), FIRST, tcp=tcp)
    assert answered.fault == Fault(Cause.REFUSED, "connection refused")


@linux
def test_a_name_server_that_answers_no_connection_attempt(black_hole):
    assert ask(black_hole, FIRST, patience=0.3).fault == Fault(Cause.SILENT, "within 0.3s")


# Look-ups.

TWO = ["10 mail1.example", "20 mail2.example"]
MAIL1 = ["2001:db8::1", "192.0.2.1"]


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Name servers on this host need no seconds."""
    monkeypatch.setattr(mx, "PATIENCE", (0.3, 0.6))


def told_over(server: NameServer, *lookups: Any, timeout: float = 30.0) -> list[list[str]]:
    """What lookups in one run find, the port of ``server`` as PORT."""
    results = loop.Run(lookups, timeout).drive()
    return [
        [words.replace(str(server.port), "PORT") for words in told(result)] for result in results
    ]


def test_a_real_server_is_asked(name_server):
    server = name_server(EXAMPLE)
    lookups = [mail_hosts("two.example", [server.address]) for _ in range(10)]
    lookups += [addresses("mail1.example", [server.address]) for _ in range(10)]
    assert told_over(server, *lookups) == [TWO] * 10 + [MAIL1] * 10
    assert server.heard == ["udp"] * 30


def test_aaaa_without_an_answer_does_not_hold_up_a(name_server):
    """RFC 8305 3: in a run that has less time than a name server is given otherwise."""
    server = name_server(only("AAAA", silent))

    def looked_up():
        result = yield from addresses("mail1.example", [server.address])
        return result, (yield Clock()).left

    ((result, left),) = loop.Run([looked_up()], 1.5).drive()
    assert left > 0
    address, note = told(result)
    assert address == "192.0.2.1"
    assert note.startswith("the AAAA records of mail1.example are unknown: no name server answered")
    assert server.heard == ["udp", "udp"]


def test_aaaa_is_asked_for_again_where_there_is_no_a(name_server):
    """Without it there would be no address at all."""
    server = name_server(only("AAAA", in_turn(silent, EXAMPLE)))
    assert told_over(server, addresses("mail6.example", [server.address])) == [["2001:db8::6"]]
    assert server.heard == ["udp", "udp", "udp"]


def test_a_real_server_that_takes_one_question_in_a_connection(name_server):
    """It closes after its first response, as RFC 7766 6.2.1 does not forbid."""
    zones = Zones(ZONE + BIG)

    def once(wire: bytes, tcp: bool) -> object:
        response = zones(wire, tcp)
        return iter([len(response).to_bytes(2, "big") + response]) if tcp else response

    server = name_server(once)
    (known,) = told_over(server, addresses("big.example", [server.address]))
    assert len(known) == 200
    assert server.heard == ["udp", "udp", "tcp", "tcp"]


TIMED_OUT = ["RESOLVER: no name server answered: 127.0.0.1 port PORT timed out"]


@pytest.mark.parametrize(
    ("behaviours", "expected"),
    [
        ([silent, EXAMPLE], TWO),
        ([silent, silent], TIMED_OUT),
        ([UNUSABLE["another id"], UNUSABLE["another id"]], TIMED_OUT),
    ],
    ids=["first packet lost", "silence", "wrong id"],
)
@pytest.mark.usefixtures("impatient")
def test_a_real_server_that_misbehaves(name_server, behaviours, expected):
    server = name_server(in_turn(*behaviours))
    assert told_over(server, mail_hosts("two.example", [server.address])) == [expected]
    assert server.heard == ["udp"] * len(behaviours)


def test_a_port_where_nobody_listens_leaves_the_domain_untested():
    """At once, for the kernel knows."""
    port = free_port()
    (result,) = loop.Run([mail_hosts("two.example", [("127.0.0.1", port)])], 30.0).drive()
    refused = f"127.0.0.1 port {port}: connection refused"
    assert told(result) == [f"RESOLVER: no name server answered: {refused}"]


def test_a_run_that_is_over_ends_the_lookup(name_server):
    server = name_server(silent)
    lookup = mail_hosts("two.example", [server.address] * 3)
    assert told_over(server, lookup, timeout=0.2) == [TIMED_OUT]
