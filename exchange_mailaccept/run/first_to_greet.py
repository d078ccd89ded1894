"""Several servers of a domain, of which the first that greets is tested.

A silent server is not given up.  After its share of the time the next server is tried as well,
because a greeting may take five minutes (RFC 5321 4.5.3.2.1).
"""

from __future__ import annotations

from ..protocol.conversation import MailHost, Server, Session, time
from ..protocol.further_requests import Await, Begin, End, Race, next_end
from ..record import TYPE_CHECKING, NamedTuple
from . import LEAST_PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any, Optional, Union

    from ..protocol.further_requests import Answer, Ended, Request
    from ..protocol.message import Plan

    #: Returns a server with its addresses, or the failed session of one without.
    Locate = Callable[[MailHost], Generator[Request, Answer, Union[Server, Session]]]


class _Try(NamedTuple):
    """An attempt at a server that was begun."""

    position: int
    server: Server
    #: Seconds of waiting for servers before it was begun.
    begun: float
    #: Whether another one was in progress then.
    beside: bool


class FirstToGreet:
    """The search for the first server that greets, and the walk through it.

    :param locate: finds the addresses of a server
    :param walk: walks through a server
    """

    def __init__(
        self, hosts: Sequence[MailHost], plan: Plan, locate: Locate, walk: Callable[..., Any]
    ) -> None:
        self._hosts = hosts
        self._plan = plan
        self._locate = locate
        self._walk = walk
        #: Seconds of waiting for servers.
        self._waiting = 0.0
        self._race = Race()
        self._begun: list[_Try] = []
        #: Sessions by the position of their host.
        self.sessions: dict[int, Session] = {}
        #: The position of the decisive session.
        self.decisive: Optional[int] = None

    def walk(self) -> Generator[Request, Answer, None]:
        """Begin one server after another until one greets, and walk through that one.

        A server that does not greet keeps its connection when its share of the time is over and the
        next server is begun.
        """
        hosts = self._hosts
        for position, host in enumerate(hosts):
            left = (yield from time()).left
            if self._race.winner is not None or left <= 0:
                break
            reached = yield from self._locate(host)
            if isinstance(reached, Session):
                self.sessions[position] = reached
                continue
            attempt = _Try(position, reached, self._waiting, bool(self._running))
            self._begun.append(attempt)
            yield Begin(self._walk(self._plan, reached, race=self._race))
            left = (yield from time()).left
            yield from self._wait(left - max(left / (len(hosts) - position), LEAST_PATIENCE))
        yield from self._finish()

    def _wait(self, left_then: float) -> Generator[Request, Answer, None]:
        """Wait until the last server ends, another one greets, or ``left_then`` seconds remain."""
        last = self._begun[-1].position
        while self._race.winner is None and last not in self.sessions:
            left = (yield from time()).left
            yield from self._hear(max(0.0, left - left_then))
            if left <= left_then:
                return

    def _finish(self) -> Generator[Request, Answer, None]:
        """Wait for the server that is tested, and for better ones that may still greet."""
        while self._race.winner is None and self._running:
            yield from self._hear()
        winner = next(
            (attempt for attempt in self._begun if attempt.server is self._race.winner), None
        )
        if winner is None:
            return
        self.decisive = winner.position
        while winner in self._running:
            yield from self._hear()
        for attempt in self._running:
            better = attempt.position < winner.position
            if not (better and self._race.is_connected(attempt.server)):
                yield End(self._begun.index(attempt))
        while self._running:
            yield from self._hear()
        # The servers after it do not matter for the target.
        for attempt in self._begun:
            if attempt.position > winner.position:
                del self.sessions[attempt.position]

    @property
    def _running(self) -> list[_Try]:
        return [attempt for attempt in self._begun if attempt.position not in self.sessions]

    def _hear(self, patience: Optional[float] = None) -> Generator[Await, Ended, None]:
        """Wait until one of the sessions that were begun ends, if one does in time."""
        answer = yield Await(patience)
        self._waiting += answer.seconds
        if answer.ended is None:
            return
        number, session = answer.ended
        attempt = self._begun[number]
        self.sessions[attempt.position] = session
        if session.greeted or session.interrupted:
            self._race.wins(attempt.server)

    def meet_nodes(self, session: Session) -> Generator[Request, Answer, Session]:
        """Meet other nodes of the server of the decisive ``session``."""
        from .nodes import meet

        # Begun, because a conversation numbers those that it begins.
        yield Begin(meet(self._plan, [session.server], session))
        _, (decisive,) = yield from next_end()
        return decisive  # type: ignore[no-any-return]

    def take_late(self) -> list[str]:
        """Leave out the servers that greeted late, and return a note on each."""
        late = [
            position
            for position, session in self.sessions.items()
            if position != self.decisive and session.failure is None
        ]
        return [
            f"{self._hosts[position].name} greeted late,"
            f" after {self.sessions.pop(position).seconds:.1f}s"
            for position in late
        ]

    @property
    def overlap(self) -> float:
        """Seconds for which sessions overlapped."""
        if not any(attempt.beside for attempt in self._begun):
            return 0.0
        ends = {
            attempt.position: attempt.begun + self.sessions[attempt.position].seconds
            for attempt in self._begun
            if attempt.position in self.sessions
        }
        end = max(ends.values()) if self.decisive is None else ends[self.decisive]
        return sum(session.seconds for session in self.sessions.values()) - end
