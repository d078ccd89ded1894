"""What several test modules share: a clean nagiosplugin, and servers that end with their test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import pytest
from scripted_server import ScriptedServer, Step


@pytest.fixture(autouse=True)
def _fresh_runtime() -> Iterator[None]:
    """Nagiosplugin keeps its Runtime as a singleton, which would leak from test to test."""
    from nagiosplugin.runtime import Runtime

    Runtime.instance = None
    yield
    Runtime.instance = None


class Servers:
    """Starts scripted servers, and ends them."""

    def __init__(self) -> None:
        self.running: list[ScriptedServer] = []

    def __call__(self, banner: Optional[bytes], *script: Step, **where: Any) -> ScriptedServer:
        server = ScriptedServer(banner, *script, **where)
        self.running.append(server)
        return server


@pytest.fixture
def serve() -> Iterator[Servers]:
    """Start servers with ``serve(banner, (client line, reply), ...)``; they must hear just that."""
    servers = Servers()
    yield servers
    for server in servers.running:
        server.close()
    mismatches = [each for server in servers.running for each in server.mismatches]
    assert mismatches == []
