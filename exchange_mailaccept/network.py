"""Sockets, clock and deadline: drives one conversation or hundreds in one loop.

The only module that opens sockets.  Every wait is bounded by one monotonic deadline, whatever
comes: silence, a byte at a time, a flood.  What the operating system reports becomes a
:class:`~exchange_mailaccept.world.Fault` here and travels no further as an exception.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Optional, TypeVar, Union

from .asking import Asking
from .exchanging import Exchanging, Line
from .operation import Clock, Connection, Deadline, Operation, fault_of
from .resolving import Resolving
from .stages import Verdict
from .watch import Watch
from .world import (
    INTERRUPTED,
    Answer,
    Ask,
    Close,
    Connect,
    Exchange,
    Fault,
    Request,
    Resolve,
    StartTls,
    TlsSettings,
)

if TYPE_CHECKING:
    from .tls import Context

#: Seconds before the next address is tried beside one that has not answered (RFC 8305 5).
ATTEMPT_DELAY = 0.25
#: Conversations at the same time when nobody asks for fewer: below the usual limit of descriptors.
MOST_AT_ONCE = 900

Result = TypeVar("Result")


def tls_context(settings: TlsSettings) -> Context:
    """What connections are secured with, made before anything is measured.

    :raises ValueError: a file can't be read or used; the text says which and why
    """
    # Imported here because only those who ask for TLS pay the 11 ms of ``ssl``.
    from . import tls

    return tls.context(settings)


class Run(Generic[Result]):
    """Conversations in progress: begun when this is made, driven to their ends by :meth:`finish`.

    When ``timeout`` seconds are over, every open request is answered with a fault and every later
    one at once, so that the conversations end by themselves.

    :param context: of :func:`tls_context`, for conversations that use TLS
    :param signals: descriptor of a pipe that becomes readable when the run is to end at once
    :param parallel: most conversations in progress at the same time
    """

    def __init__(
        self,
        conversations: Sequence[Generator[Request, Answer, Result]],
        timeout: float,
        context: Optional[Context] = None,
        signals: int = -1,
        parallel: int = MOST_AT_ONCE,
        clock: Clock = time.monotonic,
    ) -> None:
        self._clock = clock
        self._parallel = parallel
        self._deadline = Deadline(clock() + timeout, timeout, clock)
        self._watch = Watch(signals)
        self._channels = [_Channel(each, self._deadline, context) for each in conversations]
        self._waiting = self._channels[::-1]
        self._start_some()

    def finish(self) -> list[Result]:
        """The results, in the order of the conversations."""
        watch, deadline, clock = self._watch, self._deadline, self._clock
        while watch.active or self._waiting:
            for awake, descriptor in watch.wait(clock()):
                if awake is None:
                    deadline.end_now(_interruption(descriptor))
                    break
                awake.ready(descriptor)
                watch.settle(awake)
            overdue = list(watch.active) if deadline.interruption else watch.overdue(clock())
            for late in overdue:
                late.expire()
                watch.settle(late)
            self._start_some()
        return [channel.result for channel in self._channels]

    def _start_some(self) -> None:
        while self._waiting and len(self._watch.active) < self._parallel:
            channel = self._waiting.pop()
            channel.start()
            self._watch.settle(channel)


def run(
    conversations: Sequence[Generator[Request, Answer, Result]],
    timeout: float,
    context: Optional[Context] = None,
    signals: int = -1,
    parallel: int = MOST_AT_ONCE,
    clock: Clock = time.monotonic,
) -> list[Result]:
    """Drive all ``conversations`` to their ends; see :class:`Run`."""
    return Run(conversations, timeout, context, signals, parallel, clock).finish()


def _interruption(descriptor: int) -> Fault:
    """What to say of the signal whose number waits in the pipe."""
    number = os.read(descriptor, 1)[0]
    return Fault(Verdict.UNTESTED, f"{INTERRUPTED} {signal.Signals(number).name}")


#: Linux' SO_TIMESTAMPNS, which Python 3.9 has no name for.
_STAMPS = 35
_ROOM_FOR_STAMP = 64


def _stamp(plain: socket.socket) -> None:
    """Have the kernel note when data come, so that what waits while we are busy is not slow."""
    with contextlib.suppress(OSError):
        plain.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)


class Wire:
    """A socket that never blocks; see :class:`~.operation.Connection` for the contract."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain
        self.lag = 0.0
        self.fileno = plain.fileno
        self.send = plain.send
        self.close = plain.close

    def recv(self, most: int, /) -> bytes:
        """At most ``most`` received bytes; none at the end of the connection."""
        data, notes, _, _ = self._socket.recvmsg(most, _ROOM_FOR_STAMP)
        self.lag = 0.0
        for level, kind, stamp in notes:
            if (level, kind) == (socket.SOL_SOCKET, _STAMPS) and len(stamp) == _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack(stamp)
                # A clock that was set meanwhile must not make a stage shorter than nothing.
                self.lag = max(0.0, time.time() - seconds - nanoseconds / 1e9)
        return data


_TIMESPEC = struct.Struct("@ll")


def _round_trip(connected: socket.socket) -> float:
    """Seconds that the handshake of TCP took, by the kernel of Linux; 0 if it can't tell."""
    if not hasattr(socket, "TCP_INFO"):
        return 0.0
    try:
        info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    except OSError:
        return 0.0
    if len(info) < 104:
        return 0.0
    # struct tcp_info: tcpi_rtt in microseconds, and tcpi_total_retrans, after which a round trip
    # says nothing of how long it took.
    (microseconds,), (retransmissions,) = (struct.unpack_from("@I", info, at) for at in (68, 100))
    return 0.0 if retransmissions else microseconds / 1e6


class _Attempt(NamedTuple):
    """A connection that is being made."""

    socket: socket.socket
    address: str
    begun: float


class _Connecting(Operation):
    """Connection attempts to several addresses, a new one whenever the last is slow or has failed.

    RFC 8305 5, so that an address that swallows packets costs a fraction of a second.
    """

    def __init__(self, deadline: Deadline, request: Connect) -> None:
        super().__init__(deadline, request.patience)
        self._request = request
        self._untried = list(request.addresses)
        self._attempts: dict[int, _Attempt] = {}
        self._faults: list[tuple[str, Fault]] = []
        self.connected: Optional[Wire] = None
        #: When the connection stood.
        self.since = 0.0

    def begin(self) -> Optional[Answer]:
        return self._next_attempt()

    def ready(self, descriptor: int) -> Optional[Answer]:
        attempt = self._attempts[descriptor]
        code = attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            return self._success(attempt)
        del self._attempts[descriptor], self.watched[descriptor]
        attempt.socket.close()
        self._faults.append((attempt.address, fault_of(OSError(code, ""))))
        return self._next_attempt()

    def expire(self) -> Optional[Answer]:
        if self._clock() < self._limit.due and not self._deadline.interruption:
            return self._next_attempt()
        for attempt in self._attempts.values():
            self._faults.append((attempt.address, self._out_of_time()))
        return self._give_up()

    def close(self) -> None:
        for attempt in self._attempts.values():
            if self.connected is None or attempt.socket.fileno() != self.connected.fileno():
                attempt.socket.close()

    def _next_attempt(self) -> Optional[Answer]:
        while self._untried and self._clock() < self._limit.due:
            address = self._untried.pop(0)
            begun = self._clock()
            try:
                attempt = _Attempt(self._attempt(address), address, begun)
            except OSError as error:
                self._faults.append((address, fault_of(error)))
                continue
            descriptor = attempt.socket.fileno()
            self._attempts[descriptor] = attempt
            self.watched[descriptor] = select.POLLOUT
            self.due = self._limit.due
            if self._untried:
                self.due = min(self.due, self._clock() + ATTEMPT_DELAY)
            return None
        self.due = self._limit.due
        return None if self._attempts else self._give_up()

    def _attempt(self, address: str) -> socket.socket:
        """Begin to connect to ``address``; an error here may come at once."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        attempt = socket.socket(family, socket.SOCK_STREAM)
        try:
            attempt.setblocking(False)
            # The segments of a flight must not wait for one another (Nagle, RFC 896).
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _stamp(attempt)
            if self._request.source_address:
                attempt.bind((self._request.source_address, 0))
            code = attempt.connect_ex(_socket_address(address, self._request.port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, "")
        except OSError:
            attempt.close()
            raise
        return attempt

    def _success(self, attempt: _Attempt) -> Answer:
        self.connected = Wire(attempt.socket)
        seconds = self._seconds()
        round_trip = _round_trip(attempt.socket)
        if round_trip:
            # The kernel has seen the connection stand; we may come from something else.
            seconds = min(seconds, attempt.begun - self._limit.begun + round_trip)
        self.since = self._limit.begun + seconds
        return Answer(seconds, addresses=(attempt.address, attempt.socket.getsockname()[0]))

    def _give_up(self) -> Answer:
        """The fault of all attempts: of each address what became of it, many in short."""
        if not self._faults:
            return self._failed(self._out_of_time())
        port = self._request.port
        faults = [fault for _, fault in self._faults]
        words = "; ".join(
            f"{address} port {port}: {_in_a_list(fault)}" for address, fault in self._faults[:2]
        )
        if len(faults) > 2:
            words += f"; {len(faults)} of {len(self._request.addresses)} addresses tried"
        # One address that may still be alive behind a silent firewall outweighs nothing: what is
        # known to be broken is the better answer, and our own fault the last.
        verdict = min((fault.verdict for fault in faults), key=_VERDICT_ORDER.index)
        if verdict is Verdict.TIMED_OUT and len(faults) == 1:
            words = f"{faults[0].explanation} ({self._faults[0][0]} port {port})"
        return self._failed(Fault(verdict, words))


def _in_a_list(fault: Fault) -> str:
    words = fault.explanation
    return f"no answer {words}" if words.startswith("within ") else words


_VERDICT_ORDER = [Verdict.BROKEN, Verdict.TIMED_OUT, Verdict.UNTESTED]


def _socket_address(address: str, port: int) -> Union[tuple[str, int], tuple[str, int, int, int]]:
    """A socket address; the zone of a link-local IPv6 address (RFC 4007 11) becomes its index."""
    host, _, zone = address.partition("%")
    if not zone:
        return host, port
    index = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    return host, port, 0, index


def _dial(address: str, port: int, tcp: bool) -> Connection:
    """Begin to connect to a name server."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dialled = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    try:
        dialled.setblocking(False)
        _stamp(dialled)
        code = dialled.connect_ex(_socket_address(address, port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "")
    except OSError:
        dialled.close()
        raise
    return Wire(dialled)


def _look_up(request: Resolve) -> Answer:
    """Ask the system's resolver, however long it takes."""
    families = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}
    try:
        found = socket.getaddrinfo(
            # Bytes, because a str would go through the idna codec of 2003.
            request.name.encode("ascii"),
            None,
            families[request.family],
            socket.SOCK_STREAM,
            flags=socket.AI_CANONNAME,
        )
    except socket.gaierror as error:
        return Answer(0.0, _resolver_fault(error))
    # dict and not set: the system's order is by preference (RFC 6724).
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    return Answer(0.0, addresses=addresses, canonical_name=found[0][3])


def _resolver_fault(error: socket.gaierror) -> Fault:
    if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)):
        return Fault(Verdict.BROKEN, "does not exist or has no address")
    return Fault(Verdict.UNTESTED, f"could not be looked up: {error.strerror}")


class _Channel(Generic[Result]):
    """One conversation, its connection and the request it waits for."""

    result: Result

    def __init__(
        self,
        conversation: Generator[Request, Answer, Result],
        deadline: Deadline,
        context: Optional[Context],
    ) -> None:
        self._conversation = conversation
        self._deadline = deadline
        self._context = context
        self._line: Optional[Line] = None
        self._operation: Optional[Operation] = None
        self.done = False

    @property
    def watched(self) -> dict[int, int]:
        return self._operation.watched if self._operation else {}

    @property
    def due(self) -> float:
        return self._operation.due if self._operation else self._deadline.ends

    def start(self) -> None:
        self._go_on(None)

    def ready(self, descriptor: int) -> None:
        if self._operation is not None and descriptor in self._operation.watched:
            self._take(self._operation.ready(descriptor))

    def expire(self) -> None:
        if self._operation is not None:
            self._take(self._operation.expire())

    def _take(self, answer: Optional[Answer]) -> None:
        if answer is not None:
            self._go_on(answer)

    def _go_on(self, answer: Optional[Answer]) -> None:
        """Give the conversation its answer and begin what it asks next, until it has to wait."""
        while True:
            self._end_operation()
            if answer is not None:
                answer = answer._replace(left=self._deadline.left)
            try:
                # A fresh generator is started by sending None.
                request = self._conversation.send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                self._hang_up()
                self.result = end.value
                self.done = True
                return
            answer = self._begin(request)
            if answer is None:
                return

    def _begin(self, request: Request) -> Optional[Answer]:
        if isinstance(request, Close):
            self._hang_up()
            return Answer(0.0)
        self._operation = self._operation_for(request)
        return self._operation.begin()

    def _operation_for(self, request: Any) -> Operation:
        if isinstance(request, (Exchange, StartTls)):
            if self._line is None:
                raise RuntimeError("a conversation must connect before it speaks")
            if isinstance(request, Exchange):
                return Exchanging(self._deadline, request, self._line)
            return self._handshaking(request, self._line)
        if isinstance(request, Connect):
            return _Connecting(self._deadline, request)
        if isinstance(request, Ask):
            return Asking(self._deadline, request, _dial)
        return Resolving(self._deadline, request, _look_up)

    def _handshaking(self, request: StartTls, line: Line) -> Operation:
        # Paid for already by whoever made the context.
        from .tls import Handshaking

        if self._context is None:
            raise RuntimeError("a conversation with TLS needs a context")
        return Handshaking(self._deadline, request, line, self._context)

    def _end_operation(self) -> None:
        operation, self._operation = self._operation, None
        if operation is None:
            return
        if isinstance(operation, _Connecting) and operation.connected is not None:
            self._hang_up()
            self._line = Line(operation.connected, operation.since)
        operation.close()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.connection.close()
            self._line = None
