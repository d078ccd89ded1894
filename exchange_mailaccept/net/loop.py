"""Clock and deadline: drives one conversation or hundreds in one loop, over real sockets.

Every wait is bounded by one monotonic deadline, whatever comes: silence, a byte at a time, a flood.
What the operating system reports becomes a :class:`~.stages.Fault` in an operation, and travels no
further as an exception.
"""

from __future__ import annotations

import _socket
import os
import time

from ..protocol.requests import (
    Answer,
    Ask,
    Await,
    Begin,
    Clock,
    Close,
    Connect,
    End,
    Exchange,
    Resolve,
    StartTls,
)
from ..protocol.stages import Fault
from ..record import TYPE_CHECKING
from ..vocabulary import Cause
from . import sockets
from .command import Exchanging, Line
from .connect import Connecting
from .operation import Deadline, Operation
from .poller import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import Any, Optional, TypeVar

    from ..protocol.requests import Request
    from . import operation
    from .poller import Watched
    from .trust import Context

    Result = TypeVar("Result")
    Conversation = Generator[Request, Answer, Any]

#: Conversations at the same time when nobody asks for fewer: below the usual limit of descriptors.
MOST_AT_ONCE = 900


class Run:
    """Conversations in progress: begun when this is made, driven to their ends by :meth:`finish`.

    When ``timeout`` seconds are over, every open request is answered with a fault and every later
    one at once, so that the conversations end by themselves.

    :param context: of :func:`.trust.context`, for conversations that use TLS
    :param signals: descriptor of a pipe that becomes readable when the run is to end at once
    :param parallel: most conversations in progress at the same time
    :param ahead: a first packet that has been sent already, for the first conversation
    """

    def __init__(
        self,
        conversations: Sequence[Conversation],
        timeout: float,
        context: Optional[Context] = None,
        signals: int = -1,
        parallel: int = MOST_AT_ONCE,
        clock: operation.Clock = time.monotonic,
        ahead: Optional[sockets.HeadStart] = None,
    ) -> None:
        self._clock = clock
        self._parallel = parallel
        self._deadline = Deadline(clock() + timeout, timeout, clock)
        self._watch = Watch(signals)
        #: Channels that have gone on, so that they wait for something else now.
        self._changed: list[_Channel] = []
        self._channels = [
            _Channel(conversation, self._deadline, context, self._changed)
            for conversation in conversations
        ]
        if ahead is not None:
            self._channels[0].ahead = ahead
        self._waiting = self._channels[::-1]
        self._start_some()

    @property
    def interruption(self) -> Optional[Fault]:
        """Why the run ended before its time, if it did."""
        return self._deadline.interruption

    def finish(self, chores: Sequence[Callable[[], object]] = ()) -> list[Any]:
        """The results, in the order of the conversations.

        :param chores: what is to be done besides; one whenever something new has been said and is
            on its way, so that nothing waits for it that does not have to wait anyway.  Not after
            the first event: before that, whoever began the run has kept the server waiting
        """
        watch, deadline, clock = self._watch, self._deadline, self._clock
        undone = list(chores)
        first = True
        while watch.active or self._waiting:
            went_on = False
            for awake, descriptor in watch.wait(clock()):
                if awake is None:
                    deadline.end_now(_interruption(descriptor))
                    break
                went_on = awake.ready(descriptor) or went_on
                self._settle(awake)
            overdue = list(watch.active) if deadline.interruption else watch.overdue(clock())
            for late in overdue:
                late.expire()
                self._settle(late)
            self._start_some()
            if undone and went_on and not first:
                undone.pop(0)()
            first = False
        for chore in undone:
            chore()
        return [channel.result for channel in self._channels]

    def _start_some(self) -> None:
        while self._waiting and len(self._watch.active) < self._parallel:
            channel = self._waiting.pop()
            channel.start()
            self._settle(channel)

    def _settle(self, channel: Watched) -> None:
        """Watch what ``channel`` waits for now, and what the channels that it made go on do."""
        self._watch.settle(channel)
        for changed in self._changed:
            if changed is not channel:
                self._watch.settle(changed)
        self._changed.clear()


def run(
    conversations: Sequence[Generator[Request, Answer, Result]],
    timeout: float,
    context: Optional[Context] = None,
    signals: int = -1,
    parallel: int = MOST_AT_ONCE,
    clock: operation.Clock = time.monotonic,
) -> list[Result]:
    """Drive all ``conversations`` to their ends; see :class:`Run`."""
    return Run(conversations, timeout, context, signals, parallel, clock).finish()


def _interruption(descriptor: int) -> Fault:
    """What to say of the signal whose number waits in the pipe."""
    number = os.read(descriptor, 1)[0]
    # Imported here because its enums cost more than most runs need of them.
    import signal

    return Fault(Cause.INTERRUPTED, f"interrupted by {signal.Signals(number).name}")


def _look_up(request: Resolve) -> Answer:
    """Ask the system's resolver, however long it takes."""
    families = {0: _socket.AF_UNSPEC, 4: _socket.AF_INET, 6: _socket.AF_INET6}
    try:
        found = _socket.getaddrinfo(
            # Bytes, because a str would go through the idna codec of 2003.
            request.name.encode("ascii"),
            None,
            families[request.family],
            _socket.SOCK_STREAM,
            flags=_socket.AI_CANONNAME,
        )
    except _socket.gaierror as error:
        return Answer(0.0, _resolver_fault(error))
    # dict and not set: the system's order is by preference (RFC 6724).
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    return Answer(0.0, addresses=addresses, canonical_name=found[0][3])


def _resolver_fault(error: _socket.gaierror) -> Fault:
    if error.errno in (_socket.EAI_NONAME, getattr(_socket, "EAI_NODATA", None)):
        return Fault(Cause.NXDOMAIN, "does not exist or has no address")
    return Fault(Cause.RESOLVER, f"the system's resolver: {error.strerror}")


class _Awaiting(Operation):
    """Waiting for the end of a conversation that was begun."""

    def __init__(self, deadline: Deadline, request: Await, ended: list[tuple[int, Any]]) -> None:
        super().__init__(deadline, request.patience)
        self._ended = ended

    def begin(self) -> Optional[Answer]:
        """Tell of the first that has ended, if one has."""
        return self._answer()._replace(ended=self._ended.pop(0)) if self._ended else None


class _Channel:
    """One conversation, its connection and the request it waits for."""

    result: Any

    def __init__(
        self,
        conversation: Conversation,
        deadline: Deadline,
        context: Optional[Context],
        changed: list[_Channel],
        told: Optional[Callable[[Any], None]] = None,
    ) -> None:
        self._conversation = conversation
        self._changed = changed
        #: Wants to know the result.
        self._told = told
        self._begun: list[_Channel] = []
        #: Numbers and results of those that have ended.
        self._ended: list[tuple[int, Any]] = []
        #: Seconds of all answers.
        self._waited = 0.0
        self._deadline = deadline
        self._context = context
        #: What was sent ahead is for the first request that wants the same, or for nobody.
        self.ahead: Optional[sockets.HeadStart] = None
        self._line: Optional[Line] = None
        self._operation: Optional[Operation] = None
        self.done = False

    @property
    def watched(self) -> Mapping[int, int]:
        return self._operation.watched if self._operation is not None else {}

    @property
    def due(self) -> float:
        return self._operation.due if self._operation is not None else self._deadline.ends

    def start(self) -> None:
        self._go_on(None)

    def ready(self, descriptor: int) -> bool:
        if self._operation is None or descriptor not in self._operation.watched:
            return False
        answer = self._operation.ready(descriptor)
        if answer is None:
            return False
        self._go_on(answer)
        return True

    def expire(self) -> None:
        answer = self._operation.expire() if self._operation is not None else None
        if answer is not None:
            self._go_on(answer)

    def end(self) -> None:
        """Have all that the conversation waits for or asks later fail at once."""
        if self._operation is None:
            return
        answer = self._operation.cut_short()
        self._deadline = Deadline(self._deadline.clock(), 0.0, self._deadline.clock)
        if answer is not None:
            self._go_on(answer)

    def _hear(self, number: int, result: Any) -> None:
        """Take note that conversation ``number`` has ended."""
        self._ended.append((number, result))
        if isinstance(self._operation, _Awaiting):
            self._go_on(self._operation.begin())

    def _go_on(self, answer: Optional[Answer]) -> None:
        """Give the conversation its answer and begin what it asks next, until it has to wait."""
        self._changed.append(self)
        while True:
            self._end_operation()
            self._waited += answer.seconds if answer is not None else 0.0
            try:
                # A fresh generator is started by sending None.
                request = self._conversation.send(answer)  # type: ignore[arg-type]
            except StopIteration as end:
                self._hang_up()
                self.result = end.value
                self.done = True
                if self._told is not None:
                    self._told(self.result)
                return
            answer = self._begin(request)
            if answer is None:
                return

    def _begin(self, request: Request) -> Optional[Answer]:
        if isinstance(request, Close):
            self._hang_up()
        elif isinstance(request, Begin):
            self._begin_beside(request.conversation)
        elif isinstance(request, End):
            self._begun[request.number].end()
        elif not isinstance(request, Clock):
            self._operation = self._operation_for(request)
            return self._operation.begin()
        return Answer(0.0, left=self._deadline.left, waited=self._waited)

    def _begin_beside(self, conversation: Conversation) -> None:
        number = len(self._begun)

        def told(result: Any) -> None:
            self._hear(number, result)

        beside = _Channel(conversation, self._deadline, self._context, self._changed, told)
        self._begun.append(beside)
        beside.start()

    def _operation_for(self, request: Any) -> Operation:
        if isinstance(request, Await):
            return _Awaiting(self._deadline, request, self._ended)
        if isinstance(request, Exchange):
            return Exchanging(self._deadline, request, self._connected)
        if isinstance(request, StartTls):
            return self._handshaking(request, self._connected)
        if isinstance(request, (Connect, Ask)):
            ahead, self.ahead = self.ahead, None
            if isinstance(request, Connect):
                return Connecting(self._deadline, request, ahead)
            # Imported here because a server that was named is not to be found.
            from .name_server import Asking

            return Asking(self._deadline, request, ahead)
        # Imported here because a server that is named by its address needs no thread.
        from .system_resolver import Resolving

        return Resolving(self._deadline, request, _look_up)

    @property
    def _connected(self) -> Line:
        if self._line is None:
            raise RuntimeError("a conversation must connect before it speaks")
        return self._line

    def _handshaking(self, request: StartTls, line: Line) -> Operation:
        # Imported already by whoever made the context.
        from .tls import Handshaking

        if self._context is None:
            raise RuntimeError("a conversation with TLS needs a context")
        return Handshaking(self._deadline, request, line, self._context)

    def _end_operation(self) -> None:
        operation, self._operation = self._operation, None
        if operation is None:
            return
        if isinstance(operation, Connecting) and operation.connected is not None:
            self._hang_up()
            self._line = Line(operation.connected, operation.since)
        operation.close()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.connection.close()
            self._line = None
