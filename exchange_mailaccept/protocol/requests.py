"""What a conversation may ask for, and the answer to each request.

The protocols (``dialogue``, ``mx``) are generators: they yield one of these requests and are sent
its answer.  ``net.loop`` fulfils them on real sockets, a test with a list.  ``further_requests``
has those that fewer runs make.

Every answer has ``seconds``, from the request to the answer, and ``left``, the seconds until the
run ends (0 or less if it is over).  ``fault`` says why there is no answer, or not a whole one.

Many requests have ``patience``: the seconds until the attempt is given up, ``None`` for as long as
the run lasts.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple
from .reply import Reply
from .stages import Fault

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Optional, Union

    from .further_requests import (
        Ask,
        Await,
        Begin,
        Call,
        End,
        Ended,
        Resolve,
        Resolved,
        Responses,
        Returned,
        Secured,
        StartTls,
    )

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
    #: Addresses that were tried and had not answered yet.
    silent: tuple[str, ...] = ()
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


class Close(NamedTuple):
    """Close the connection, without QUIT."""


class Clock(NamedTuple):
    """Tell the time."""


class Time(NamedTuple):
    """The answer to :class:`Clock`, and to requests that can't fail, such as :class:`Close`."""

    seconds: float = 0.0
    left: float = _FOREVER
    #: Seconds of all answers that the conversation has had.
    waited: float = 0.0


def time() -> Generator[Clock, Time, Time]:
    """The time now, for ``yield from``."""
    return (yield Clock())


if TYPE_CHECKING:
    Request = Union[Connect, Command, StartTls, Close, Ask, Resolve, Call, Clock, Begin, Await, End]
    Answer = Union[Connected, Replied, Secured, Responses, Resolved, Returned, Time, Ended]
