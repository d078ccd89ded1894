"""Clock and deadline: drives one conversation or hundreds in one loop, over real sockets.

Every wait is bounded by one monotonic deadline, whatever comes: silence, a byte at a time, a flood.
What the operating system reports becomes a :class:`~.stages.Fault` in an operation, and travels no
further as an exception.  With asyncio a run would take 80 % more instructions, and its latencies
would be wrong, because its streams do not tell when the kernel received something.
"""

from __future__ import annotations

import os
import time

from ..protocol.requests import (
    Ask,
    Await,
    Begin,
    Call,
    Clock,
    Close,
    Command,
    Connect,
    Done,
    End,
    Ended,
    Resolve,
    StartTls,
    Time,
)
from ..protocol.stages import Fault
from ..record import TYPE_CHECKING
from ..vocabulary import Cause
from .command import CommandExchange, Line
from .connect import ConnectionAttempts
from .operation import Deadline, Operation, in_seconds
from .poller import Poller

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import Any, Optional

    from ..protocol.requests import Answer, Request
    from . import operation
    from .poller import Waiting
    from .sockets import HeadStart
    from .trust import Contexts

    #: Each of its requests is answered with what ``requests`` says.
    Conversation = Generator[Any, Any, Any]

#: Conversations at the same time when nobody asks for fewer: below the usual limit of descriptors.
MOST_AT_ONCE = 900

#: Causes that say that a server was given its time and did not use it.
SILENCE = (Cause.SILENT, Cause.NO_ANSWER)
#: How long this host may keep servers waiting, as for imports: seconds, or a part of the time.
MAX_LOST, MAX_LOST_PART = 0.25, 0.1


class Run:
    """Conversations in progress: begun when this is made, driven to their ends by :meth:`drive`.

    When ``timeout`` seconds are over, every open request is answered with a fault and every later
    one at once, so that the conversations end by themselves.

    :param timeout: seconds
    :param contexts: for conversations that use TLS
    :param signals: descriptor of a pipe that becomes readable when the run is to end at once
    :param parallel: most conversations in progress at the same time
    :param ahead: a first packet that has been sent already, for the first conversation
    """

    def __init__(
        self,
        conversations: Sequence[Conversation],
        timeout: float,
        contexts: Optional[Contexts] = None,
        signals: int = -1,
        parallel: int = MOST_AT_ONCE,
        clock: operation.Clock = time.monotonic,
        ahead: Optional[HeadStart] = None,
    ) -> None:
        self._clock = clock
        self._parallel = parallel
        self._deadline = Deadline(clock() + timeout, timeout, clock)
        self._poller = Poller(signals)
        #: Channels that have gone on, so that they wait for something else now.
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
        """Why the run ended before its time, if it did."""
        return self._deadline.interruption

    def drive(self, chores: Sequence[Callable[[], object]] = ()) -> list[Any]:
        """The results, in the order of the conversations.

        :param chores: what is to be done besides; one whenever something new has been said and is
            on its way, so that nothing waits for it that does not have to wait anyway.  Not after
            the first event: before that, whoever began the run has kept the server waiting
        """
        poller, deadline, clock = self._poller, self._deadline, self._clock
        undone = list(chores)
        first = True
        while poller.active or self._waiting:
            went_on = self._wake(poller.wait(clock()))
            overdue = poller.overdue(clock())
            if overdue and not deadline.interruption:
                # A process that was stopped, or had no turn, finds its time over before it has
                # looked at what came in time.
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
        """Let the channels go on to which something has happened; whether that was enough."""
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
        """Watch what ``channel`` waits for now, and what the channels that it made go on do."""
        self._poller.settle(channel)
        for changed in self._changed:
            if changed is not channel:
                self._poller.settle(changed)
        self._changed.clear()


def _interruption(descriptor: int) -> Fault:
    """What to say of the signal whose number waits in the pipe."""
    number = os.read(descriptor, 1)[0]
    import signal

    return Fault(Cause.INTERRUPTED, f"interrupted by {signal.Signals(number).name}")


class _Awaiting(Operation):
    """Waiting for the end of a conversation that was begun."""

    def __init__(self, deadline: Deadline, request: Await, ended: list[tuple[int, Any]]) -> None:
        super().__init__(deadline, request.patience)
        self._ended = ended

    def begin(self) -> Optional[Ended]:
        """Tell of the first that has ended, if one has."""
        if not self._ended:
            return None
        seconds, left = self._times()
        return Ended(seconds, None, self._ended.pop(0), left)

    def expire(self) -> Ended:
        """Give up."""
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
        #: Wants to know the result.
        self._told = told
        self._begun: list[_Channel] = []
        #: Numbers and results of those that have ended.
        self._ended: list[tuple[int, Any]] = []
        #: Seconds of all answers.
        self._waited = 0.0
        #: Since when it is this host's turn, and the seconds that servers have waited for it.
        self._our_turn = deadline.clock()
        self._lost = 0.0
        self._deadline = deadline
        self._contexts = contexts
        #: What was sent ahead is for the first request that wants the same, or for nobody.
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
            if answer is not None:
                answer = self._excused(answer)
                self._waited += answer.seconds
            self._end_operation()
            try:
                # A fresh generator is started by sending None.
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
        """``answer``, but a server is not called silent if this host took most of its time.

        The host is too busy, or was suspended: what came in time was taken late, and so what is
        asked next is asked late.
        """
        operation, fault = self._operation, getattr(answer, "fault", None)
        if operation is None or fault is None or fault.cause not in SILENCE:
            return answer
        # Stopped right after it has sent, this process notes too late that it did.
        operation.asked = operation.when_asked()
        lost = self._lost_by(operation)
        left_to_server = operation.ends - operation.asked
        if lost <= max(MAX_LOST, MAX_LOST_PART * operation.allowed, left_to_server):
            return answer
        words = f"this host was too busy, the check could not run for {in_seconds(lost)}"
        return answer._replace(fault=Fault(Cause.TOO_BUSY, words))  # type: ignore[call-arg]

    def _lost_by(self, operation: Operation) -> float:
        """Seconds that servers have waited for this host until the end of ``operation``."""
        return self._lost + max(0.0, operation.asked - self._our_turn) + operation.lost

    def _begin(self, request: Request) -> Optional[Answer]:
        """Begin what is asked for; the answer if it is there at once."""
        kind = type(request)
        if kind in _AT_ONCE:
            return _AT_ONCE[kind](self, request)
        self._operation = _OPERATIONS[kind](self, request)
        return self._operation.begin()

    def _close(self, _: Close) -> Done:
        self._hang_up()
        return Done(left=self._deadline.left)

    def _tell_time(self, _: Clock) -> Time:
        return Time(0.0, self._deadline.left, self._waited)

    def _begin_beside(self, request: Begin) -> Done:
        number = len(self._begun)

        def told(result: Any) -> None:
            self._hear(number, result)

        beside = _Channel(request.conversation, self._deadline, self._contexts, self._changed, told)
        self._begun.append(beside)
        beside.start()
        return Done(left=self._deadline.left)

    def _end_beside(self, request: End) -> Done:
        self._begun[request.number].end()
        return Done(left=self._deadline.left)

    def _await(self, request: Await) -> Operation:
        return _Awaiting(self._deadline, request, self._ended)

    def _command(self, request: Command) -> Operation:
        return CommandExchange(self._deadline, request, self._connected)

    def _connect(self, request: Connect) -> Operation:
        return ConnectionAttempts(self._deadline, request, self._take_head_start())

    def _start_tls(self, request: StartTls) -> Operation:
        from .tls import TlsHandshake

        if self._contexts is None:
            raise RuntimeError("a conversation with TLS needs contexts")
        return TlsHandshake(self._deadline, request, self._connected, self._contexts)

    def _ask(self, request: Ask) -> Operation:
        from .name_server import NameServerQuery

        return NameServerQuery(self._deadline, request, self._take_head_start())

    def _resolve(self, request: Resolve) -> Operation:
        from .blocking_call import SystemLookUp

        return SystemLookUp(self._deadline, request)

    def _call(self, request: Call) -> Operation:
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


#: What fulfils a request at once, and what begins the operation that does.
_AT_ONCE: dict[type, Callable[[_Channel, Any], Answer]] = {
    Close: _Channel._close,
    Clock: _Channel._tell_time,
    Begin: _Channel._begin_beside,
    End: _Channel._end_beside,
}
_OPERATIONS: dict[type, Callable[[_Channel, Any], Operation]] = {
    Connect: _Channel._connect,
    Command: _Channel._command,
    StartTls: _Channel._start_tls,
    Ask: _Channel._ask,
    Resolve: _Channel._resolve,
    Call: _Channel._call,
    Await: _Channel._await,
}
