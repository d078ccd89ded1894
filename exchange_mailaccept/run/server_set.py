"""All servers of a target at once, judged as a set (``--all-mx``, ``--all-addresses``).

Each server is walked by a conversation of its own, all in one loop under one deadline, and gets one
probe message at most.
"""

from __future__ import annotations

import itertools
from collections import Counter
from functools import partial

from ..names import DIGITS, LETTERS, is_address
from ..net import loop
from ..protocol.dialogue import walk
from ..protocol.stages import Server, Session, StageOutcome
from ..record import TYPE_CHECKING, Enum
from ..vocabulary import Rule, Stage
from .acceptance import (
    LEAST_PATIENCE,
    Acceptance,
    Member,
    Servers,
    ServerSet,
    Target,
    find_addresses,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Optional, Union

    from ..net.trust import Context
    from ..protocol.stages import Fault


class Gravity(Enum):
    """How much of a server's failure counts for the set."""

    FULL = "full"
    WARNING = "warning"
    NONE = "none"


def accept_mail_everywhere(
    found: Servers,
    target: Target,
    left: Callable[[], float],
    parallel: int,
    every_address: bool = False,
    context: Optional[Context] = None,
    signals: int = -1,
) -> ServerSet:
    """Test every server that was ``found`` for ``target``.

    :param left: gives the seconds until the run is to be over
    :param parallel: most servers to test at the same time
    :param every_address: test every address of every server, and not the first that answers
    """
    at_first = left()
    start = partial(loop.Run, context=context, signals=signals)
    plan = found.plan
    if found.lookup is not None and not found.lookup.passed:
        # There is no server, and this is what became of the only thing that was tried.
        member = Member("", Acceptance(found.lookup))
        return ServerSet(None, (member,), (), found.lookup.seconds)
    hosts = sorted(found.hosts, key=lambda host: (host.preference or 0, host.name))
    resolving = start([find_addresses(host, target, plan) for host in hosts], left())
    resolved = resolving.finish()
    servers = _one_by_one(resolved) if every_address else resolved
    if resolving.interruption is not None:
        sessions = [_untested(server, resolving.interruption) for server in servers]
    elif plan.until is Stage.MX:
        sessions = [_as_session(server) for server in servers]
    else:
        reachable = [server for server in servers if isinstance(server, Server)]
        # When they have to queue, no slow server may keep the others from their turn.
        rounds = -(-len(reachable) // parallel)
        turn = max(left() / rounds, LEAST_PATIENCE) if rounds > 1 else None
        walks = [walk(plan, each, turn=turn) for each in reachable]
        walked = iter(start(walks, left(), parallel=parallel).finish())
        sessions = [next(walked) if isinstance(server, Server) else server for server in servers]
    best = min((session.server.preference or 0 for session in sessions), default=0)
    members = tuple(
        Member(label, Acceptance(None, (session,)), (session.server.preference or 0) == best)
        for label, session in zip(labels([each.server for each in sessions]), sessions)
    )
    seconds = (found.lookup.seconds if found.lookup else 0.0) + at_first - left()
    return ServerSet(found.lookup, members, found.remarks, seconds)


def gravity(rule: Rule, member: Member, others: Sequence[Member]) -> Gravity:
    """How much it counts that something is wrong with ``member``.

    :param others: those of the set that can take its place
    """
    if rule is Rule.ANY and others:
        return Gravity.NONE
    if rule is Rule.PRIMARY and (not member.primary or any(each.primary for each in others)):
        return Gravity.WARNING
    return Gravity.FULL


def labels(servers: Sequence[Server]) -> list[str]:
    """A label for each server: its short name, or more of it where that is not unique.

    Neither addresses nor ``::``, which graphing systems can't store.
    """
    full = [_full_label(server) for server in servers]
    short = [_short_label(server) for server in servers]
    names_by_short: dict[str, set[str]] = {}
    for label, server in zip(short, servers):
        names_by_short.setdefault(label, set()).add(server.name)
    chosen = [
        label if len(names_by_short[label]) == 1 else full_label
        for label, full_label in zip(short, full)
    ]
    times = Counter(chosen)
    used = {label for label in chosen if times[label] == 1}
    numbers = {label: itertools.count(1) for label in chosen}
    unique = []
    for label in chosen:
        if times[label] > 1:
            candidates = (f"{label}-{number}" for number in numbers[label])
            label = next(each for each in candidates if each not in used)
            used.add(label)
        unique.append(label)
    return unique


def _short_label(server: Server) -> str:
    return "host" if is_address(server.name) else _word(server.name.partition(".")[0])


def _full_label(server: Server) -> str:
    return "host" if is_address(server.name) else _word(server.name)


def _word(name: str) -> str:
    """``name`` as perfdata can have it: DNS allows any byte in a name (RFC 2181 11)."""
    kept = LETTERS + DIGITS + "_-"
    return "".join(each if each in kept else "-" for each in name) or "host"


def _one_by_one(servers: Sequence[Union[Server, Session]]) -> list[Union[Server, Session]]:
    """Each address as a server of its own."""
    found: list[Union[Server, Session]] = []
    for server in servers:
        if isinstance(server, Session):
            found.append(server)
        else:
            found += [server._replace(addresses=(each,)) for each in sorted(server.addresses)]
    return found


def _untested(server: Union[Server, Session], interruption: Fault) -> Session:
    """A server that was found before the run was told to end, as a session that was not begun."""
    if isinstance(server, Session):
        return server
    outcome = StageOutcome.failed(Stage.CONNECT, interruption, 0.0)
    return Session(server, "", (outcome,))


def _as_session(server: Union[Server, Session]) -> Session:
    """A server that is not to be tried, as a session in which nothing was done."""
    return Session(server, "", ()) if isinstance(server, Server) else server
