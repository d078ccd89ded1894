"""The mail acceptance of one domain: find its servers, and walk through the first that greets.

As a mail transfer agent would (RFC 5321 5.1): the next server is tried only if one can't be reached
or refuses its greeting, for then nothing has been handed over.  Whatever happens later is the
answer of the domain; after the final dot a second try could deliver twice.

A server that keeps silent is not given up: after its share of the time the next one is begun beside
it (RFC 5321 4.5.3.2.1 lets a greeting take five minutes).
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

#: Seconds that each of several servers has at least before the next one is begun beside it.
LEAST_PATIENCE = 1.0


class Acceptance(NamedTuple):
    """What became of the test of one target."""

    #: Finding the servers; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    #: One session for each server tried, in order.
    sessions: tuple[Session, ...] = ()
    #: The servers that there are, in the order in which a sender tries them.
    hosts: tuple[MailHost, ...] = ()
    #: What is worth saying of the way to the servers: aliases, hosts without an address.
    notes: tuple[str, ...] = ()
    #: Seconds that the sessions took beside one another, and not one after another.
    overlap: float = 0.0

    @property
    def decisive(self) -> Optional[Session]:
        """The session that answers for the target.

        It is the last if that one greeted, or if the run was told to end then; else the furthest.
        """
        if not self.sessions:
            return None
        last = self.sessions[-1]
        if _greeted(last) or _interrupted(last):
            return last
        return max(self.sessions, key=_furthest)

    @property
    def outcomes(self) -> tuple[StageOutcome, ...]:
        """The outcomes of the stages reached, each stage once, in their order."""
        session = self.decisive
        walked = session.outcomes if session else ()
        if self.lookup is None or (walked and walked[0].stage is Stage.MX):
            return walked
        return (self.lookup, *walked)

    @property
    def failure(self) -> Optional[StageOutcome]:
        """The stage that stopped the test, or ``None`` if it was walked to its end."""
        if self.lookup is not None and not self.lookup.passed:
            return self.lookup
        session = self.decisive
        return session.failure if session else None

    @property
    def passed_over(self) -> tuple[Session, ...]:
        """Sessions of servers that failed before the decisive one was reached."""
        decisive = self.decisive
        return tuple(session for session in self.sessions if session is not decisive)

    @property
    def seconds(self) -> float:
        """Seconds from the start of the test to the last reply before QUIT."""
        lookup = self.lookup.seconds if self.lookup else 0.0
        return lookup + sum(session.seconds for session in self.sessions) - self.overlap


class Member(NamedTuple):
    """One server of the set, and what became of its test."""

    #: Unique in the set, for perfdata; empty if the set is a single server.
    label: str
    acceptance: Acceptance
    #: Whether its MX preference is the best of all.
    primary: bool = True

    @property
    def accepts(self) -> bool:
        """Whether the test was walked to its end."""
        return self.acceptance.failure is None


class ServerSet(NamedTuple):
    """What became of the test of all servers."""

    #: Finding them; ``None`` if there was nothing to look up.
    lookup: Optional[StageOutcome]
    #: By preference and name, so that graphs stay the same from run to run.
    members: tuple[Member, ...] = ()
    notes: tuple[str, ...] = ()
    #: Seconds from the start of the run to the end of its last walk.
    seconds: float = 0.0


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
    """A server that was begun."""

    position: int
    server: Server
    #: Seconds that servers had been waited for until then.
    begun: float
    #: Whether another was still waited for.
    beside: bool


class _Search:
    """The search for the server that answers for the target, in progress."""

    def __init__(self, found: Servers, target: Target) -> None:
        self._found = found
        self._target = target
        #: Seconds spent on the addresses of hosts, and on waiting for servers.
        self._looking = 0.0
        self._waiting = 0.0
        self._notes = list(found.notes)
        self._race = Race()
        self._begun: list[_Try] = []
        #: Sessions by the position of their host.
        self._sessions: dict[int, Session] = {}
        #: The position of the session that answers for the target.
        self._decisive: Optional[int] = None

    def acceptance(self) -> Acceptance:
        """What became of it, the decisive session last."""
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
        )

    def _overlap(self) -> float:
        """Seconds that sessions took beside one another."""
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
        """Find a server that has an address, which is all there is to the stage ``mx``."""
        for position, host in enumerate(self._found.hosts):
            located = yield from self._locate(host)
            if not located.lookup.passed:
                self._sessions[position] = located.session
            elif self._sessions:
                # It stands for the target, and those before it were passed over.
                self._sessions[position] = Session(located.server, "", (self._lookup,))
                self._decisive = position
            if located.lookup.passed or (yield from time()).left <= 0:
                return

    def walk_only_one(self) -> Generator[Request, Answer, None]:
        """Walk through the only server, in the connection that may have been begun already."""
        located = yield from self._locate(self._found.hosts[0])
        self._decisive = 0
        self._sessions[0] = located.session
        if located.lookup.passed:
            self._sessions[0] = yield from walk(self._found.plan, located.server)

    def walk_first_to_greet(self) -> Generator[Request, Answer, None]:
        """Begin with one server after another, until one greets, and walk through that one.

        A server that does not greet has its share of the time to itself.  After that the next one
        is begun beside it.
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
        """Wait until the server begun last ends, or another greets, or ``left_then`` is left."""
        last = self._begun[-1].position
        while self._race.winner is None and last not in self._sessions:
            left = (yield from time()).left
            yield from self._hear(max(0.0, left - left_then))
            if left <= left_then:
                return

    def _finish(self) -> Generator[Request, Answer, None]:
        """Wait for the server that is walked, and for better ones that may still greet."""
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
        # The servers after it were begun for nothing, and say nothing of the target.
        for attempt in self._begun:
            if attempt.position > winner.position:
                del self._sessions[attempt.position]

    @property
    def _running(self) -> list[_Try]:
        return [attempt for attempt in self._begun if attempt.position not in self._sessions]

    def _hear(self, patience: Optional[float] = None) -> Generator[Await, Ended, None]:
        """Wait until the session of a server that was begun ends, if one does in time."""
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
    """Whether the run was told to end in it, so that nobody knows what would have come of it."""
    failure = session.failure
    return failure is not None and failure.cause is Cause.INTERRUPTED


def _furthest(session: Session) -> tuple[bool, int]:
    """How much is known of a server, comparable: least if it could not even be tested."""
    failure = session.failure
    tested = failure is None or failure.verdict is not Verdict.UNTESTED
    return tested, len(session.outcomes)


def _greeted(session: Session) -> bool:
    """Whether the server took the connection, so that no other is to be tried."""
    failure = session.failure
    return failure is None or failure.stage not in (Stage.MX, Stage.CONNECT, Stage.BANNER)
