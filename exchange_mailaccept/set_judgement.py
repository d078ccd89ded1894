"""How bad the result of a run is for a set of servers (``--all-mx``, ``--all-addresses``)."""

from __future__ import annotations

from .cli.words import RELAY, UNKNOWN_RECIPIENT
from .judgement import Ground, Judgement, measured, worst
from .record import TYPE_CHECKING
from .run.server_set import Weight, counts_as
from .vocabulary import Stage, State, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .judgement import Judged
    from .options import Judging
    from .run.acceptance import Examined, ServerSet

#: Metrics of a set: the number of servers, and of those that accept.
SERVERS, ACCEPTING = "servers", "accepting"
#: Findings about a server that count even if another server of the set accepts.
_OF_ONE_SERVER = (RELAY, UNKNOWN_RECIPIENT)


def weigh(found: ServerSet, judged: Judged, judging: Judging) -> list[Judgement]:
    """The judgements of all servers, with the weight of each, and those of the set as a whole."""
    return [*_weighed(judged, judging), *_of_the_set(found, judging)]


def _weighed(judged: Judged, judging: Judging) -> Iterator[Judgement]:
    """The judgements of all servers, with the weight that each server has in the set."""
    assert judging.rule is not None
    accepting = [examined for examined, _ in judged if examined.member.accepts]
    # Any server that accepts replaces one that fails.  Only one that is OK replaces a slow one.
    fine = [
        examined
        for examined, judgements in judged
        if examined.member.accepts and worst(judgements) is State.OK
    ]
    hopeless = nobody_accepts([examined for examined, _ in judged])
    for examined, judgements in judged:
        others = [
            other.member
            for other in (fine if examined.member.accepts else accepting)
            if other is not examined
        ]
        weight = counts_as(judging.rule, examined.member, others)
        for judgement in judgements:
            state = judgement.state
            if judgement.name in _OF_ONE_SERVER:
                pass
            elif weight is Weight.NONE:
                state = State.OK
            elif weight is Weight.WARNING and state in (State.CRITICAL, State.UNKNOWN):
                state = State.WARNING
            elif hopeless and judgement.ground is Ground.FAILURE and not judgement.key:
                state = State.CRITICAL
            yield judgement if state is judgement.state else judgement._replace(state=state)


def nobody_accepts(examined: Sequence[Examined]) -> bool:
    """Whether no server of a set accepts mail, and the probe is not the reason."""
    failures = [server.member.acceptance.failure for server in examined]
    if any(failure is None or failure.verdict is Verdict.UNTESTED for failure in failures):
        return False
    return not all(
        failure is not None
        and failure.verdict is Verdict.DEFERRED
        and each.diagnosis is not None
        and each.diagnosis.this_probe
        for each, failure in zip(examined, failures)
    )


def _of_the_set(found: ServerSet, judging: Judging) -> Iterator[Judgement]:
    """The judgements about a set as a whole."""
    members = [member for member in found.members if member.acceptance.decisive]
    yield Judgement(SERVERS, len(members))
    yield Judgement(ACCEPTING, sum(member.accepts for member in members))
    if found.lookup is not None:
        yield measured(Stage.MX.value, found.lookup.seconds, judging)
