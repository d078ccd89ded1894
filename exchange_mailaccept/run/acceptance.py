"""The mail acceptance of one domain: finds its servers, and tests the first that greets.

As a mail transfer agent does (RFC 5321 5.1), it tries the next server only if one can't be reached
or refuses the connection in its greeting.  What happens later is the domain's answer.  After the
final dot a second attempt could deliver the message twice.

A silent server is not given up.  After its share of the time the next server is tried as well,
because a greeting may take five minutes (RFC 5321 4.5.3.2.1).
"""

from __future__ import annotations

from ..names import is_address
from ..protocol.dialogue import Plan, walk
from ..protocol.race import Race
from ..protocol.requests import Await, Begin, End, time
from ..protocol.stages import MailHost, Server, Session, StageOutcome
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Cause, Stage, Verdict
from .servers import Located, Servers, Target, find_addresses, find_servers

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Optional

    from ..protocol.requests import Answer, Ended, Request
    from .expected_mx import MxSet

#: Minimum share of a server, in seconds, before the next one is tried as well.
LEAST_PATIENCE = 1.0


class Acceptance(NamedTuple):
    """The result of the test of one target."""

    #: Finding the servers; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    #: A session for each server that was tried, in order.
    sessions: tuple[Session, ...] = ()
    #: All servers, in the order in which a sender tries them.
    hosts: tuple[MailHost, ...] = ()
    #: What was noticed when the servers were looked up, such as aliases.
    notes: tuple[str, ...] = ()
    #: Seconds for which sessions overlapped.
    overlap: float = 0.0
    #: See :class:`ServerSet`.
    mx_set: Optional[MxSet] = None

    @property
    def decisive(self) -> Optional[Session]:
        """The session that decides for the target.

        It is the last one if its server greeted, or if the run was interrupted then; else the one
        that got furthest.
        """
        if not self.sessions:
            return None
        last = self.sessions[-1]
        if _greeted(last) or _interrupted(last):
            return last
        return max(self.sessions, key=_furthest)

    @property
    def outcomes(self) -> tuple[StageOutcome, ...]:
        """The outcomes of all stages that were reached, in order."""
        session = self.decisive
        walked = session.outcomes if session else ()
        if self.lookup is None or (walked and walked[0].stage is Stage.MX):
            return walked
        return (self.lookup, *walked)

    @property
    def failure(self) -> Optional[StageOutcome]:
        """The stage that stopped the test; ``None`` if the test was completed."""
        if self.lookup is not None and not self.lookup.passed:
            return self.lookup
        session = self.decisive
        return session.failure if session else None

    @property
    def passed_over(self) -> tuple[Session, ...]:
        """Sessions of servers that failed before the decisive one."""
        decisive = self.decisive
        return tuple(session for session in self.sessions if session is not decisive)

    @property
    def seconds(self) -> float:
        """Seconds from the start of the test to the last reply before QUIT."""
        lookup = self.lookup.seconds if self.lookup else 0.0
        return lookup + sum(session.seconds for session in self.sessions) - self.overlap


class Member(NamedTuple):
    """One server of the set, and the result of its test."""

    #: Unique in the set, for perfdata; empty for a single server.
    label: str
    acceptance: Acceptance
    #: Whether no other server has a better MX preference.
    primary: bool = True

    @property
    def accepts(self) -> bool:
        """Whether its test was completed."""
        return self.acceptance.failure is None


class ServerSet(NamedTuple):
    """The results of the tests of all servers."""

    #: Finding them; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    #: Sorted by preference and name, so that labels stay the same from run to run.
    members: tuple[Member, ...] = ()
    notes: tuple[str, ...] = ()
    #: Seconds from the start of the run to the end of its last walk.
    seconds: float = 0.0
    #: What is wrong with the MX, if they were compared with those that the domain should have.
    mx_set: Optional[MxSet] = None


def accept_mail(target: Target, plan: Plan) -> Generator[Request, Answer, Acceptance]:
    """Test ``target``: walk through the first of its servers that greets."""
    found = yield from find_servers(target, plan)
    if found.lookup is not None and not found.lookup.passed:
        return Acceptance(found.lookup)
    search = _Search(found, target)
    if plan.until is Stage.MX:
        yield from search.find_one()
    elif len(found.hosts) == 1:
        yield from search.walk_only_one()
    else:
        yield from search.walk_first_to_greet()
    return search.acceptance()


class _Try(NamedTuple):
    """An attempt at a server that was begun."""

    position: int
    server: Server
    #: Seconds of waiting for servers before it was begun.
    begun: float
    #: Whether another one was in progress then.
    beside: bool


class _Search:
    """The search for the server that decides for the target."""

    def __init__(self, found: Servers, target: Target) -> None:
        self._found = found
        self._target = target
        #: Seconds of looking up addresses, and of waiting for servers.
        self._looking = 0.0
        self._waiting = 0.0
        self._notes = list(found.notes)
        self._race = Race()
        self._begun: list[_Try] = []
        #: Sessions by the position of their host.
        self._sessions: dict[int, Session] = {}
        #: The position of the decisive session.
        self._decisive: Optional[int] = None

    def acceptance(self) -> Acceptance:
        """The result, with the decisive session last."""
        late = [
            position
            for position, session in self._sessions.items()
            if position != self._decisive and session.failure is None
        ]
        for position in late:
            name = self._found.hosts[position].name
            seconds = self._sessions.pop(position).seconds
            self._notes.append(f"{name} greeted late, after {seconds:.1f}s")
        order = sorted(self._sessions, key=lambda position: (position == self._decisive, position))
        return Acceptance(
            None if is_address(self._target.host) else self._lookup,
            tuple(self._sessions[position] for position in order),
            self._found.hosts,
            tuple(self._notes),
            self._overlap(),
            self._found.mx_set,
        )

    def _overlap(self) -> float:
        """Seconds for which sessions overlapped."""
        if not any(attempt.beside for attempt in self._begun):
            return 0.0
        ends = {
            attempt.position: attempt.begun + self._sessions[attempt.position].seconds
            for attempt in self._begun
            if attempt.position in self._sessions
        }
        end = max(ends.values()) if self._decisive is None else ends[self._decisive]
        return sum(session.seconds for session in self._sessions.values()) - end

    @property
    def _lookup(self) -> StageOutcome:
        seconds = self._looking + (self._found.lookup.seconds if self._found.lookup else 0.0)
        return StageOutcome(Stage.MX, Verdict.PASSED, seconds)

    def find_one(self) -> Generator[Request, Answer, None]:
        """Find a server that has an address, which completes the stage ``mx``."""
        for position, host in enumerate(self._found.hosts):
            located = yield from self._locate(host)
            if not located.lookup.passed:
                self._sessions[position] = located.session
            elif self._sessions:
                # It is the decisive one, and those before it were passed over.
                self._sessions[position] = Session(located.server, "", (self._lookup,))
                self._decisive = position
            if located.lookup.passed or (yield from time()).left <= 0:
                return

    def walk_only_one(self) -> Generator[Request, Answer, None]:
        """Walk through the only server, whose connection may have been begun already."""
        located = yield from self._locate(self._found.hosts[0])
        self._decisive = 0
        self._sessions[0] = located.session
        if located.lookup.passed:
            self._sessions[0] = yield from walk(self._found.plan, located.server)

    def walk_first_to_greet(self) -> Generator[Request, Answer, None]:
        """Begin one server after another until one greets, and walk through that one.

        A server that does not greet keeps its connection when its share of the time is over and the
        next server is begun.
        """
        hosts = self._found.hosts
        for position, host in enumerate(hosts):
            left = (yield from time()).left
            if self._race.winner is not None or left <= 0:
                break
            located = yield from self._locate(host)
            if not located.lookup.passed:
                self._sessions[position] = located.session
                continue
            attempt = _Try(position, located.server, self._waiting, bool(self._running))
            self._begun.append(attempt)
            yield Begin(walk(self._found.plan, located.server, race=self._race))
            left = (yield from time()).left
            yield from self._wait(left - max(left / (len(hosts) - position), LEAST_PATIENCE))
        yield from self._finish()

    def _wait(self, left_then: float) -> Generator[Request, Answer, None]:
        """Wait until the last server ends, another one greets, or ``left_then`` seconds remain."""
        last = self._begun[-1].position
        while self._race.winner is None and last not in self._sessions:
            left = (yield from time()).left
            yield from self._hear(max(0.0, left - left_then))
            if left <= left_then:
                return

    def _finish(self) -> Generator[Request, Answer, None]:
        """Wait for the server that is tested, and for better ones that may still greet."""
        while self._race.winner is None and self._running:
            yield from self._hear()
        winner = next((each for each in self._begun if each.server is self._race.winner), None)
        if winner is None:
            return
        self._decisive = winner.position
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
                del self._sessions[attempt.position]

    @property
    def _running(self) -> list[_Try]:
        return [attempt for attempt in self._begun if attempt.position not in self._sessions]

    def _hear(self, patience: Optional[float] = None) -> Generator[Await, Ended, None]:
        """Wait until one of the sessions that were begun ends, if one does in time."""
        answer = yield Await(patience)
        self._waiting += answer.seconds
        if answer.ended is None:
            return
        number, session = answer.ended
        attempt = self._begun[number]
        self._sessions[attempt.position] = session
        if _greeted(session) or _interrupted(session):
            self._race.wins(attempt.server)

    def _locate(self, host: MailHost) -> Generator[Request, Answer, Located]:
        located = yield from find_addresses(host, self._target)
        self._looking += located.lookup.seconds
        self._notes.extend(located.notes)
        return located


def _interrupted(session: Session) -> bool:
    """Whether the run was interrupted in it, so that it has no result."""
    failure = session.failure
    return failure is not None and failure.cause is Cause.INTERRUPTED


def _furthest(session: Session) -> tuple[bool, int]:
    """How far the test of a server got, as a value to compare."""
    failure = session.failure
    tested = failure is None or failure.verdict is not Verdict.UNTESTED
    return tested, len(session.outcomes)


def _greeted(session: Session) -> bool:
    """Whether the server accepted the connection, so that no other one is tried."""
    failure = session.failure
    return failure is None or failure.stage not in (Stage.MX, Stage.CONNECT, Stage.BANNER)
