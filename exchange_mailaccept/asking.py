"""Questions to one name server, over UDP or TCP: DNS messages out, responses in.

What the messages mean is not known here; see ``mx``.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Optional

from .operation import CLOSED, Connection, Deadline, Operation, fault_of
from .world import Answer, Ask, Fault

#: Begins to connect to a name server: address, port, whether over TCP.
Dial = Callable[[str, int, bool], Connection]

_CHUNK = 65_536


class Asking(Operation):
    """DNS messages to one name server, all in one flight."""

    def __init__(self, deadline: Deadline, request: Ask, dial: Dial) -> None:
        super().__init__(deadline, request.patience)
        self._request = request
        self._dial = dial
        self._responses: dict[bytes, bytes] = {}
        self._connection: Optional[Connection] = None
        self._unsent = memoryview(b"")
        self._received = bytearray()

    def begin(self) -> Optional[Answer]:
        """Send the messages (over TCP: as soon as there is a connection)."""
        if self._limit.begun >= self._limit.due:
            return self.expire()
        messages = self._request.messages
        try:
            connection = self._dial(*self._request.nameserver, self._request.tcp)
            self._connection = connection
            if self._request.tcp:
                framed = b"".join(len(each).to_bytes(2, "big") + each for each in messages)
                self._unsent = memoryview(framed)
                self.watched = {connection.fileno(): select.POLLOUT}
            else:
                self.watched = {connection.fileno(): select.POLLIN}
                for message in messages:
                    connection.send(memoryview(message))
        except OSError as error:
            return self._failed(fault_of(error))
        return None

    def ready(self, descriptor: int) -> Optional[Answer]:  # noqa: ARG002 there is only one
        """Go on with sending or receiving."""
        assert self._connection is not None
        try:
            if self._request.tcp:
                return self._over_tcp(self._connection)
            self._keep(self._connection.recv(_CHUNK))
            return self._complete()
        except BlockingIOError:
            return None
        except OSError as error:
            return self._done(fault_of(error))

    def expire(self) -> Optional[Answer]:
        """Give what has come so far."""
        return self._done(self._out_of_time())

    def close(self) -> None:
        """Forget the name server."""
        if self._connection is not None:
            self._connection.close()

    def _over_tcp(self, connection: Connection) -> Optional[Answer]:
        if self._unsent:
            self._unsent = self._unsent[connection.send(self._unsent) :]
            if not self._unsent:
                self.watched = {connection.fileno(): select.POLLIN}
            return None
        data = connection.recv(_CHUNK)
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

    def _complete(self) -> Optional[Answer]:
        if len(self._responses) < len({message[:2] for message in self._request.messages}):
            return None
        return self._done(None)

    def _done(self, fault: Optional[Fault]) -> Answer:
        """The answer; a fault counts only if nothing came at all."""
        responses = tuple(self._responses.get(message[:2]) for message in self._request.messages)
        lag = self._connection.lag if self._connection and fault is None else 0.0
        return Answer(self._seconds(lag), None if self._responses else fault, responses=responses)
