"""A TCP connection: how it is made, and how commands are sent and replies received over it.

It is made to the first of several addresses that answers (RFC 8305 5).  A reply that came unasked
is never the answer to the next command.  If bytes are waiting before something is sent, the server
has broken the protocol.
"""

from __future__ import annotations

import select

from ..protocol.conversation import Command, Connect, Connected, Fault, Replied
from ..protocol.reply import ProtocolError, ReplyParser, decode
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Verdict
from . import sockets
from .operation import CLOSED, Operation, fault_of

if TYPE_CHECKING:
    import _socket
    from collections.abc import Sequence
    from typing import Optional, Union

    from ..protocol.reply import Reply
    from .operation import Deadline
    from .sockets import Connection, HeadStart

#: Seconds before the next address is tried beside one that has not answered (RFC 8305 5).
ATTEMPT_DELAY = 0.25
#: The order in which the cause for several addresses is chosen from theirs.
_PRECEDENCE = (
    *(Cause.FORBIDDEN, Cause.UNREACHABLE, Cause.REFUSED),
    *(Cause.CLOSED, Cause.RESET, Cause.NETWORK),
)
#: Seconds that QUIT may take: its reply decides nothing.
QUIT_PATIENCE = 2.0
#: Maximum number of bytes that are sent before looking for a reply.
_PIECE = 16_384
#: Minimum number of bytes of the last piece, so that the final dot comes with text before it.
_LAST = 512
_QUOTED = 120


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
        silent = tuple(each.address for each in self._attempts.values() if each is not attempt)
        return Connected(seconds, None, addresses, tuple(self._failed), silent, left)

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


class Line:
    """The connection of one conversation, with the replies that came over it."""

    def __init__(self, connection: Connection, since: float) -> None:
        self.connection = connection
        self.parser = ReplyParser()
        self._arrivals = select.poll()
        self._arrivals.register(connection.fileno(), select.POLLIN)
        #: Whether the connection may have received bytes that poll no longer announces.
        self._holds_more = False
        #: What an operation watches.
        self.reading = {connection.fileno(): select.POLLIN}
        self.writing = {connection.fileno(): select.POLLIN | select.POLLOUT}
        #: When the server could begin to greet, which may be before this process noticed.
        self.since = since

    def secure(self, connection: Connection, since: float) -> None:
        """Go on inside TLS; the handshake may have received some of what follows."""
        self.connection = connection
        self.since = since
        self._holds_more = True

    def read(self) -> bool:
        """Receive what has come; false at the end of the connection.

        :raises BlockingIOError: nothing has come
        :raises OSError: the connection is lost
        """
        data = self.connection.recv(sockets.CHUNK)
        self.parser.feed(data)
        return bool(data)

    def spoken_out_of_turn(self) -> Optional[Fault]:
        """The fault if the server has sent something, or closed, before it was asked."""
        open_ = True
        # To poll is far quicker than an exception, which would say that nothing has come.
        if self._holds_more or self._arrivals.poll(0):
            self._holds_more = False
            try:
                open_ = self.read()
            except BlockingIOError:
                # The bytes belonged to TLS itself.
                open_ = True
            except OSError as error:
                return self.lost(fault_of(error))
        words = self.parser.pending
        if words:
            return Fault(
                Cause.OUT_OF_TURN,
                f"the server spoke before it was asked: {quote(words)}",
                decode(words),
            )
        return None if open_ else CLOSED

    def lost(self, fault: Fault) -> Fault:
        """``fault`` of a lost connection, with the server's last words."""
        begun = self.parser.pending
        if not begun:
            return fault
        return fault._replace(explanation=f"{fault.explanation} after {quote(begun)}")


def quote(received: Union[bytes, str]) -> str:
    """Server bytes for an explanation, on one line and cut; ``report`` makes them printable."""
    text = decode(received) if isinstance(received, bytes) else received
    text = " ".join(text.split())
    return f"'{text}'" if len(text) <= _QUOTED else f"'{text[:_QUOTED]}...'"


def _malformed(error: ProtocolError) -> Fault:
    """The fault of a reply that breaks the rules of SMTP."""
    cause = Cause.BARE_OK if error.received == "OK" else Cause.NOT_SMTP
    return Fault(cause, f"{error}: {quote(error.received)}", error.received)


class CommandExchange(Operation):
    """Sends data, and receives one reply."""

    def __init__(self, deadline: Deadline, request: Command, line: Line) -> None:
        patience = request.patience
        if request.farewell:
            patience = QUIT_PATIENCE if patience is None else min(QUIT_PATIENCE, patience)
        super().__init__(deadline, patience)
        self._farewell = request.farewell
        self._line = line
        self._unsent = memoryview(request.data)
        self._greeting = not (request.data or request.farewell)
        if self._greeting:
            self._begun = self.asked = line.since

    def begin(self) -> Optional[Replied]:
        """Send, unless the server has spoken out of turn."""
        if not self._unsent:
            # The command was sent with the one before, and its reply may have come already.
            return self._proceed()
        out_of_turn = self._line.spoken_out_of_turn()
        if out_of_turn is not None:
            if self._farewell:
                self._send_quit_anyway()
            return self._answer(out_of_turn)
        try:
            self._all_sent()
        except OSError as error:
            return self._answer(self._line.lost(fault_of(error)))
        return None

    def ready(self, descriptor: int) -> Optional[Replied]:  # noqa: ARG002 there is only one
        """Go on with sending or receiving."""
        early = self._early_reply() if self._unsent else None
        return self._answer(early) if early is not None else self._proceed()

    def when_asked(self) -> float:
        """When the server was sent what it has not answered yet."""
        if self._greeting:
            return self.asked
        return min(self.asked, self._clock() - self._line.connection.sent_ago())

    def expire(self) -> Optional[Replied]:
        """Give up, and keep the part of the reply that has come."""
        begun = self._line.parser.pending
        besides = f", its reply had begun: {quote(begun)}" if begun else ""
        return self._answer(self._out_of_time(besides)._replace(received=decode(begun)))

    def _answer(
        self, fault: Optional[Fault] = None, reply: Optional[Reply] = None, lag: float = 0.0
    ) -> Replied:
        seconds, left = self._times(lag)
        return Replied(seconds, fault, reply, left)

    def _proceed(self) -> Optional[Replied]:
        try:
            if self._unsent and not self._all_sent():
                return None
            return self._receive()
        except OSError as error:
            return self._answer(self._line.lost(fault_of(error)))

    def _early_reply(self) -> Optional[Fault]:
        """The fault if the server replies to what it can't have received yet.

        A 250 that comes before the final dot was sent does not accept the message.
        """
        parser = self._line.parser
        try:
            open_ = self._line.read()
            reply = parser.next_reply()
        except BlockingIOError:
            return None
        except ProtocolError as error:
            return _malformed(error)
        except OSError as error:
            return self._line.lost(fault_of(error))
        if reply is not None:
            said = str(reply)
            words = f"the server answered before it had heard all: {quote(said)}"
            return Fault(Cause.EARLY_REPLY, words, said)
        return None if open_ else self._line.lost(CLOSED)

    def _send_quit_anyway(self) -> None:
        """Send QUIT, as far as possible, to a server that spoke out of turn."""
        try:
            self._all_sent()
        except OSError:
            # The connection is lost, which does not matter any more.
            return

    def _all_sent(self) -> bool:
        """Send the next piece, or some of it; true when all was sent."""
        size, left = _PIECE, len(self._unsent)
        if size < left < size + _LAST:
            # A dot in a segment of its own is lost in some firewalls (see ``message``).
            size = left - _LAST
        try:
            # In pieces, because a reply to half of the message is noticed only between two of them.
            sent = self._line.connection.send(bytes(self._unsent[:size]))
        except BlockingIOError:
            sent = 0
        self._unsent = self._unsent[sent:]
        self.watched = self._line.writing if self._unsent else self._line.reading
        if self._unsent:
            return False
        self.asked = self._clock()
        return True

    def _receive(self) -> Optional[Replied]:
        line = self._line
        self.watched = line.reading
        open_, lag = True, 0.0
        try:
            # The reply to a pipelined command may have come with the one before.
            reply = line.parser.next_reply()
            if reply is None:
                open_ = line.read()
                lag = line.connection.lag
                reply = line.parser.next_reply()
        except BlockingIOError:
            return None
        except ProtocolError as error:
            return self._answer(_malformed(error))
        if reply is not None:
            in_time = not lag or self._clock() - lag <= self.ends
            return self._answer(None, reply, lag) if in_time else self.expire()
        return None if open_ else self._answer(line.lost(CLOSED))
