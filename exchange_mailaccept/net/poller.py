"""Who waits for which descriptors, and until when: epoll (or poll) and a list of alarms."""

from __future__ import annotations

import itertools
import math
import select
from bisect import insort

from ..record import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional, Protocol

    class Waiting(Protocol):
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

        def ready(self, descriptor: int) -> bool:
            """Go on after something has happened at ``descriptor``; whether it was enough."""

        def expire(self) -> None:
            """Go on, or give up, because it is time."""


#: Where there is epoll, what waits in silence costs nothing when another one is ready.
_EPOLL = hasattr(select, "epoll")
#: In which it counts its patience: seconds, and poll milliseconds.
_UNITS = 1 if _EPOLL else 1000


class Poller:
    """Which channel waits for which descriptors, and until when."""

    def __init__(self, signals: int) -> None:
        self._poll = select.epoll() if _EPOLL else select.poll()
        if signals >= 0:
            self._poll.register(signals, select.POLLIN)
        self._owners: dict[int, Waiting] = {}
        #: The channels that are not done, each with what it waits for.
        self.active: dict[Waiting, Mapping[int, int]] = {}
        #: When to look after a channel, the first first; it may have changed its mind.
        self._alarms: list[tuple[float, int, Waiting]] = []
        #: The earliest of them for each channel.
        self._alarmed: dict[Waiting, float] = {}
        self._numbers = itertools.count()

    def settle(self, channel: Waiting) -> None:
        """Watch what the channel waits for now, and nothing of what it waited for before."""
        now = channel.watched
        # Between one exchange and the next it is the same, and the same object.
        if channel.done or self.active.get(channel) is not now:
            self._watch(channel, self.active.pop(channel, {}), now)
        if channel.done:
            self._alarmed.pop(channel, None)
            return
        self.active[channel] = now
        due = channel.due
        if due < self._alarmed.get(channel, math.inf):
            self._alarmed[channel] = due
            insort(self._alarms, (due, next(self._numbers), channel))

    def _watch(self, channel: Waiting, before: Mapping[int, int], now: Mapping[int, int]) -> None:
        for descriptor in before:
            # Closed and reused by another channel meanwhile, it is no longer ours to forget.
            if descriptor not in now and self._owners.get(descriptor) is channel:
                del self._owners[descriptor]
                self._forget(descriptor)
        for descriptor, events in now.items():
            if self._owners.get(descriptor) is not channel:
                self._owners[descriptor] = channel
                self._poll.register(descriptor, events)
                continue
            try:
                self._poll.modify(descriptor, events)
            except FileNotFoundError:
                # Another socket has the number by now.
                self._poll.register(descriptor, events)

    def _forget(self, descriptor: int) -> None:
        try:
            self._poll.unregister(descriptor)
        except OSError:
            # It was closed, and with that forgotten.
            return

    def wait(self, now: float) -> list[tuple[Optional[Waiting], int]]:
        """The channels for which something has happened, with the descriptor it happened to.

        Returns when the next channel wants to be woken at the latest.  No channel stands for the
        pipe of the signals.  One descriptor for each: once the channel has gone on, the number of
        another may be that of a new socket, to which nothing has happened yet.  Where something
        has, it is told the next time.
        """
        first = self._first_alarm()
        if first is None:
            return []
        return self.look(max(0.0, first[0] - now))

    def look(self, patience: float = 0.0) -> list[tuple[Optional[Waiting], int]]:
        """As :meth:`wait`, for ``patience`` seconds at most."""
        events = self._poll.poll(patience * _UNITS)
        found: dict[Optional[Waiting], int] = {}
        for descriptor, _ in events:
            found.setdefault(self._owners.get(descriptor), descriptor)
        return list(found.items())

    def overdue(self, now: float) -> list[Waiting]:
        """The channels whose time is up, each once."""
        found: list[Waiting] = []
        while (first := self._first_alarm()) is not None and first[0] <= now:
            _, _, channel = self._alarms.pop(0)
            if self._alarmed.pop(channel, None) is not None:
                found.append(channel)
        return found

    def _first_alarm(self) -> Optional[tuple[float, int, Waiting]]:
        """The first that is not in vain; those that are, are put off or forgotten."""
        while self._alarms:
            due, _, channel = self._alarms[0]
            if not channel.done and channel.due <= due:
                return self._alarms[0]
            del self._alarms[0]
            if not channel.done:
                self._alarmed[channel] = channel.due
                insort(self._alarms, (channel.due, next(self._numbers), channel))
        return None
