"""Sockets, clock and deadline: drives one conversation or hundreds in one loop.

The only module that opens sockets.  Every wait is bounded by one monotonic deadline, whatever
comes: silence, a byte at a time, a flood.  What the operating system reports becomes a
:class:`~exchange_mailaccept.world.Fault` here and travels no further as an exception.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import math
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Optional, TypeVar, Union

from .asking import Asking
from .exchanging import Exchanging, Line
from .operation import Clock, Connection, Deadline, Operation, fault_of
from .stages import Verdict
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


def run(
    conversations: Sequence[Generator[Request, Answer, Result]],
    timeout: float,
    context: Optional[Context] = None,
    signals: int = -1,
    parallel: int = MOST_AT_ONCE,
    clock: Clock = time.monotonic,
) -> list[Result]:
    """Drive all ``conversations`` to their ends and return their results in the same order.

    When ``timeout`` seconds are over, every open request is answered with a fault and every later
    one at once, so that the conversations end by themselves.

    :param context: of :func:`tls_context`, for conversations that use TLS
    :param signals: descriptor of a pipe that becomes readable when the run is to end at once
    :param parallel: most conversations in progress at the same time
    """
    deadline = Deadline(clock() + timeout, timeout, clock)
    watch = _Watch(signals)
    channels = [_Channel(conversation, deadline, context) for conversation in conversations]
    waiting = channels[::-1]
    while waiting or watch.active:
        while waiting and len(watch.active) < parallel:
            channel = waiting.pop()
            channel.start()
            watch.settle(channel)
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
    return [channel.result for channel in channels]


def _interruption(descriptor: int) -> Fault:
    """What to say of the signal whose number waits in the pipe."""
    number = os.read(descriptor, 1)[0]
    return Fault(Verdict.UNTESTED, f"{INTERRUPTED} {signal.Signals(number).name}")


class _Watch:
    """Which channel waits for which descriptors, and until when."""

    def __init__(self, signals: int) -> None:
        self._poll = select.poll()
        if signals >= 0:
            self._poll.register(signals, select.POLLIN)
        self._owners: dict[int, _Channel[Any]] = {}
        #: The channels that are not done, each with what it waits for.
        self.active: dict[_Channel[Any], dict[int, int]] = {}
        #: A heap of times at which a channel wanted to be woken; it may have changed its mind.
        self._alarms: list[tuple[float, int, _Channel[Any]]] = []
        self._settled = itertools.count()

    def settle(self, channel: _Channel[Any]) -> None:
        """Watch what the channel waits for now, and nothing of what it waited for before."""
        before, now = self.active.pop(channel, {}), channel.watched
        for descriptor in before:
            # Closed and reused by another channel meanwhile, it is no longer ours to forget.
            if descriptor not in now and self._owners.get(descriptor) is channel:
                del self._owners[descriptor]
                self._poll.unregister(descriptor)
        for descriptor, events in now.items():
            if before.get(descriptor) != events or self._owners.get(descriptor) is not channel:
                self._owners[descriptor] = channel
                self._poll.register(descriptor, events)
        if not channel.done:
            self.active[channel] = dict(now)
            heapq.heappush(self._alarms, (channel.due, next(self._settled), channel))

    def wait(self, now: float) -> list[tuple[Optional[_Channel[Any]], int]]:
        """The channels for which something has happened, with the descriptor it happened to.

        Returns when the next channel wants to be woken at the latest.  No channel stands for the
        pipe of the signals.
        """
        while self._alarms and self._is_stale(*self._alarms[0]):
            heapq.heappop(self._alarms)
        if not self._alarms:
            return []
        # Rounded up: poll counts in milliseconds, and must not wake before it is time.
        patience = math.ceil(max(0.0, self._alarms[0][0] - now) * 1000)
        events = self._poll.poll(patience)
        return [(self._owners.get(descriptor), descriptor) for descriptor, _ in events]

    def overdue(self, now: float) -> list[_Channel[Any]]:
        """The channels whose time is up, each once."""
        found: dict[_Channel[Any], None] = {}
        while self._alarms and self._alarms[0][0] <= now:
            due, number, channel = heapq.heappop(self._alarms)
            if not self._is_stale(due, number, channel):
                found[channel] = None
        return list(found)

    @staticmethod
    def _is_stale(due: float, _number: int, channel: _Channel[Any]) -> bool:
        return channel.done or channel.due != due


class _Connecting(Operation):
    """Connection attempts to several addresses, a new one whenever the last is slow or has failed.

    RFC 8305 5, so that an address that swallows packets costs a fraction of a second.
    """

    def __init__(self, deadline: Deadline, request: Connect) -> None:
        super().__init__(deadline, request.patience)
        self._request = request
        self._untried = list(request.addresses)
        self._attempts: dict[int, tuple[socket.socket, str]] = {}
        self._faults: list[tuple[str, Fault]] = []
        self.connected: Optional[socket.socket] = None

    def begin(self) -> Optional[Answer]:
        return self._next_attempt()

    def ready(self, descriptor: int) -> Optional[Answer]:
        attempt, address = self._attempts[descriptor]
        code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            return self._success(attempt, address)
        del self._attempts[descriptor], self.watched[descriptor]
        attempt.close()
        self._faults.append((address, fault_of(OSError(code, ""))))
        return self._next_attempt()

    def expire(self) -> Optional[Answer]:
        if self._clock() < self._limit.due and not self._deadline.interruption:
            return self._next_attempt()
        for _, address in self._attempts.values():
            self._faults.append((address, self._out_of_time()))
        return self._give_up()

    def close(self) -> None:
        for attempt, _ in self._attempts.values():
            if attempt is not self.connected:
                attempt.close()

    def _next_attempt(self) -> Optional[Answer]:
        while self._untried and self._clock() < self._limit.due:
            address = self._untried.pop(0)
            try:
                attempt = self._attempt(address)
            except OSError as error:
                self._faults.append((address, fault_of(error)))
                continue
            self._attempts[attempt.fileno()] = (attempt, address)
            self.watched[attempt.fileno()] = select.POLLOUT
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
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._request.source_address:
                attempt.bind((self._request.source_address, 0))
            code = attempt.connect_ex(_socket_address(address, self._request.port))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, "")
        except OSError:
            attempt.close()
            raise
        return attempt

    def _success(self, attempt: socket.socket, address: str) -> Answer:
        self.connected = attempt
        return Answer(self._seconds(), addresses=(address, attempt.getsockname()[0]))

    def _give_up(self) -> Answer:
        """The fault of all attempts: of each address what became of it, many in short."""
        if not self._faults:
            return self._failed(self._out_of_time())
        port = self._request.port
        faults = [fault for _, fault in self._faults]
        words = "; ".join(
            f"{address} port {port}: {fault.explanation}" for address, fault in self._faults[:2]
        )
        if len(faults) > 2:
            words += f"; {len(faults)} of {len(self._request.addresses)} addresses tried"
        # One address that may still be alive behind a silent firewall outweighs nothing: what is
        # known to be broken is the better answer, and our own fault the last.
        verdict = min((fault.verdict for fault in faults), key=_VERDICT_ORDER.index)
        if verdict is Verdict.TIMED_OUT and len(faults) == 1:
            words = f"{faults[0].explanation} ({self._faults[0][0]} port {port})"
        return self._failed(Fault(verdict, words))


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
        code = dialled.connect_ex(_socket_address(address, port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "")
    except OSError:
        dialled.close()
        raise
    return dialled


class _Resolving(Operation):
    """The system's resolver, in a thread: ``getaddrinfo`` can only be left behind, not stopped."""

    def __init__(self, deadline: Deadline, request: Resolve) -> None:
        super().__init__(deadline, request.patience)
        self._request = request
        self._found = Answer(0.0)
        self._waiting, self._telling = os.pipe()
        self._left_behind = False
        self._lock = threading.Lock()

    def begin(self) -> Optional[Answer]:
        self.watched = {self._waiting: select.POLLIN}
        threading.Thread(target=self._look_up, daemon=True).start()
        return None

    def ready(self, descriptor: int) -> Optional[Answer]:  # noqa: ARG002 there is only one
        return self._found._replace(seconds=self._seconds())

    def expire(self) -> Optional[Answer]:
        words = f"the system's resolver gave no answer within {self._limit.allowed:.3g}s"
        return self._failed(self._deadline.interruption or Fault(Verdict.UNTESTED, words))

    def close(self) -> None:
        with self._lock:
            self._left_behind = True
            os.close(self._waiting)
            os.close(self._telling)

    def _look_up(self) -> None:
        families = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}
        try:
            found = socket.getaddrinfo(
                # Bytes, because a str would go through the idna codec of 2003.
                self._request.name.encode("ascii"),
                None,
                families[self._request.family],
                socket.SOCK_STREAM,
                flags=socket.AI_CANONNAME,
            )
        except socket.gaierror as error:
            self._found = Answer(0.0, _resolver_fault(error))
        else:
            # dict and not set: the system's order is by preference (RFC 6724).
            addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
            self._found = Answer(0.0, addresses=addresses, canonical_name=found[0][3])
        with self._lock:
            if not self._left_behind:
                os.write(self._telling, b".")


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
        return _Resolving(self._deadline, request)

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
            self._line = Line(operation.connected)
        operation.close()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.connection.close()
            self._line = None
