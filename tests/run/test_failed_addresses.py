"""What is known of a server's other addresses once one of them is connected."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.smtp import BlackHole, PortOfAll

from exchange_mailaccept.net import loop
from exchange_mailaccept.protocol.conversation import Server
from exchange_mailaccept.protocol.message import Content, Envelope, Plan
from exchange_mailaccept.run import silent_addresses
from exchange_mailaccept.run.acceptance import walk_through
from exchange_mailaccept.vocabulary import Cause, Stage

PLAN = Plan(
    Envelope("probe@fabrikam.com", "postmaster@contoso.com"),
    "probe.fabrikam.com",
    Content(),
    "<1@fabrikam.com>",
    0.0,
    Stage.BANNER,
)


@pytest.fixture
def port(serve) -> Iterator[int]:
    """A port at which ``127.0.0.3`` greets, and no other address listens."""
    held = PortOfAll()
    serve(b"220 ready\r\n", ("QUIT", b"221 bye\r\n"), host="127.0.0.3", port=held.number)
    yield held.number
    held.close()


def failed(port: int, *addresses: str) -> list[tuple[str, Cause]]:
    (session,) = loop.Run([walk_through(PLAN, Server("mail1", addresses, port))], 30.0).drive()
    assert session.address == "127.0.0.3"
    return [(address, fault.cause) for address, fault in session.failed_addresses]


def test_an_address_that_refuses_is_named(port):
    assert failed(port, "127.0.0.2", "127.0.0.3") == [("127.0.0.2", Cause.REFUSED)]


def test_an_address_that_stays_silent_is_named(port, monkeypatch):
    """The kernel drops what comes to it; a moment is enough to see that it is asked once more."""
    monkeypatch.setattr(silent_addresses, "PATIENCE", 0.3)
    hole = BlackHole("127.0.0.2", port)
    try:
        assert failed(port, "127.0.0.2", "127.0.0.3") == [("127.0.0.2", Cause.SILENT)]
    finally:
        hole.close()


def test_an_address_that_was_not_needed_is_not_known(port):
    assert failed(port, "127.0.0.3", "127.0.0.2") == []


def test_what_this_host_can_not_even_try_says_nothing_of_the_server(port):
    """A link-local address without its zone, as one of a family without a route."""
    assert failed(port, "fe80::1", "127.0.0.3") == []
