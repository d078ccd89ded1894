"""Sends a command (or the message), and receives one reply.

A reply that came unasked is never the answer to the next command.  If bytes are waiting before
something is sent, the server has broken the protocol.
"""

from __future__ import annotations

import select

from ..protocol.reply import ProtocolError, ReplyParser, decode
from ..protocol.requests import Command, Replied
from ..protocol.stages import Fault
from ..record import TYPE_CHECKING
from ..vocabulary import Cause
from .faults import CLOSED, fault_of
from .operation import Operation
from .sockets import CHUNK

if TYPE_CHECKING:
    from typing import Optional, Union

    from ..protocol.reply import Reply
    from .operation import Deadline
    from .sockets import Connection

#: Seconds that QUIT may take: its reply decides nothing.
QUIT_PATIENCE = 2.0
#: Maximum number of bytes that are sent before looking for a reply.
_PIECE = 16_384
#: Minimum number of bytes of the last piece, so that the final dot comes with text before it.
_LAST = 512
_QUOTED = 120


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
        data = self.connection.recv(CHUNK)
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
