"""One request in progress: how it begins, goes on and ends, and how long it may take.

Operations talk through what ``sockets`` opens, and :func:`fault_of` says what an error of the
operating system means.  ``loop`` calls them when something has happened or when their time is up.
"""

from __future__ import annotations

import errno
import os

from ..protocol.stages import Fault
from ..record import TYPE_CHECKING
from ..vocabulary import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Optional

    from ..protocol.requests import Answer

    #: Gives the seconds of a clock that only goes forward.
    Clock = Callable[[], float]

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


class TlsError(ConnectionError):
    """TLS broke after a good handshake, which ends the connection; the text says how."""


def fault_of(error: OSError) -> Fault:
    """What an error of the operating system means for the test."""
    if isinstance(error, TlsError):
        return Fault(Cause.TLS, str(error))
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
