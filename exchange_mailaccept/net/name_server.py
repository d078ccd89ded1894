"""Questions to one name server, over UDP or TCP: sends DNS messages, and receives responses.

``mx`` knows what they mean.
"""

from __future__ import annotations

import select

from ..protocol.conversation import Fault
from ..protocol.further_requests import Ask, Responses
from ..record import TYPE_CHECKING
from . import sockets
from .operation import CLOSED, Operation, fault_of

if TYPE_CHECKING:
    from typing import Optional

    from .operation import Deadline
    from .sockets import HeadStart


class NameServerQuery(Operation):
    """DNS messages to one name server, all sent at once."""

    def __init__(self, deadline: Deadline, request: Ask, ahead: Optional[HeadStart]) -> None:
        super().__init__(deadline, request.patience)
        self._request = request
        #: A query that was sent ahead of this request.
        self._ahead = ahead
        self._responses: dict[bytes, bytes] = {}
        self._connection: Optional[sockets.Wire] = None
        self._unsent = b""
        self._received = bytearray()

    def begin(self) -> Optional[Responses]:
        """Send the messages; over TCP, when the connection is made."""
        if self._begun >= self.ends:
            return self.expire()
        try:
            if not self._adopt_head_start():
                address, port = self._request.nameserver
                self._ask(sockets.Wire(sockets.connect(address, port, tcp=self._request.tcp)))
        except OSError as error:
            return self._done(fault_of(error))
        return None

    def _adopt_head_start(self) -> bool:
        """Take the query that was sent ahead, if it is the one that is wanted now."""
        request, ahead = self._request, self._ahead
        asked = (request.nameserver, request.messages, request.tcp)
        if ahead is None or asked != ((ahead.address, ahead.port), (ahead.query,), False):
            return False
        self._connection = sockets.Wire(ahead.socket)
        self._begun = ahead.begun
        self.watched = {ahead.socket.fileno(): select.POLLIN}
        return True

    def _ask(self, connection: sockets.Wire) -> None:
        self._connection = connection
        messages = self._request.messages
        if self._request.tcp:
            framed = b"".join(len(message).to_bytes(2, "big") + message for message in messages)
            self._unsent = framed
            self.watched = {connection.fileno(): select.POLLOUT}
            return
        self.watched = {connection.fileno(): select.POLLIN}
        for message in messages:
            connection.send(message)
        self.asked = self._clock()

    def ready(self, descriptor: int) -> Optional[Responses]:  # noqa: ARG002 there is only one
        """Go on with sending or receiving."""
        assert self._connection is not None
        try:
            if self._request.tcp:
                return self._over_tcp(self._connection)
            self._keep(self._connection.recv(sockets.CHUNK))
            return self._complete()
        except BlockingIOError:
            return None
        except OSError as error:
            return self._done(fault_of(error))

    def expire(self) -> Optional[Responses]:
        """Answer with what has come so far."""
        return self._done(self._out_of_time())

    def close(self) -> None:
        """Close the socket."""
        if self._connection is not None:
            self._connection.close()

    def _over_tcp(self, connection: sockets.Wire) -> Optional[Responses]:
        if self._unsent:
            self._unsent = self._unsent[connection.send(self._unsent) :]
            if not self._unsent:
                self.watched = {connection.fileno(): select.POLLIN}
            return None
        data = connection.recv(sockets.CHUNK)
        if not data:
            return self._done(CLOSED)
        self._received += data
        # RFC 1035 4.2.2: a length of two bytes before each message.
        while len(self._received) >= 2:
            end = 2 + int.from_bytes(self._received[:2], "big")
            if len(self._received) < end:
                break
            self._keep(bytes(self._received[2:end]))
            del self._received[:end]
        return self._complete()

    def _keep(self, response: bytes) -> None:
        if any(message[:2] == response[:2] for message in self._request.messages):
            self._responses.setdefault(response[:2], response)

    def _complete(self) -> Optional[Responses]:
        messages = self._request.messages
        if len(self._responses) == len({message[:2] for message in messages}):
            return self._done(None)
        if messages[0][:2] in self._responses:
            self.due = min(self.due, self._clock() + self._request.patience_for_rest)
        return None

    def _done(self, fault: Optional[Fault]) -> Responses:
        """The answer; it has the fault only if nothing came at all."""
        responses = tuple(self._responses.get(message[:2]) for message in self._request.messages)
        lag = self._connection.lag if self._connection and fault is None else 0.0
        seconds, left = self._times(lag)
        return Responses(seconds, None if self._responses else fault, responses, left)
