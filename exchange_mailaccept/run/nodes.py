"""Several sessions with each server, to meet every node behind a balancer (``--connections``)."""

from __future__ import annotations

from ..cli.words import MAX_CONNECTIONS
from ..protocol.conversation import time
from ..protocol.dialogue import walk
from ..protocol.further_requests import Begin, Race, next_end
from ..record import TYPE_CHECKING, NamedTuple
from ..vocabulary import Stage, Verdict
from . import LEAST_PATIENCE

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Optional

    from ..protocol.conversation import Server, Session
    from ..protocol.further_requests import Answer, Request
    from ..protocol.message import Plan

#: Stages to which only one session comes.
_OF_ONE = (Stage.DATA, Stage.MESSAGE)
#: What says that this host has too many connections, and nothing about a node.
_TOO_MANY = (
    *("connections-exceeded", "connections-per-source", "connections-per-forest"),
    *("sender-connections", "said-connections-of-client", "said-too-many-connections"),
)


def meet(
    plan: Plan,
    servers: Sequence[Server],
    first: Optional[Session] = None,
    plans: Sequence[Plan] = (),
) -> Generator[Request, Answer, list[Session]]:
    """Walk through each of ``servers`` several times, and return its decisive session.

    That has the others in ``beside``.  At most one session with a server sends a message.

    :param first: a session that the only server has had
    :param plans: those for each server, if they differ in the message
    """
    messages = [Race() for _ in servers]
    sessions: list[list[Session]] = [[] for _ in servers]
    if first is not None:
        sessions[0].append(first)
        if passes(first):
            messages[0].wins(first.server)
    order = [
        (position, _beginning_with(number, server))
        for number in range(MAX_CONNECTIONS)
        for position, server in enumerate(servers)
        if len(sessions[position]) <= number < _number(plan, server, servers)
    ]
    rounds = -(-len(order) // plan.at_once)
    left = (yield from time()).left
    turn = max(left / rounds, LEAST_PATIENCE) if rounds > 1 else None
    begun = 0
    ended: dict[int, Session] = {}
    while len(ended) < len(order):
        while begun < len(order) and begun - len(ended) < plan.at_once:
            position, server = order[begun]
            own = plans[position] if plans else plan
            yield Begin(walk(own, server, turn, message=messages[position]))
            begun += 1
        number, session = yield from next_end()
        ended[number] = session
    for number, (position, _) in enumerate(order):
        sessions[position].append(ended[number])
    decisive = []
    for met, message in zip(sessions, messages):
        decisive.append((yield from _decisive(plan, met, message)))
    return decisive


def _beginning_with(number: int, server: Server) -> Server:
    """A copy, by which the race knows a session, whose addresses begin with another one.

    The others follow, because this host may have no route to one of them.
    """
    first = number % len(server.addresses)
    return server._replace(addresses=server.addresses[first:] + server.addresses[:first])


def _number(plan: Plan, server: Server, servers: Sequence[Server]) -> int:
    """How many sessions ``server`` has: so many for each address, as far as it may have them.

    It may be in ``servers`` several times, by different addresses.
    """
    same = [
        each
        for each in servers
        if each.name == server.name or {*each.addresses} & {*server.addresses}
    ]
    wanted = plan.connections * len(server.addresses)
    return max(1, min(wanted, MAX_CONNECTIONS // len(same)))


def _decisive(
    plan: Plan, sessions: list[Session], message: Race
) -> Generator[Request, Answer, Session]:
    """The session that decides for its server, with the others."""
    leading = (each for each in sessions if each.server is message.winner)
    passed = (each for each in sessions if each.failure is None)
    decisive = next(leading, None) or next(passed, None) or sessions[0]
    beside = tuple(each for each in sessions if each is not decisive)
    if decisive.silent_addresses and decisive.failure is None:
        from .silent_addresses import look_again

        decisive = yield from look_again(decisive, plan.source_address, None)
    return decisive._replace(beside=beside)


def passes(session: Session) -> bool:
    """Whether a session came as far as each does."""
    failure = session.failure
    return failure is None or failure.stage in _OF_ONE


class Nodes(NamedTuple):
    """What the sessions with one server show of the nodes behind its address."""

    #: The sessions from which something can be learnt about a node.
    tested: tuple[Session, ...]
    #: Those that failed while others did not.
    failed: tuple[Session, ...]
    #: The names in the greetings, each with its number of sessions, the most frequent first.
    seen: tuple[tuple[str, int], ...]


def nodes(session: Session) -> Nodes:
    """Compare ``session`` with those beside it."""
    sessions = (session, *(each for each in session.beside if not _is_untested(each)))
    failed = tuple(each for each in sessions if not passes(each))
    names = [name_of_node(each) for each in sessions]
    counted = {name: names.count(name) for name in sorted({*names}) if name}
    seen = sorted(counted.items(), key=lambda each: -each[1])
    return Nodes(sessions, failed if len(failed) < len(sessions) else (), tuple(seen))


def _is_untested(session: Session) -> bool:
    """Whether a session says nothing about a node: this host has too many, or had no time."""
    failure = session.failure
    if failure is None:
        return False
    if failure.verdict is Verdict.UNTESTED:
        return True
    if failure.reply is None:
        return False
    from ..exchange.diagnosis import matching_entry

    entry = matching_entry(failure)
    return entry is not None and entry.key in _TOO_MANY


def name_of_node(session: Session) -> str:
    """The name in the greeting of a session; empty if there is none."""
    banner = session.outcome(Stage.BANNER)
    if banner is None or banner.reply is None or not banner.passed:
        return ""
    from ..names import is_host_name

    name = banner.reply.lines[0].partition(" ")[0]
    return name if "." in name and is_host_name(name) else ""
