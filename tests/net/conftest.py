"""What the tests of sockets share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from support.smtp import BlackHole, PortOfAll


@pytest.fixture
def black_hole() -> Iterator[tuple[str, int]]:
    """An address that answers no connection attempt."""
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(contextlib.closing(PortOfAll()))
        stack.enter_context(contextlib.closing(BlackHole("127.0.0.2", held.number)))
        yield "127.0.0.2", held.number
