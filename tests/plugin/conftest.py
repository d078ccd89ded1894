"""Servers that count flights, for the modules that look at how a run begins."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import pytest
import trustme
from support.flights import ZONE, Authority, Names, Sink


@pytest.fixture
def sink() -> Iterator[Callable[..., Sink]]:
    """Start servers that accept everything."""
    started: list[Sink] = []

    def start(*keywords: str, **how: object) -> Sink:
        started.append(Sink(*keywords, **how))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """TLS without tickets, which would begin a flight of their own."""
    signer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    signer.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    signer.cert_pem.write_to_path(str(file))
    return Authority(context, str(file))


@pytest.fixture
def names() -> Iterator[Callable[..., Names]]:
    """Start name servers."""
    started: list[Names] = []

    def start(on_query: Callable[[], object] = lambda: None) -> Names:
        started.append(Names(ZONE, on_query))
        return started[-1]

    yield start
    for each in started:
        each.close()
