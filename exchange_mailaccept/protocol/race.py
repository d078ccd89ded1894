"""Several servers at the same time, of which one is walked."""

from __future__ import annotations

from ..record import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Optional

    from .stages import Server


class Race:
    """What the walks of several servers know of one another, so that only one sends a message."""

    def __init__(self) -> None:
        #: The server that is walked, once there is one.
        self.winner: Optional[Server] = None
        self._connected: list[Server] = []

    def connect(self, server: Server) -> None:
        """Note that ``server`` is connected, so that it may still greet."""
        self._connected.append(server)

    def is_connected(self, server: Server) -> bool:
        """Whether ``server`` has been connected."""
        return server in self._connected

    def wins(self, server: Server) -> bool:
        """Whether ``server``, which has greeted, is the first, now or before."""
        self.winner = self.winner or server
        return self.winner is server
