"""Several sessions with one server to words: which nodes were met, and which of them fail."""

from __future__ import annotations

from ..further_judgement import slow_nodes
from ..protocol.conversation import Session
from ..record import TYPE_CHECKING
from ..run.nodes import Nodes, name_of_node, nodes
from .failure import stage_failure
from .text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..options import Options
    from ..protocol.message import Plan


def failed_nodes(session: Session, options: Options) -> str:
    """How many sessions failed or were slow, which nodes were met, and what the first met with."""
    met, plan = nodes(session), options.probe
    host = printable(session.server.name, 80)
    if not met.failed:
        slow = slow_nodes(session, options.judging)
        count = f"{len(slow)} of {_connections(len(met.tested))} to {host} slow"
        first, why = slow[0]
        reason = f"{why.name} took {why.value:.4g}s (outside range {why.violated})"
        return f"{count}; nodes seen: {_seen(met.seen)}; {reason}{_node(first, met)}"
    count = f"{len(met.failed)} of {_connections(len(met.tested))} to {host} failed"
    failed = met.failed[0]
    assert failed.failure is not None
    reason = f"{stage_failure(failed, failed.failure, plan)}{_node(failed, met)}"
    return f"{count}; nodes seen: {_seen(met.seen)}; {reason}"


def nodes_seen(session: Session) -> str:
    """Which nodes were met by the sessions, none of which failed."""
    met = nodes(session)
    number = _connections(len(met.tested))
    if len(met.seen) == 1:
        return f"one node seen in {number}: {_seen(met.seen)}"
    return f"nodes seen in {number}: {_seen(met.seen)}"


def node_lines(session: Session, plan: Plan) -> list[str]:
    """A line for each session, with the name of its node."""
    met = nodes(session)
    lines = []
    for number, each in enumerate((session, *session.beside), 1):
        name = printable(name_of_node(each), 80) or "unnamed node"
        if each.failure is None:
            words = f"passed, {each.seconds:.3f}s"
        else:
            words = stage_failure(each, each.failure, plan)
            words += "" if each in met.tested else " (not tested)"
        lines.append(f"Connection {number}: {name}, {words}")
    return lines


def _node(session: Session, met: Nodes) -> str:
    name = name_of_node(session)
    return f" (node {_short(name, [each for each, _ in met.seen])})" if name else ""


def _connections(number: int) -> str:
    return "1 connection" if number == 1 else f"{number} connections"


def _seen(seen: Sequence[tuple[str, int]]) -> str:
    """The nodes, each with the number of its sessions."""
    names = [name for name, _ in seen]
    told = [f"{_short(name, names)} {number}" for name, number in seen[:4]]
    more = [f"and {len(seen) - 4} more"] if len(seen) > 4 else []
    return ", ".join(told + more) or "none by name"


def _short(name: str, names: Sequence[str]) -> str:
    """The first label of ``name`` if no other of ``names`` has the same."""
    label = name.partition(".")[0]
    alike = [each for each in names if each.partition(".")[0] == label]
    return printable(name if len(alike) > 1 else label, 60)
