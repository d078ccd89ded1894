"""One request in progress, its bounds in time, and what an error of the system means for the test.

``sockets`` opens what they talk through; ``network`` gives them the clock and says when it is time.
"""

from __future__ import annotations

import errno
import os

from ..protocol.requests import Answer
from ..protocol.stages import Fault
from ..record import TYPE_CHECKING
from ..vocabulary import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Optional, Protocol

    from ..protocol.reply import Reply

    Clock = Callable[[], float]

    class Connection(Protocol):
        """A connected socket that never blocks, plain or secured.

        ``send`` and ``recv`` raise BlockingIOError when they would have to wait, and OSError when
        the connection is lost.
        """

        @property
        def lag(self) -> float:
            """Seconds that the bytes received last had been waiting for us; 0 if nobody knows."""

        def send(self, data: bytes, /) -> int:
            """Send some of ``data``; how many bytes were taken."""

        def recv(self, most: int, /) -> bytes:
            """At most ``most`` received bytes; none at the end of the connection."""

        def fileno(self) -> int:
            """The descriptor to watch."""

        def close(self) -> None:
            """Close without a word."""


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
#: Errors that say something of this host and nothing of the server.
_OUR_OWN = (
    *(errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.EPERM),
    *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
)


class Deadline:
    """When the run ends, and the clock that says so."""

    def __init__(self, ends: float, timeout: float, clock: Clock) -> None:
        self.ends = ends
        self.timeout = timeout
        self.clock = clock
        #: Why the run ends before its time, if it does.
        self.interruption: Optional[Fault] = None

    @property
    def left(self) -> float:
        """Seconds until the run ends."""
        return self.ends - self.clock()

    def end_now(self, why: Fault) -> None:
        """End the run: what is waited for now, and whatever is asked for later, fails at once."""
        self.interruption = why
        self.ends = self.clock()


class TlsError(ConnectionError):
    """TLS broke after a good handshake, which ends the connection; the text says how."""


def fault_of(error: OSError) -> Fault:
    """What an error of the operating system means for the test."""
    if isinstance(error, TlsError):
        return Fault(Cause.TLS, str(error))
    code = error.errno
    if code is None or code < 0:
        # A name that is no address or no interface, which only our own side can have given.
        return Fault(Cause.OWN_SIDE, error.strerror or str(error))
    words = _WORDS.get(code) or (os.strerror(code) if code else str(error.strerror))
    if code in _OUR_OWN:
        return Fault(Cause.OWN_SIDE, words)
    return Fault(_CAUSES.get(code, Cause.NETWORK), words)


#: The end of the connection, which is no error of the system.
CLOSED = fault_of(OSError(errno.EPIPE, ""))


def within(seconds: float) -> str:
    """How long there was time, in whole seconds or three digits, and never with an exponent."""
    rounded = float(f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}")
    return f"within {f'{rounded:.12f}'.rstrip('0').rstrip('.')}s"


class Operation:
    """One request in progress.

    ``begin``, ``ready`` and ``expire`` return the answer once there is one.  ``watched`` maps
    descriptors to poll events, and is replaced and never changed; ``due`` is when :meth:`expire`
    wants to be called.
    """

    def __init__(self, deadline: Deadline, patience: Optional[float]) -> None:
        self._clock = deadline.clock
        self._deadline = deadline
        self._begun = begun = deadline.clock()
        #: When there is no more time, and the seconds to name then.
        self._ends, self._allowed = deadline.ends, deadline.timeout
        if patience is not None and begun + patience < deadline.ends:
            self._ends, self._allowed = begun + patience, patience
        self.due = self._ends
        self.watched: Mapping[int, int] = {}

    def begin(self) -> Optional[Answer]:
        """Start; many requests are fulfilled at once."""
        raise NotImplementedError

    def ready(self, descriptor: int) -> Optional[Answer]:
        """Go on after something has happened at ``descriptor``."""
        raise NotImplementedError

    def expire(self) -> Optional[Answer]:
        """Go on, or give up, because it is time."""
        return self._answer(self._out_of_time())

    def close(self) -> None:
        """Give back what the operation still holds."""

    def _out_of_time(self, besides: str = "") -> Fault:
        """Why there is no more time for the request, with what to say besides."""
        words = f"{within(self._allowed)}{besides}"
        return self._deadline.interruption or Fault(Cause.SILENT, words)

    def _answer(
        self, fault: Optional[Fault] = None, reply: Optional[Reply] = None, lag: float = 0.0
    ) -> Answer:
        """The answer, as it came now or ``lag`` seconds ago."""
        now = self._clock()
        seconds = max(0.0, now - lag - self._begun)
        return Answer(seconds, fault, reply, self._deadline.ends - now)
