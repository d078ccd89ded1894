"""Servers that count flights, for the modules that look at how a run begins."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import trustme
from support.scripts import Manners, Servers
from support.smtp import Server


class Authority(NamedTuple):
    """A server's context, and the file of who signed its certificate."""

    context: ssl.SSLContext
    file: str


@pytest.fixture
def sink(serve: Servers) -> Callable[..., Server]:
    """Start servers that accept everything."""

    def start(*keywords: str, **how: Any) -> Server:
        offered = ("SIZE", *keywords)
        return serve(Manners(before=offered, after=offered, **how))

    return start


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
