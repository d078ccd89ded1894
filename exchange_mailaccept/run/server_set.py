"""All servers of a target at once, judged as a set (``--all-mx``, ``--all-addresses``).

Each server has its own conversation and gets at most one message.  One loop drives them all, under
one deadline.
"""

from __future__ import annotations

import itertools
from collections import Counter

from ..names import DIGITS, LETTERS, is_address
from ..net import loop
from ..protocol.conversation import Server, Session, StageOutcome, Target
from ..record import TYPE_CHECKING, Enum, NamedTuple
from ..vocabulary import Rule, Stage
from . import LEAST_PATIENCE
from .acceptance import (
    Acceptance,
    Located,
    Member,
    Servers,
    ServerSet,
    find_addresses,
    walk_through,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Optional, Union

    from ..net.loop import Conversation
    from ..net.trust import Contexts
    from ..protocol.message import Plan

    #: A server with its addresses, or the failed session of one without.
    Reached = Union[Server, Session]
    #: The sessions of all servers, and the results of what went on beside them.
    Outcome = tuple[list[Session], tuple[Any, ...]]


class Weight(Enum):
    """How much the failure of a server counts for the set."""

    FULL = "full"
    WARNING = "warning"
    NONE = "none"


def counts_as(rule: Rule, member: Member, others: Sequence[Member]) -> Weight:
    """How much it counts for the set if something is wrong with ``member``.

    :param others: the servers of the set that can replace it
    """
    if rule is Rule.ANY and others:
        return Weight.NONE
    if rule is Rule.PRIMARY and (not member.primary or any(other.primary for other in others)):
        return Weight.WARNING
    return Weight.FULL


class Conditions(NamedTuple):
    """What applies to all servers of a set."""

    target: Target
    #: Returns the seconds until the run ends.
    left: Callable[[], float]
    #: Maximum number of servers to test at once.
    parallel: int
    #: Whether to test every address of every server, or only the first that answers.
    every_address: bool = False
    #: For conversations that use TLS.
    contexts: Optional[Contexts] = None
    #: Descriptor of a pipe that becomes readable when the run is to end at once.
    signals: int = -1
    #: What else goes on during the walks.
    beside: tuple[Conversation, ...] = ()

    def begin(
        self, conversations: Sequence[Conversation], parallel: int = loop.MAX_AT_ONCE
    ) -> loop.Run:
        """Begin ``conversations``, which end when the run does."""
        return loop.Run(conversations, self.left(), self.contexts, self.signals, parallel)


def accept_mail_everywhere(found: Servers, conditions: Conditions) -> ServerSet:
    """Test every server that was ``found``."""
    left_at_first = conditions.left()
    lookup = found.lookup
    if lookup is not None and not lookup.passed:
        # No server was found, which is the only result.
        return ServerSet(None, (Member("", Acceptance(lookup)),), (), lookup.seconds)
    sessions, published, looking = _reach(found, conditions)
    looked = lookup.seconds if lookup else 0.0
    seconds = looked + left_at_first - conditions.left()
    members = _assemble(sessions)
    return ServerSet(
        lookup, members, found.notes, seconds, found.mx_set, published, looked + looking
    )


def _reach(found: Servers, conditions: Conditions) -> tuple[list[Session], tuple[Any, ...], float]:
    """Find the addresses of all servers at once, and walk through those that have one.

    :returns: the sessions, what was done beside them, and the seconds of finding the addresses
    """
    plan, target = found.plan, conditions.target
    hosts = sorted(found.hosts, key=lambda host: (host.preference or 0, host.name))
    finding = conditions.begin([find_addresses(host, target) for host in hosts])
    located: list[Located] = finding.drive()
    looking = max((host.lookup.seconds for host in located), default=0.0)
    servers: list[Reached] = [host.reached for host in located]
    if conditions.every_address:
        servers = _one_by_one(servers)
    if finding.interruption is not None:
        untested = StageOutcome.failed(Stage.CONNECT, finding.interruption, 0.0)
        return [_as_session(server, untested) for server in servers], (), looking
    if plan.until is Stage.MX:
        return [_as_session(server) for server in servers], (), looking
    return (*_walk(plan, servers, conditions), looking)


def _walk(plan: Plan, servers: Sequence[Reached], conditions: Conditions) -> Outcome:
    """Walk through all ``servers``, as many at once as the user allows."""
    reachable = [server for server in servers if isinstance(server, Server)]
    names = labels(
        [each.name if isinstance(each, Server) else each.server.name for each in servers]
    )
    plans = [plan.at(label) for label, server in zip(names, servers) if isinstance(server, Server)]
    beside = conditions.beside
    if plan.connections > 1 and reachable:
        from .nodes import meet

        *others, met = conditions.begin([*beside, meet(plan, reachable, plans=plans)]).drive()
        return _in_order(met, servers), tuple(others)
    # If they have to queue, a slow server must not use up the time of the others.
    rounds = -(-len(reachable) // conditions.parallel)
    turn = max(conditions.left() / rounds, LEAST_PATIENCE) if rounds > 1 else None
    walks = [walk_through(own, server, turn) for own, server in zip(plans, reachable)]
    run = conditions.begin([*beside, *walks], conditions.parallel + len(beside))
    results = run.drive()
    return _in_order(results[len(beside) :], servers), tuple(results[: len(beside)])


def _in_order(walked: Sequence[Session], servers: Sequence[Reached]) -> list[Session]:
    """The sessions of all ``servers``, of which some were ``walked``."""
    sessions = iter(walked)
    return [next(sessions) if isinstance(server, Server) else server for server in servers]


def _assemble(sessions: Sequence[Session]) -> tuple[Member, ...]:
    """The members of the set, each with its label."""
    best = min((session.server.preference or 0 for session in sessions), default=0)
    names = labels([session.server.name for session in sessions])
    return tuple(
        Member(label, Acceptance(None, (session,)), (session.server.preference or 0) == best)
        for label, session in zip(names, sessions)
    )


def _one_by_one(servers: Sequence[Reached]) -> list[Reached]:
    """Every address as a server of its own."""
    found: list[Reached] = []
    for server in servers:
        if isinstance(server, Session):
            found.append(server)
        else:
            found += [server._replace(addresses=(only,)) for only in sorted(server.addresses)]
    return found


def _as_session(server: Reached, *outcomes: StageOutcome) -> Session:
    """The session of a server that is not tried, with ``outcomes`` only."""
    return Session(server, "", outcomes) if isinstance(server, Server) else server


def labels(names: Sequence[str]) -> list[str]:
    """A label in perfdata for each of ``names``, the same in every run.

    It is the first part of the name, or all of it if others have the same part.

    An address becomes ``host``, because some graphing systems can't store ``::``.  Equal labels get
    a number.
    """
    shared = Counter(_short(name) for name in set(names))
    wanted = [_short(name) if shared[_short(name)] == 1 else _full(name) for name in names]
    times = Counter(wanted)
    used = {label for label in wanted if times[label] == 1}
    numbers = {label: itertools.count(1) for label in wanted}
    unique = []
    for label in wanted:
        if times[label] > 1:
            numbered = (f"{label}-{number}" for number in numbers[label])
            label = next(candidate for candidate in numbered if candidate not in used)
            used.add(label)
        unique.append(label)
    return unique


def _short(name: str) -> str:
    return _full(name) if is_address(name) else _harmless(name.partition(".")[0])


def _full(name: str) -> str:
    return "host" if is_address(name) else _harmless(name)


def _harmless(name: str) -> str:
    """``name`` with characters for perfdata; DNS allows any byte in a name (RFC 2181 11)."""
    kept = LETTERS + DIGITS + "_-"
    return "".join(letter if letter in kept else "-" for letter in name) or "host"
