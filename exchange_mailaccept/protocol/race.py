"""Several servers at the same time, of which one is tested."""

from __future__ import annotations

from ..record import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Optional

    from .stages import Server


class Race:
    """What the walks through several servers share, so that only one sends a message."""

    def __init__(self) -> None:
        #: The server that is tested; ``None`` until one greets.
        self.winner: Optional[Server] = None
        self._connected: list[Server] = []

    def connect(self, server: Server) -> None:
        """Note that ``server`` is connected, and may still greet."""
        self._connected.append(server)

    def is_connected(self, server: Server) -> bool:
        """Whether ``server`` has been connected."""
        return server in self._connected

    def wins(self, server: Server) -> bool:
        """Whether ``server``, which has greeted, was the first to greet."""
        self.winner = self.winner or server
        return self.winner is server
