"""Who waits for which descriptors, and until when: poll and a heap of alarms.

``select.poll`` and not epoll: for one connection it takes fewer calls into the system, and for a
thousand that are busy at the same time it costs no more.
"""

from __future__ import annotations

import heapq
import itertools
import math
import select

from .record import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional, Protocol

    class Watched(Protocol):
        """One who waits."""

        @property
        def watched(self) -> Mapping[int, int]:
            """Descriptors, each with the poll events that are waited for."""

        @property
        def due(self) -> float:
            """When it wants to be woken at the latest."""

        @property
        def done(self) -> bool:
            """Whether it waits no more."""

        def ready(self, descriptor: int) -> None:
            """Go on after something has happened at ``descriptor``."""

        def expire(self) -> None:
            """Go on, or give up, because it is time."""


class Watch:
    """Which channel waits for which descriptors, and until when."""

    def __init__(self, signals: int) -> None:
        self._poll = select.poll()
        if signals >= 0:
            self._poll.register(signals, select.POLLIN)
        self._owners: dict[int, Watched] = {}
        #: The channels that are not done, each with what it waits for.
        self.active: dict[Watched, dict[int, int]] = {}
        #: A heap of times at which a channel wanted to be woken; it may have changed its mind.
        self._alarms: list[tuple[float, int, Watched]] = []
        self._settled = itertools.count()

    def settle(self, channel: Watched) -> None:
        """Watch what the channel waits for now, and nothing of what it waited for before."""
        before, now = self.active.pop(channel, {}), channel.watched
        for descriptor in before:
            # Closed and reused by another channel meanwhile, it is no longer ours to forget.
            if descriptor not in now and self._owners.get(descriptor) is channel:
                del self._owners[descriptor]
                self._poll.unregister(descriptor)
        for descriptor, events in now.items():
            if before.get(descriptor) != events or self._owners.get(descriptor) is not channel:
                self._owners[descriptor] = channel
                self._poll.register(descriptor, events)
        if not channel.done:
            self.active[channel] = dict(now)
            heapq.heappush(self._alarms, (channel.due, next(self._settled), channel))

    def wait(self, now: float) -> list[tuple[Optional[Watched], int]]:
        """The channels for which something has happened, with the descriptor it happened to.

        Returns when the next channel wants to be woken at the latest.  No channel stands for the
        pipe of the signals.
        """
        while self._alarms and self._is_stale(*self._alarms[0]):
            heapq.heappop(self._alarms)
        if not self._alarms:
            return []
        # Rounded up: poll counts in milliseconds, and must not wake before it is time.
        patience = math.ceil(max(0.0, self._alarms[0][0] - now) * 1000)
        events = self._poll.poll(patience)
        return [(self._owners.get(descriptor), descriptor) for descriptor, _ in events]

    def overdue(self, now: float) -> list[Watched]:
        """The channels whose time is up, each once."""
        found: dict[Watched, None] = {}
        while self._alarms and self._alarms[0][0] <= now:
            due, number, channel = heapq.heappop(self._alarms)
            if not self._is_stale(due, number, channel):
                found[channel] = None
        return list(found)

    @staticmethod
    def _is_stale(due: float, _number: int, channel: Watched) -> bool:
        return channel.done or channel.due != due
