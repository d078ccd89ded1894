"""What a conversation may ask for besides its mail server: DNS, names, and calls that block.

``requests`` says what all requests and answers have in common.
"""

from __future__ import annotations

from ..record import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional

    from .stages import Fault

_FOREVER = float("inf")


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
    #: Is called when the time is up, by the loop: it must not block, and may wake the thread.
    abandon: Optional[Callable[[], None]] = None


class Returned(NamedTuple):
    """The answer to :class:`Call`: what the function returned, or a fault."""

    seconds: float
    fault: Optional[Fault] = None
    value: Any = None
    left: float = _FOREVER
