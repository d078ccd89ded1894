"""Drives one conversation or hundreds in one loop, over real sockets, under one deadline.

Every wait ends by the deadline, whether a server is silent, sends a byte at a time or a flood.  An
error of the operating system becomes a :class:`~.conversation.Fault` in an operation.  With asyncio
a run would take 80 % more instructions, and its latencies would be wrong, because asyncio's streams
do not tell when the kernel received something.
"""

from __future__ import annotations

import os
import time

from ..protocol.conversation import Fault, Time
from ..record import TYPE_CHECKING
from ..vocabulary import Cause
from .connection import CommandExchange, ConnectionAttempts, Line
from .operation import Deadline, Operation, Poller, in_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import Any, Optional

    from ..protocol.conversation import Clock, Close, Command, Connect
    from ..protocol.further_requests import (
        Answer,
        Ask,
        Await,
        Begin,
        Call,
        End,
        Ended,
        Request,
        Resolve,
        StartTls,
    )
    from . import operation
    from .operation import Waiting
    from .sockets import HeadStart
    from .trust import Contexts

    #: ``conversation`` has what it yields and what it is sent.
    Conversation = Generator[Any, Any, Any]

#: Default for conversations at once: fewer than the usual limit of descriptors.
MAX_AT_ONCE = 900

#: Causes that say that a server was given its time and did not use it.
SILENCE = (Cause.SILENT, Cause.NO_ANSWER)
#: How long this host may keep servers waiting, as for imports: seconds, or a part of the time.
MAX_LOST, MAX_LOST_PART = 0.25, 0.1


class Run:
    """Conversations in progress.  They begin when this is made, and :meth:`drive` ends them.

    After ``timeout`` seconds every request in progress, and every later one, is answered with a
    fault, so that the conversations end by themselves.

    :param timeout: seconds
    :param contexts: for conversations that use TLS
    :param signals: descriptor of a pipe that becomes readable when the run is to end at once
    :param parallel: maximum number of conversations at once
    :param ahead: a first packet that was sent already, for the first conversation
    """

    def __init__(
        self,
        conversations: Sequence[Conversation],
        timeout: float,
        contexts: Optional[Contexts] = None,
        signals: int = -1,
        parallel: int = MAX_AT_ONCE,
        clock: operation.Clock = time.monotonic,
        ahead: Optional[HeadStart] = None,
    ) -> None:
        self._clock = clock
        self._parallel = parallel
        self._deadline = Deadline(clock() + timeout, timeout, clock)
        self._poller = Poller(signals)
        #: Channels that have gone on, and wait for something else now.
        self._changed: list[_Channel] = []
        self._channels = [
            _Channel(conversation, self._deadline, contexts, self._changed)
            for conversation in conversations
        ]
        if ahead is not None:
            self._channels[0].ahead = ahead
        self._waiting = self._channels[::-1]
        self._start_some()

    @property
    def interruption(self) -> Optional[Fault]:
        """Why the run ended early, if it did."""
        return self._deadline.interruption

    def drive(self, chores: Sequence[Callable[[], object]] = ()) -> list[Any]:
        """Drive all conversations to their ends, and return the results in their order.

        :param chores: other work, such as imports.  One is done after each event but the first,
            while the servers have something to answer.  The first event may have waited for this
            process already
        """
        poller, deadline, clock = self._poller, self._deadline, self._clock
        undone = list(chores)
        first = True
        while poller.active or self._waiting:
            went_on = self._wake(poller.wait(clock()))
            overdue = poller.overdue(clock())
            if overdue and not deadline.interruption:
                # If this process was stopped, the time is up before it has looked at what came in
                # time.
                went_on = self._wake(poller.look()) or went_on
            if deadline.interruption:
                overdue = list(poller.active)
            for late in overdue:
                if deadline.interruption or late.due <= clock():
                    late.expire()
                self._settle(late)
            self._start_some()
            if undone and went_on and not first:
                undone.pop(0)()
            first = False
        for chore in undone:
            chore()
        return [channel.result for channel in self._channels]

    def _wake(self, events: Sequence[tuple[Optional[Waiting], int]]) -> bool:
        """Let channels go on; true if an event was enough for one."""
        went_on = False
        for awake, descriptor in events:
            if awake is None:
                self._deadline.end_now(_interruption(descriptor))
                break
            went_on = awake.ready(descriptor) or went_on
            self._settle(awake)
        return went_on

    def _start_some(self) -> None:
        while self._waiting and len(self._poller.active) < self._parallel:
            channel = self._waiting.pop()
            channel.start()
            self._settle(channel)

    def _settle(self, channel: Waiting) -> None:
        """Watch what ``channel``, and the channels that went on because of it, wait for now."""
        self._poller.settle(channel)
        for changed in self._changed:
            if changed is not channel:
                self._poller.settle(changed)
        self._changed.clear()


def _interruption(descriptor: int) -> Fault:
    """The fault of the signal whose number is in the pipe."""
    number = os.read(descriptor, 1)[0]
    import signal

    return Fault(Cause.INTERRUPTED, f"interrupted by {signal.Signals(number).name}")


class _Awaiting(Operation):
    """Waiting for the end of a conversation that was begun."""

    def __init__(self, deadline: Deadline, request: Await, ended: list[tuple[int, Any]]) -> None:
        super().__init__(deadline, request.patience)
        self._ended = ended

    def begin(self) -> Optional[Ended]:
        """Answer if a conversation has ended."""
        if not self._ended:
            return None
        from ..protocol.further_requests import Ended

        seconds, left = self._times()
        return Ended(seconds, None, self._ended.pop(0), left)

    def expire(self) -> Ended:
        """Give up."""
        from ..protocol.further_requests import Ended

        seconds, left = self._times()
        return Ended(seconds, self._out_of_time(), None, left)


class _Channel:
    """One conversation, its connection and the request it waits for."""

    result: Any

    def __init__(
        self,
        conversation: Conversation,
        deadline: Deadline,
        contexts: Optional[Contexts],
        changed: list[_Channel],
        told: Optional[Callable[[Any], None]] = None,
    ) -> None:
        self._conversation = conversation
        self._changed = changed
        #: Is called with the result.
        self._told = told
        self._begun: list[_Channel] = []
        #: Numbers and results of begun conversations that have ended.
        self._ended: list[tuple[int, Any]] = []
        #: Seconds of all answers.
        self._waited = 0.0
        #: Since when it is this host's turn, and the seconds that servers have waited for it.
        self._our_turn = deadline.clock()
        self._lost = 0.0
        self._deadline = deadline
        self._contexts = contexts
        #: What was sent ahead; the first request takes it if it wants the same.
        self.ahead: Optional[HeadStart] = None
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
        self._our_turn = self._deadline.clock()
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
        """Answer the request in progress, and all later ones, with a fault at once."""
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
            if answer is not None:
                answer = self._excused(answer)
                self._waited += answer.seconds
            self._end_operation()
            try:
                # A generator is started by sending None.
                request = self._conversation.send(answer)
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

    def _excused(self, answer: Answer) -> Answer:
        """``answer``; but a server is not silent if this host used up most of its time.

        If this host is too busy, or was suspended, it takes late what came in time, and sends the
        next command late.
        """
        operation, fault = self._operation, getattr(answer, "fault", None)
        if operation is None or fault is None or fault.cause not in SILENCE:
            return answer
        # A process that is stopped after it has sent notes a time that is too late.
        operation.asked = operation.when_asked()
        lost = self._lost_by(operation)
        left_to_server = operation.ends - operation.asked
        if lost <= max(MAX_LOST, MAX_LOST_PART * operation.allowed, left_to_server):
            return answer
        words = f"this host was too busy, the check could not run for {in_seconds(lost)}"
        return answer._replace(fault=Fault(Cause.TOO_BUSY, words))  # type: ignore[call-arg]

    def _lost_by(self, operation: Operation) -> float:
        """Seconds for which servers waited for this host, until ``operation`` ended."""
        return self._lost + max(0.0, operation.asked - self._our_turn) + operation.lost

    def _begin(self, request: Request) -> Optional[Answer]:
        """Begin ``request``; the answer, if there is one at once."""
        # By the name of its class, as cmd.Cmd does, because few runs import all kinds of requests.
        begun = getattr(self, f"_do_{type(request).__name__.lower()}")(request)
        if not isinstance(begun, Operation):
            return begun  # type: ignore[no-any-return]
        self._operation = begun
        return begun.begin()

    def _do_close(self, _: Close) -> Time:
        self._hang_up()
        return self._time()

    def _do_clock(self, _: Clock) -> Time:
        return self._time()

    def _time(self) -> Time:
        return Time(0.0, self._deadline.left, self._waited)

    def _do_begin(self, request: Begin) -> Time:
        number = len(self._begun)

        def told(result: Any) -> None:
            self._hear(number, result)

        beside = _Channel(request.conversation, self._deadline, self._contexts, self._changed, told)
        self._begun.append(beside)
        beside.start()
        return self._time()

    def _do_end(self, request: End) -> Time:
        self._begun[request.number].end()
        return self._time()

    def _do_await(self, request: Await) -> Operation:
        return _Awaiting(self._deadline, request, self._ended)

    def _do_command(self, request: Command) -> Operation:
        return CommandExchange(self._deadline, request, self._connected)

    def _do_connect(self, request: Connect) -> Operation:
        return ConnectionAttempts(self._deadline, request, self._take_head_start())

    def _do_starttls(self, request: StartTls) -> Operation:
        from .tls import TlsHandshake

        if self._contexts is None:
            raise RuntimeError("a conversation with TLS needs contexts")
        return TlsHandshake(self._deadline, request, self._connected, self._contexts)

    def _do_ask(self, request: Ask) -> Operation:
        from .name_server import NameServerQuery

        return NameServerQuery(self._deadline, request, self._take_head_start())

    def _do_resolve(self, request: Resolve) -> Operation:
        from .blocking_call import SystemLookUp

        return SystemLookUp(self._deadline, request)

    def _do_call(self, request: Call) -> Operation:
        from .blocking_call import BlockingCall

        return BlockingCall(self._deadline, request)

    def _take_head_start(self) -> Optional[HeadStart]:
        ahead, self.ahead = self.ahead, None
        return ahead

    @property
    def _connected(self) -> Line:
        if self._line is None:
            raise RuntimeError("a conversation must connect before it speaks")
        return self._line

    def _end_operation(self) -> None:
        operation, self._operation = self._operation, None
        if operation is None:
            return
        self._lost = self._lost_by(operation)
        self._our_turn = max(operation.asked, operation.answered)
        if isinstance(operation, ConnectionAttempts) and operation.connected is not None:
            self._hang_up()
            self._line = Line(operation.connected, operation.since)
        operation.close()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.connection.close()
            self._line = None
