"""What a conversation may ask for, and what comes back.

The protocols (``dialogue``, ``mx``) are generators: they yield one of these requests and are sent
an :class:`Answer`.  ``net.loop`` fulfils them on real sockets, a test with a list.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple
from .reply import Reply
from .stages import Fault, Security

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, Optional, Union


class Answer(NamedTuple):
    """What came back for a request; which fields are set depends on the request."""

    #: Seconds from asking to the answer.
    seconds: float
    #: Why there is no answer, or not a whole one.
    fault: Optional[Fault] = None
    #: For :class:`Exchange`: the reply.
    reply: Optional[Reply] = None
    #: Seconds until the run ends, none or less if it is over.
    left: float = float("inf")
    #: For :class:`Connect`: the server's address and our own.  For :class:`Resolve`: all addresses.
    addresses: tuple[str, ...] = ()
    #: For :class:`Resolve`: the name that the system's resolver holds for the right one.
    canonical_name: str = ""
    #: For :class:`Ask`: one response for each message, ``None`` where none came.
    responses: tuple[Optional[bytes], ...] = ()
    #: For :class:`StartTls`: what was agreed.
    security: Optional[Security] = None
    #: For :class:`Clock`: seconds of all answers that the conversation has had.
    waited: float = 0.0
    #: For :class:`Await`: the number of the conversation that has ended, and its result.
    ended: Optional[tuple[int, Any]] = None
    #: For :class:`Connect`: addresses that were tried before and failed, each with the reason.
    failed: tuple[tuple[str, Fault], ...] = ()


class Ask(NamedTuple):
    """Send DNS messages to one name server, all at once, and collect the responses.

    Datagrams whose id belongs to none of the messages are passed over; whether a response really
    answers its question is for the asker to judge.  The answer has a fault only when nothing could
    be sent or nothing came back.
    """

    #: Address and port of the name server.
    nameserver: tuple[str, int]
    messages: tuple[bytes, ...]
    #: Over TCP (RFC 7766) and not UDP.
    tcp: bool
    #: Seconds to wait for all responses.
    patience: float
    #: Seconds to wait for the others once the first message has its response.
    patience_for_rest: float = float("inf")


class Resolve(NamedTuple):
    """Addresses of a host name by the system's resolver (hosts file, DNS, ...)."""

    name: str
    #: 4, 6, or 0 for both.
    family: int
    #: Seconds until the attempt is given up; ``None``: as long as the run lasts.
    patience: Optional[float] = None


class Connect(NamedTuple):
    """Open a TCP connection to the first of ``addresses`` that answers."""

    addresses: tuple[str, ...]
    port: int
    #: Local address to bind to, empty for any.
    source_address: str = ""
    #: Seconds until the attempt is given up; ``None``: as long as the run lasts.
    patience: Optional[float] = None


class Exchange(NamedTuple):
    """Send ``data`` (nothing for the banner) in one flight and give back the next reply.

    Fails if bytes of the server already wait: a reply that nobody asked for is never the answer to
    the next command.
    """

    data: bytes
    #: Seconds until the attempt is given up; ``None``: as long as the run lasts.
    patience: Optional[float] = None
    #: Send even if the server has spoken out of turn or time is up, and forgive everything: QUIT.
    farewell: bool = False


class StartTls(NamedTuple):
    """Secure the connection.

    Fails if bytes of the server already wait, for they came in plain text and could be taken for
    secured ones afterwards (CVE-2011-0411).
    """

    #: Name to ask for (SNI, RFC 6066 3) and to find in the certificate, or an address.
    server_name: str
    #: Seconds until the attempt is given up; ``None``: as long as the run lasts.
    patience: Optional[float] = None


class Close(NamedTuple):
    """Close the connection, without a word."""


class Clock(NamedTuple):
    """Tell the time: what is left of the run, and how long this conversation has waited."""


class Begin(NamedTuple):
    """Begin another conversation, which goes on beside this one; they are numbered from 0."""

    conversation: Generator[Any, Answer, Any]


class Await(NamedTuple):
    """Wait until a conversation that was begun has ended."""

    #: Seconds until the wait is given up; ``None``: as long as the run lasts.
    patience: Optional[float] = None


class End(NamedTuple):
    """End a conversation that was begun: all that it waits for or asks later fails at once.

    :class:`Await` tells of its end.
    """

    number: int


if TYPE_CHECKING:
    Request = Union[Ask, Resolve, Connect, Exchange, StartTls, Close, Clock, Begin, Await, End]
