"""Requests in progress: how one begins, goes on and ends, and what all of them wait for.

Operations talk through what ``sockets`` opens, and :func:`fault_of` says what an error of the
operating system means.  ``loop`` asks the :class:`Poller` for which of them something has happened,
or whose time is up.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
import select
from bisect import insort

from ..protocol.conversation import Fault
from ..record import TYPE_CHECKING
from ..vocabulary import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Optional, Protocol

    from ..protocol.further_requests import Answer

    #: Gives the seconds of a clock that only goes forward.
    Clock = Callable[[], float]

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
_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset by the server",
    errno.EPIPE: "connection closed by the server",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "no answer to the connection attempt",
    errno.EINVAL: "not possible from this source address, or without a zone",
    errno.EPERM: "forbidden by a firewall of this host",
}
_CAUSES = {
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.ECONNRESET: Cause.RESET,
    errno.EPIPE: Cause.CLOSED,
    errno.EHOSTUNREACH: Cause.UNREACHABLE,
    errno.ENETUNREACH: Cause.UNREACHABLE,
    errno.ETIMEDOUT: Cause.NO_ANSWER,
    errno.EACCES: Cause.FORBIDDEN,
}
#: Errors of this host, which say nothing about the server.
_OUR_OWN = (
    *(errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
)


def fault_of(error: OSError) -> Fault:
    """What an error of the operating system means for the test."""
    cause: Optional[Cause] = getattr(error, "cause", None)
    if cause is not None:
        # An error of ``tls``.
        return Fault(cause, str(error))
    code = error.errno
    if code is None or code < 0:
        # Something given to this host is not an address or an interface.
        return Fault(Cause.OWN_SIDE, error.strerror or str(error))
    words = _WORDS.get(code) or (os.strerror(code) if code else str(error.strerror))
    if code in _OUR_OWN:
        return Fault(Cause.OWN_SIDE, words)
    return Fault(_CAUSES.get(code, Cause.NETWORK), words)


#: The end of the connection, which the operating system does not report as an error.
CLOSED = fault_of(OSError(errno.EPIPE, ""))


class Deadline:
    """When the run ends, by its clock.

    :param ends: by ``clock``
    :param timeout: seconds of the whole run, for messages
    """

    def __init__(self, ends: float, timeout: float, clock: Clock) -> None:
        self.ends = ends
        self.timeout = timeout
        self.clock = clock
        #: Why the run ends early, if it does.
        self.interruption: Optional[Fault] = None

    @property
    def left(self) -> float:
        """Seconds until the run ends."""
        return self.ends - self.clock()

    def end_now(self, why: Fault) -> None:
        """End the run: the requests in progress and all later ones fail at once."""
        self.interruption = why
        self.ends = self.clock()


def in_seconds(seconds: float) -> str:
    """A time in whole seconds or three digits, and never with an exponent."""
    rounded = float(f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}")
    return f"{f'{rounded:.12f}'.rstrip('0').rstrip('.')}s"


def within(seconds: float) -> str:
    """The time limit that was exceeded, in words."""
    return f"within {in_seconds(seconds)}"


class Operation:
    """One request in progress.

    ``begin``, ``ready`` and ``expire`` return the answer once there is one.  ``watched`` maps
    descriptors to poll events; it is replaced and never changed.  ``due`` is when :meth:`expire` is
    to be called.
    """

    def __init__(self, deadline: Deadline, patience: Optional[float]) -> None:
        self._clock = deadline.clock
        self._deadline = deadline
        self._begun = begun = deadline.clock()
        #: When the time is up, and how many seconds there were.
        self.ends, self.allowed = deadline.ends, deadline.timeout
        if patience is not None and begun + patience < deadline.ends:
            self.ends, self.allowed = begun + patience, patience
        self.due = self.ends
        #: When the server had been sent all that it needs, and when its answer came.
        self.asked = self.answered = begun
        #: Seconds that the server waited for this host during the operation.
        self.lost = 0.0
        self.watched: Mapping[int, int] = {}

    def begin(self) -> Optional[Answer]:
        """Start; some requests are answered at once."""
        raise NotImplementedError

    def ready(self, descriptor: int) -> Optional[Answer]:
        """Go on after something has happened at ``descriptor``."""
        raise NotImplementedError

    def expire(self) -> Optional[Answer]:
        """Go on or give up, because the time is up."""
        raise NotImplementedError

    def when_asked(self) -> float:
        """When the server had been sent all that it needs, if no answer has come."""
        return self.asked

    def cut_short(self) -> Optional[Answer]:
        """Give up now, as if the time were up."""
        now = self._clock()
        self.ends, self.allowed = now, now - self._begun
        return self.expire()

    def close(self) -> None:
        """Release what the operation still holds."""

    def _out_of_time(self, besides: str = "") -> Fault:
        """The fault if the time is up.

        :param besides: what to add to its words
        """
        words = f"{within(self.allowed)}{besides}"
        return self._deadline.interruption or Fault(Cause.SILENT, words)

    def _times(self, lag: float = 0.0) -> tuple[float, float]:
        """Seconds since the operation began, and seconds until the run ends.

        :param lag: seconds since the answer came
        """
        now = self._clock()
        self.answered = now - lag
        return max(0.0, self.answered - self._begun), self._deadline.ends - now


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
