"""TCP connections, to the first of several addresses that answers (RFC 8305 5)."""

from __future__ import annotations

import select

from ..protocol.requests import Connect, Connected
from ..protocol.stages import Fault
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Verdict
from . import sockets
from .faults import fault_of
from .operation import Operation

if TYPE_CHECKING:
    import _socket
    from collections.abc import Sequence
    from typing import Optional

    from .operation import Deadline
    from .sockets import HeadStart

#: Seconds before the next address is tried beside one that has not answered (RFC 8305 5).
ATTEMPT_DELAY = 0.25
#: The order in which the cause for several addresses is chosen from theirs.
_PRECEDENCE = (
    *(Cause.FORBIDDEN, Cause.UNREACHABLE, Cause.REFUSED),
    *(Cause.CLOSED, Cause.RESET, Cause.NETWORK),
)


class _Attempt(NamedTuple):
    """A connection that is being made."""

    socket: _socket.socket
    address: str
    begun: float


class ConnectionAttempts(Operation):
    """Connection attempts to several addresses; a new one begins when the last is slow or fails.

    So an address that drops packets costs a fraction of a second (RFC 8305 5).
    """

    def __init__(self, deadline: Deadline, request: Connect, ahead: Optional[HeadStart]) -> None:
        super().__init__(deadline, request.patience)
        self._request = request
        #: An attempt that was begun ahead of this request.
        self._ahead = ahead
        self._untried = list(request.addresses)
        self._attempts: dict[int, _Attempt] = {}
        self._faults: list[tuple[str, Fault]] = []
        #: Addresses of which the network reported a fault; a fault of this host does not count.
        self._failed: list[tuple[str, Fault]] = []
        self.connected: Optional[sockets.Wire] = None
        #: When the connection was made.
        self.since = 0.0

    def begin(self) -> Optional[Connected]:
        """Begin to connect to the first address."""
        return self._next_attempt()

    def ready(self, descriptor: int) -> Optional[Connected]:
        """Take the connection, or go on to the next address."""
        attempt = self._attempts[descriptor]
        code = sockets.error_of(attempt.socket)
        if code == 0:
            return self._success(attempt)
        del self._attempts[descriptor]
        attempt.socket.close()
        failed = (attempt.address, fault_of(OSError(code, "")))
        self._faults.append(failed)
        self._failed.append(failed)
        return self._next_attempt()

    def expire(self) -> Optional[Connected]:
        """Try the next address in addition, or give up."""
        if self._clock() < self.ends and not self._deadline.interruption:
            return self._next_attempt()
        for attempt in self._attempts.values():
            self._faults.append((attempt.address, self._out_of_time()))
        return self._give_up()

    def close(self) -> None:
        """Close all attempts but the one that was taken."""
        for attempt in self._attempts.values():
            if self.connected is None or attempt.socket.fileno() != self.connected.fileno():
                attempt.socket.close()

    def _next_attempt(self) -> Optional[Connected]:
        answer = self._begin_next()
        self.watched = dict.fromkeys(self._attempts, select.POLLOUT)
        return answer

    def _begin_next(self) -> Optional[Connected]:
        while self._untried and self._clock() < self.ends:
            address = self._untried.pop(0)
            try:
                attempt = self._attempt(address)
            except OSError as error:
                self._faults.append((address, fault_of(error)))
                continue
            if not self._attempts:
                self.asked = attempt.begun
            self._attempts[attempt.socket.fileno()] = attempt
            self.due = self.ends
            if self._untried:
                self.due = min(self.due, self._clock() + ATTEMPT_DELAY)
            return None
        self.due = self.ends
        return None if self._attempts else self._give_up()

    def _attempt(self, address: str) -> _Attempt:
        """Begin to connect to ``address``, or take the attempt that was begun ahead.

        :raises OSError: it can't even be begun
        """
        request, ahead = self._request, self._ahead
        asked = (address, request.port, request.source_address)
        if ahead is not None and asked == (ahead.address, ahead.port, ahead.source_address):
            self._ahead = None
            # The server was waited for since then.
            self._begun = ahead.begun
            return _Attempt(ahead.socket, address, ahead.begun)
        return _Attempt(sockets.connect(*asked), address, self._clock())

    def _success(self, attempt: _Attempt) -> Connected:
        self.connected = sockets.Wire(attempt.socket)
        seconds, left = self._times()
        waited = sockets.round_trip(attempt.socket)
        if waited:
            # The kernel knows when the connection was made; this process may have been busy.
            seconds = min(seconds, attempt.begun - self._begun + waited)
        self.since = self.answered = self._begun + seconds
        addresses = (attempt.address, attempt.socket.getsockname()[0])
        return Connected(seconds, None, addresses, tuple(self._failed), left)

    def _give_up(self) -> Connected:
        """The fault of all attempts: what became of each address, shortened if there are many."""
        if not self._faults:
            fault = self._out_of_time()
            if self._ahead is None and fault.verdict is Verdict.TIMED_OUT:
                # A server that was sent nothing can't be judged.
                fault = Fault(Cause.NO_TURN, "no time was left to connect")
            return self._failure(fault)
        port = self._request.port
        faults = [fault for _, fault in self._faults]
        words = "; ".join(
            f"{address} port {port}: {_in_a_list(fault)}" for address, fault in self._faults[:2]
        )
        if len(faults) > 2:
            words += f"; {len(faults)} of {len(self._request.addresses)} addresses tried"
        if len(faults) == 1 and faults[0].verdict is Verdict.TIMED_OUT:
            words = f"{faults[0].explanation} ({self._faults[0][0]} port {port})"
        return self._failure(Fault(_cause_of_all(faults), words))

    def _failure(self, fault: Fault) -> Connected:
        seconds, left = self._times()
        return Connected(seconds, fault, left=left)


def _cause_of_all(faults: Sequence[Fault]) -> Cause:
    """The cause to report for all addresses.

    An error counts more than silence, and a fault of this host least.  If some addresses are silent
    and others have errors, the server is unreachable.
    """
    causes = [fault.cause for fault in faults]
    verdicts = {fault.verdict for fault in faults}
    if len(causes) == 1:
        return causes[0]
    if Verdict.BROKEN in verdicts:
        known = {fault.cause for fault in faults if fault.verdict is Verdict.BROKEN}
        if Verdict.TIMED_OUT in verdicts and Cause.FORBIDDEN not in known:
            return Cause.UNREACHABLE
        return min(known, key=_PRECEDENCE.index)
    return Cause.NO_ANSWER if Verdict.TIMED_OUT in verdicts else causes[0]


def _in_a_list(fault: Fault) -> str:
    words = fault.explanation
    return f"no answer {words}" if fault.cause is Cause.SILENT else words
