"""What a conversation may ask for, and the answer to each request.

The protocols (``dialogue``, ``mx``) are generators: they yield one of these requests and are sent
its answer.  ``net.loop`` fulfils them on real sockets, a test with a list.

Every answer has ``seconds``, from the request to the answer, and ``left``, the seconds until the
run ends (0 or less if it is over).  ``fault`` says why there is no answer, or not a whole one.

Many requests have ``patience``: the seconds until the attempt is given up, ``None`` for as long as
the run lasts.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple
from .reply import Reply
from .stages import Fault, Security

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, Optional, Union

_FOREVER = float("inf")


class Connect(NamedTuple):
    """Open a TCP connection to the first of ``addresses`` that answers."""

    addresses: tuple[str, ...]
    port: int
    #: Local address to bind to, empty for any.
    source_address: str = ""
    patience: Optional[float] = None


class Connected(NamedTuple):
    """The answer to :class:`Connect`."""

    seconds: float
    fault: Optional[Fault] = None
    #: The server's address and this host's.
    addresses: tuple[str, ...] = ()
    #: Addresses that were tried before and failed, each with the reason.
    failed: tuple[tuple[str, Fault], ...] = ()
    left: float = _FOREVER


class Command(NamedTuple):
    """Send ``data`` (nothing for the banner) in one flight and give back the next reply.

    It fails if bytes of the server are waiting already: a reply that came unasked is never the
    answer to the next command.
    """

    data: bytes
    patience: Optional[float] = None
    #: Send even if the server has spoken out of turn or the time is up: for QUIT.
    farewell: bool = False


class Replied(NamedTuple):
    """The answer to :class:`Command`: a reply or a fault."""

    seconds: float
    fault: Optional[Fault] = None
    reply: Optional[Reply] = None
    left: float = _FOREVER


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
    left: float = _FOREVER


class Close(NamedTuple):
    """Close the connection, without QUIT."""


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
    patience_for_rest: float = _FOREVER


class Responses(NamedTuple):
    """The answer to :class:`Ask`; a fault only if nothing could be sent or nothing came back."""

    seconds: float
    fault: Optional[Fault] = None
    #: One response for each message, ``None`` where none came.
    responses: tuple[Optional[bytes], ...] = ()
    left: float = _FOREVER


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
    left: float = _FOREVER


class Call(NamedTuple):
    """Call a ``function`` that blocks, in a thread.

    The function returns a value or a :class:`Fault`.  An OSError becomes a fault; any other
    exception ends the run.  When the time is up, the thread is abandoned.
    """

    function: Callable[[], Any]
    patience: Optional[float] = None


class Returned(NamedTuple):
    """The answer to :class:`Call`: what the function returned, or a fault."""

    seconds: float
    fault: Optional[Fault] = None
    value: Any = None
    left: float = _FOREVER


class Clock(NamedTuple):
    """Tell the time."""


class Time(NamedTuple):
    """The answer to :class:`Clock`."""

    seconds: float = 0.0
    left: float = _FOREVER
    #: Seconds of all answers that the conversation has had.
    waited: float = 0.0


def time() -> Generator[Clock, Time, Time]:
    """The time now, for ``yield from``."""
    return (yield Clock())


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
    left: float = _FOREVER


class End(NamedTuple):
    """End a conversation that was begun: its requests fail at once.

    :class:`Await` returns its result.
    """

    number: int


class Done(NamedTuple):
    """The answer to :class:`Close`, :class:`Begin` and :class:`End`, which can't fail."""

    seconds: float = 0.0
    left: float = _FOREVER


if TYPE_CHECKING:
    Request = Union[Connect, Command, StartTls, Close, Ask, Resolve, Call, Clock, Begin, Await, End]
    Answer = Union[Connected, Replied, Secured, Responses, Resolved, Returned, Time, Ended, Done]
