"""One request in progress: how it begins, goes on and ends, and its bounds in time.

``sockets`` opens what operations talk through; ``loop`` says when something has happened or when it
is time.
"""

from __future__ import annotations

from ..protocol.stages import Fault
from ..record import TYPE_CHECKING
from ..vocabulary import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Optional

    from ..protocol.requests import Answer

    #: Gives the seconds of a clock that only goes forward.
    Clock = Callable[[], float]


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


def in_seconds(seconds: float) -> str:
    """A time in whole seconds or three digits, and never with an exponent."""
    rounded = float(f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}")
    return f"{f'{rounded:.12f}'.rstrip('0').rstrip('.')}s"


def within(seconds: float) -> str:
    """How long there was time."""
    return f"within {in_seconds(seconds)}"


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
        self.ends, self.allowed = deadline.ends, deadline.timeout
        if patience is not None and begun + patience < deadline.ends:
            self.ends, self.allowed = begun + patience, patience
        self.due = self.ends
        #: When all was sent that the server needs for its answer, and when that came.
        self.asked = self.answered = begun
        #: Seconds that the server waited for this host during the operation.
        self.lost = 0.0
        self.watched: Mapping[int, int] = {}

    def begin(self) -> Optional[Answer]:
        """Start; many requests are fulfilled at once."""
        raise NotImplementedError

    def ready(self, descriptor: int) -> Optional[Answer]:
        """Go on after something has happened at ``descriptor``."""
        raise NotImplementedError

    def expire(self) -> Optional[Answer]:
        """Go on, or give up, because it is time."""
        raise NotImplementedError

    def when_asked(self) -> float:
        """When all was sent that the server needs, for operations that are not answered."""
        return self.asked

    def cut_short(self) -> Optional[Answer]:
        """Give up now, as if there had been no more time than until now."""
        now = self._clock()
        self.ends, self.allowed = now, now - self._begun
        return self.expire()

    def close(self) -> None:
        """Give back what the operation still holds."""

    def _out_of_time(self, besides: str = "") -> Fault:
        """Why there is no more time for the request, with what to say besides."""
        words = f"{within(self.allowed)}{besides}"
        return self._deadline.interruption or Fault(Cause.SILENT, words)

    def _times(self, lag: float = 0.0) -> tuple[float, float]:
        """Seconds since the operation began, and seconds until the run ends.

        :param lag: seconds since that came which ends the operation
        """
        now = self._clock()
        self.answered = now - lag
        return max(0.0, self.answered - self._begun), self._deadline.ends - now
