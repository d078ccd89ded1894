"""Which channel waits for which descriptors, and until when: epoll (or poll) and alarms."""

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
        """What waits; a channel of ``loop``."""

        @property
        def watched(self) -> Mapping[int, int]:
            """Descriptors, each with the poll events that are waited for."""

        @property
        def due(self) -> float:
            """When it must be woken at the latest."""

        @property
        def done(self) -> bool:
            """Whether it does not wait any more."""

        def ready(self, descriptor: int) -> bool:
            """Go on after something has happened at ``descriptor``; true if that was enough."""

        def expire(self) -> None:
            """Go on or give up, because the time is up."""


#: With epoll, a silent descriptor costs nothing when another one is ready.
_EPOLL = hasattr(select, "epoll")
#: The unit of its time limits: epoll has seconds, poll has milliseconds.
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
        #: When to look at a channel, the earliest first; its time may have changed since.
        self._alarms: list[tuple[float, int, Waiting]] = []
        #: The earliest alarm of each channel.
        self._alarmed: dict[Waiting, float] = {}
        self._numbers = itertools.count()

    def settle(self, channel: Waiting) -> None:
        """Watch what the channel waits for now, and no longer what it waited for before."""
        now = channel.watched
        # It mostly stays the same object from one command to the next.
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
            # Another channel may have reused the number since it was closed.
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
                # Another socket has this number now.
                self._poll.register(descriptor, events)

    def _forget(self, descriptor: int) -> None:
        try:
            self._poll.unregister(descriptor)
        except OSError:
            # Closing it has removed it already.
            return

    def wait(self, now: float) -> list[tuple[Optional[Waiting], int]]:
        """The channels for which something has happened, with the descriptor it happened to.

        Returns at the latest when the first channel must be woken.  ``None`` in place of a channel
        means the pipe of the signals.  Each channel has one descriptor only: after the channel has
        gone on, the number of another descriptor may belong to a new socket, to which nothing has
        happened yet.  If something has, the next call reports it.
        """
        first = self._first_alarm()
        if first is None:
            return []
        return self.look(max(0.0, first[0] - now))

    def look(self, patience: float = 0.0) -> list[tuple[Optional[Waiting], int]]:
        """Like :meth:`wait`, for at most ``patience`` seconds."""
        events = self._poll.poll(patience * _UNITS)
        channels: dict[Optional[Waiting], int] = {}
        for descriptor, _ in events:
            channels.setdefault(self._owners.get(descriptor), descriptor)
        return list(channels.items())

    def overdue(self, now: float) -> list[Waiting]:
        """The channels whose time is up, each once."""
        late: list[Waiting] = []
        while (first := self._first_alarm()) is not None and first[0] <= now:
            _, _, channel = self._alarms.pop(0)
            if self._alarmed.pop(channel, None) is not None:
                late.append(channel)
        return late

    def _first_alarm(self) -> Optional[tuple[float, int, Waiting]]:
        """The first alarm that still counts; earlier ones are moved or removed."""
        while self._alarms:
            due, _, channel = self._alarms[0]
            if not channel.done and channel.due <= due:
                return self._alarms[0]
            del self._alarms[0]
            if not channel.done:
                self._alarmed[channel] = channel.due
                insort(self._alarms, (channel.due, next(self._numbers), channel))
        return None
