"""Requests that only some conversations make: TLS, names, calls that block, other conversations.

``conversation`` says what all requests and answers have in common.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple
from .conversation import FOREVER

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, Optional, Union

    from .conversation import (
        Clock,
        Close,
        Command,
        Connect,
        Connected,
        Fault,
        Replied,
        Server,
        Time,
    )
    from .security import Security


class StartTls(NamedTuple):
    """Secure the connection.

    It fails if bytes of the server are waiting already: they came without TLS, and would be taken
    for bytes that came inside it (CVE-2011-0411).
    """

    #: Name to send as SNI (RFC 6066 3) and to expect in the certificate, or an address.
    server_name: str
    patience: Optional[float] = None
    #: Whether a certificate that fails verification ends the handshake.
    verify: bool = True


class Secured(NamedTuple):
    """The answer to :class:`StartTls`: what was agreed, or a fault."""

    seconds: float
    fault: Optional[Fault] = None
    security: Optional[Security] = None
    left: float = FOREVER


class Ask(NamedTuple):
    """Send DNS messages to one name server, all at once, and collect the responses.

    Datagrams with another id than those of the messages are ignored.  Whether a response answers
    its question is not checked.
    """

    #: Address and port of the name server.
    nameserver: tuple[str, int]
    messages: tuple[bytes, ...]
    #: Whether to use TCP (RFC 7766) and not UDP.
    tcp: bool
    patience: float
    #: Seconds to wait for the other responses after the response to the first message.
    patience_for_rest: float = FOREVER


class Responses(NamedTuple):
    """The answer to :class:`Ask`; a fault only if nothing could be sent or nothing came back."""

    seconds: float
    fault: Optional[Fault] = None
    #: One response for each message, ``None`` where none came.
    responses: tuple[Optional[bytes], ...] = ()
    left: float = FOREVER


class Resolve(NamedTuple):
    """Look up the addresses of a host name by the system's resolver (hosts file, DNS, ...)."""

    name: str
    #: 4, 6, or 0 for both.
    family: int
    patience: Optional[float] = None


class Resolved(NamedTuple):
    """The answer to :class:`Resolve`."""

    seconds: float
    fault: Optional[Fault] = None
    addresses: tuple[str, ...] = ()
    #: The host's canonical name, as the system's resolver has it.
    canonical_name: str = ""
    left: float = FOREVER


class Call(NamedTuple):
    """Call a ``function`` that blocks, in a thread.

    The function returns a value or a :class:`Fault`.  An OSError becomes a fault; any other
    exception ends the run.  When the time is up, the thread is abandoned.
    """

    function: Callable[[], Any]
    patience: Optional[float] = None
    #: Is called when the time is up, by the loop: it must not block, and may wake the thread.
    abandon: Optional[Callable[[], None]] = None


class Returned(NamedTuple):
    """The answer to :class:`Call`: what the function returned, or a fault."""

    seconds: float
    fault: Optional[Fault] = None
    value: Any = None
    left: float = FOREVER


class Begin(NamedTuple):
    """Begin another conversation, which goes on beside this one; they are numbered from 0."""

    conversation: Generator[Any, Any, Any]


class Await(NamedTuple):
    """Wait until a conversation that was begun has ended."""

    patience: Optional[float] = None


class Ended(NamedTuple):
    """The answer to :class:`Await`."""

    seconds: float
    fault: Optional[Fault] = None
    #: The number of a conversation that has ended, and its result.
    ended: Optional[tuple[int, Any]] = None
    left: float = FOREVER


def next_end() -> Generator[Await, Ended, tuple[int, Any]]:
    """Wait for the end of a conversation that was begun: its number and result."""
    while True:
        answer = yield Await()
        if answer.ended is not None:
            return answer.ended


class End(NamedTuple):
    """End a conversation that was begun: its requests fail at once.

    :class:`Await` returns its result.
    """

    number: int


class Race:
    """What several walks share, so that only one sends a message.

    Of several servers that is the first to greet.  Of several sessions with one server it is the
    first that comes to RCPT; each has a ``server`` of its own then.
    """

    def __init__(self) -> None:
        #: The server that is tested; ``None`` until one wins.
        self.winner: Optional[Server] = None
        self._connected: list[Server] = []

    def connect(self, server: Server) -> None:
        """Note that ``server`` is connected, and may still greet."""
        self._connected.append(server)

    def is_connected(self, server: Server) -> bool:
        """Whether ``server`` has been connected."""
        return server in self._connected

    def wins(self, server: Server) -> bool:
        """Whether ``server`` is the first."""
        self.winner = self.winner or server
        return self.winner is server


if TYPE_CHECKING:
    #: What a conversation yields, and what it is sent.
    Request = Union[Connect, Command, StartTls, Close, Ask, Resolve, Call, Clock, Begin, Await, End]
    Answer = Union[Connected, Replied, Secured, Responses, Resolved, Returned, Time, Ended]
