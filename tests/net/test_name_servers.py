"""Look-ups over real sockets: name servers that lose, forge, cut and refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.names import NameServer
from support.smtp import free_port
from support.zones import BIG, EXAMPLE, UNUSABLE, ZONE, Zones, in_turn, only, saying, silent, told

from exchange_mailaccept.net import loop
from exchange_mailaccept.protocol import mx
from exchange_mailaccept.protocol.conversation import Clock
from exchange_mailaccept.protocol.mx import addresses, mail_hosts

TWO = ["10 mail1.example", "20 mail2.example"]
MAIL1 = ["2001:db8::1", "192.0.2.1"]


@pytest.fixture
def serve() -> Iterator[Callable[[Any], NameServer]]:
    """Start name servers, and end them."""
    with contextlib.ExitStack() as stack:
        yield lambda known: stack.enter_context(contextlib.closing(NameServer(known)))


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


def test_a_real_server_is_asked(serve):
    server = serve(EXAMPLE)
    lookups = [mail_hosts("two.example", [server.address]) for _ in range(10)]
    lookups += [addresses("mail1.example", [server.address]) for _ in range(10)]
    assert told_over(server, *lookups) == [TWO] * 10 + [MAIL1] * 10
    assert server.heard == ["udp"] * 30


def test_aaaa_without_an_answer_does_not_hold_up_a(serve):
    """RFC 8305 3: in a run that has less time than a name server is given otherwise."""
    server = serve(only("AAAA", silent))

    def looked_up():
        result = yield from addresses("mail1.example", [server.address])
        return result, (yield Clock()).left

    ((result, left),) = loop.Run([looked_up()], 1.5).drive()
    assert left > 0
    address, note = told(result)
    assert address == "192.0.2.1"
    assert note.startswith("the AAAA records of mail1.example are unknown: no name server answered")
    assert server.heard == ["udp", "udp"]


def test_aaaa_is_asked_for_again_where_there_is_no_a(serve):
    """Without it there would be no address at all."""
    server = serve(only("AAAA", in_turn(silent, EXAMPLE)))
    assert told_over(server, addresses("mail6.example", [server.address])) == [["2001:db8::6"]]
    assert server.heard == ["udp", "udp", "udp"]


def test_a_real_server_that_takes_one_question_in_a_connection(serve):
    """It closes after its first response, as RFC 7766 6.2.1 does not forbid."""
    zones = Zones(ZONE + BIG)

    def once(wire: bytes, tcp: bool) -> object:
        response = zones(wire, tcp)
        return iter([len(response).to_bytes(2, "big") + response]) if tcp else response

    server = serve(once)
    (found,) = told_over(server, addresses("big.example", [server.address]))
    assert len(found) == 200
    assert server.heard == ["udp", "udp", "tcp", "tcp"]


TIMED_OUT = ["RESOLVER: no name server answered: 127.0.0.1 port PORT timed out"]


@pytest.mark.parametrize(
    ("behaviours", "expected"),
    [
        ([silent, EXAMPLE], TWO),
        ([UNUSABLE["another id"], EXAMPLE], TWO),
        ([UNUSABLE["another question"], EXAMPLE], TWO),
        ([silent, silent], TIMED_OUT),
        ([UNUSABLE["another id"], UNUSABLE["another id"]], TIMED_OUT),
        ([saying(2)], ["SERVFAIL: SERVFAIL from 127.0.0.1 port PORT"]),
    ],
    ids=["first packet lost", "wrong id once", "wrong question once", "silence", "wrong id",
         "SERVFAIL"],
)  # fmt: skip
@pytest.mark.usefixtures("impatient")
def test_a_real_server_that_misbehaves(serve, behaviours, expected):
    server = serve(in_turn(*behaviours))
    assert told_over(server, mail_hosts("two.example", [server.address])) == [expected]
    assert server.heard == ["udp"] * len(behaviours)


def test_a_port_where_nobody_listens_leaves_the_domain_untested():
    """At once, for the kernel knows."""
    port = free_port()
    (result,) = loop.Run([mail_hosts("two.example", [("127.0.0.1", port)])], 30.0).drive()
    refused = f"127.0.0.1 port {port}: connection refused"
    assert told(result) == [f"RESOLVER: no name server answered: {refused}"]


def test_a_run_that_is_over_ends_the_lookup(serve):
    server = serve(silent)
    lookup = mail_hosts("two.example", [server.address] * 3)
    assert told_over(server, lookup, timeout=0.2) == [TIMED_OUT]
