"""Calls that block, each in a thread, under the deadline of the run.

This is for ``getaddrinfo``, and for libraries that do their own I/O.  When the time is up, the
thread is abandoned.  :func:`read_to_end` has a limit of its own, because it comes before the run.
"""

from __future__ import annotations

import _socket
import os
import select
import threading
import time

from ..protocol.conversation import Fault
from ..protocol.further_requests import Call, Resolved, Returned
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause
from .operation import Operation, fault_of, within

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Optional, Union

    from ..protocol.further_requests import Answer, Resolve
    from .operation import Deadline

_FAMILIES = {0: _socket.AF_UNSPEC, 4: _socket.AF_INET, 6: _socket.AF_INET6}


def read_to_end(descriptor: int, patience: float, most: int) -> bytes:
    """All that comes from ``descriptor``, outside of a run and its deadline.

    :param patience: seconds until it must have ended
    :param most: maximum number of bytes
    :raises OSError: it can't be read
    :raises ValueError: there is more, or it did not end in time
    """
    arrivals = select.poll()
    arrivals.register(descriptor, select.POLLIN)
    ends = time.monotonic() + patience
    data = b""
    while (left := ends - time.monotonic()) > 0:
        if not arrivals.poll(left * 1000):
            continue
        some = os.read(descriptor, 65_536)
        data += some
        if not some:
            return data
        if len(data) > most:
            raise ValueError(f"has more than {most} bytes")
    raise ValueError(f"did not end within {patience}s")


class BlockingCall(Operation):
    """One call of a function in a thread."""

    def __init__(self, deadline: Deadline, request: Call) -> None:
        super().__init__(deadline, request.patience)
        self._function = request.function
        self._abandon = request.abandon
        self._value: Any = None
        self._error: Optional[Exception] = None
        #: Seconds that the function took.
        self._seconds = 0.0
        self._waiting, self._telling = os.pipe()
        self._left_behind = False
        self._lock = threading.Lock()

    def begin(self) -> Optional[Answer]:
        """Start the thread."""
        self.watched = {self._waiting: select.POLLIN}
        # A daemon, because Python waits for other threads at the end.
        threading.Thread(target=self._work, daemon=True).start()
        return None

    def ready(self, descriptor: int) -> Answer:  # noqa: ARG002 there is only one
        """Take what the function has returned.

        :raises Exception: what the function raised, except OSError
        """
        if isinstance(self._error, OSError):
            self._value = fault_of(self._error)
        elif self._error is not None:
            raise self._error
        return self._answer(self._seconds, self._value)

    def expire(self) -> Answer:
        """Abandon the thread."""
        if self._abandon is not None:
            self._abandon()
        seconds, _ = self._times()
        return self._answer(seconds, self._out_of_time())

    def close(self) -> None:
        """Close the pipe; the thread may still have its descriptor."""
        with self._lock:
            self._left_behind = True
            os.close(self._waiting)
            os.close(self._telling)

    def _work(self) -> None:
        try:
            self._value = self._function()
        except Exception as error:  # ``ready`` raises it again; here Python would print it.
            self._error = error
        with self._lock:
            if not self._left_behind:
                self._seconds, _ = self._times()
                os.write(self._telling, b".")

    def _answer(self, seconds: float, value: Any) -> Answer:
        left = self._deadline.left
        if isinstance(value, Fault):
            return Returned(seconds, value, left=left)
        return Returned(seconds, None, value, left)


class SystemLookUp(BlockingCall):
    """A look-up of a host name by the system's resolver."""

    def __init__(
        self,
        deadline: Deadline,
        request: Resolve,
        getaddrinfo: Callable[..., Any] = _socket.getaddrinfo,
    ) -> None:
        def look_up() -> Union[_Found, Fault]:
            return _look_up(request.name, request.family, getaddrinfo)

        super().__init__(deadline, Call(look_up, request.patience))

    def _answer(self, seconds: float, value: Union[_Found, Fault]) -> Resolved:
        left = self._deadline.left
        if not isinstance(value, Fault):
            return Resolved(seconds, None, value.addresses, value.canonical_name, left)
        if value.cause is Cause.SILENT:
            words = f"the system's resolver gave no answer {within(self.allowed)}"
            value = Fault(Cause.RESOLVER, words)
        return Resolved(seconds, value, left=left)


class _Found(NamedTuple):
    addresses: tuple[str, ...]
    canonical_name: str


def _look_up(name: str, family: int, getaddrinfo: Callable[..., Any]) -> Union[_Found, Fault]:
    """Ask the system's resolver for the addresses of ``name``."""
    try:
        found = getaddrinfo(
            # Bytes, because Python converts a str by IDNA 2003.
            name.encode("ascii"),
            None,
            _FAMILIES[family],
            _socket.SOCK_STREAM,
            flags=_socket.AI_CANONNAME,
        )
    # Not only the resolver's errors but the system's (EAI_SYSTEM), like too many open files, and a
    # name in no encoding.
    except (OSError, ValueError) as error:
        if isinstance(error, _socket.gaierror) and error.errno in _UNKNOWN_NAME:
            return Fault(Cause.NXDOMAIN, "does not exist or has no address")
        return Fault(Cause.RESOLVER, f"the system's resolver: {_words(error)}")
    # dict and not set: the system's order is by preference (RFC 6724).
    addresses = tuple(dict.fromkeys(str(socket_address[0]) for *_, socket_address in found))
    return _Found(addresses, found[0][3])


_UNKNOWN_NAME = (_socket.EAI_NONAME, getattr(_socket, "EAI_NODATA", None))


def _words(error: Union[OSError, ValueError]) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        return "it answered with a name that is not text"
    return "the name is not in ASCII"
