"""Several conversations at the same time, and what they share if only one is to send a message.

``requests`` says what all requests and answers have in common.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, Optional

    from .stages import Fault, Server


class Begin(NamedTuple):
    """Begin another conversation, which goes on beside this one; they are numbered from 0."""

    conversation: Generator[Any, Any, Any]


class Await(NamedTuple):
    """Wait until a conversation that was begun has ended."""

    patience: Optional[float] = None


class Ended(NamedTuple):
    """The answer to :class:`Await`."""

    seconds: float
    fault: Optional[Fault] = None
    #: The number of a conversation that has ended, and its result.
    ended: Optional[tuple[int, Any]] = None
    left: float = float("inf")


def next_end() -> Generator[Await, Ended, tuple[int, Any]]:
    """Wait for the end of a conversation that was begun: its number and result."""
    while True:
        answer = yield Await()
        if answer.ended is not None:
            return answer.ended


class End(NamedTuple):
    """End a conversation that was begun: its requests fail at once.

    :class:`Await` returns its result.
    """

    number: int


class Race:
    """What several walks share, so that only one sends a message.

    Of several servers that is the first to greet.  Of several sessions with one server it is the
    first that comes to RCPT; each has a ``server`` of its own then.
    """

    def __init__(self) -> None:
        #: The server that is tested; ``None`` until one wins.
        self.winner: Optional[Server] = None
        self._connected: list[Server] = []

    def connect(self, server: Server) -> None:
        """Note that ``server`` is connected, and may still greet."""
        self._connected.append(server)

    def is_connected(self, server: Server) -> bool:
        """Whether ``server`` has been connected."""
        return server in self._connected

    def wins(self, server: Server) -> bool:
        """Whether ``server`` is the first."""
        self.winner = self.winner or server
        return self.winner is server
