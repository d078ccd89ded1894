"""How bad the result of a run is that tests more than one message to one server.

Some options ask for more: all servers of a set, several recipients or senders, recipients that must
be refused, several connections, the MX, TLS policies, or a look into the mailbox.
"""

from __future__ import annotations

from .cli.words import DELAY, DELIVERED, MX_SET, NODE, RELAY, UNKNOWN_RECIPIENT
from .judgement import (
    RECIPIENTS,
    SENDERS,
    Assessment,
    Ground,
    Judgement,
    finding,
    judge,
    measured,
    without_guesses,
    worst,
    worst_of,
)
from .record import TYPE_CHECKING
from .run.acceptance import examine
from .run.server_set import Weight, counts_as
from .vocabulary import Stage, State, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Optional

    from .net.probes import Delivery
    from .options import Judging, Options
    from .policies.conclusion import Conclusion
    from .protocol.conversation import Session
    from .run.acceptance import Examined, ServerSet

    #: The judgements of each server of a set.
    Judged = Sequence[tuple[Examined, tuple[Judgement, ...]]]

#: What the effect of a TLS policy (``policies.conclusion``) means; ``--severity`` overrides it.
POLICY_STATES = {
    "holds": State.OK,
    "nothing": State.WARNING,
    "partly": State.WARNING,
    "defers": State.CRITICAL,
    "untested": State.UNKNOWN,
}
#: Metrics of a set: the number of servers, and of those that accept.
SERVERS, ACCEPTING = "servers", "accepting"
#: Findings about a server that count even if another server of the set accepts.
_OF_ONE_SERVER = (RELAY, UNKNOWN_RECIPIENT)
#: Of how many the probe that arrived last is young enough.
ARRIVED = "arrived"


def assess_all(found: ServerSet, options: Options) -> Assessment:
    """Judge what was ``found`` by any options."""
    judging, delivery = options.judging, found.delivery
    examined = tuple(examine(member, judging.profile, judging.require) for member in found.members)
    if delivery is not None:
        newest = delivery.newest
        examined = tuple(each._replace(newest=newest.get(each.member.label)) for each in examined)
    conclusions = _conclusions(found, options)
    judged = [
        (
            server,
            (*judge_all(server, options), *_policies(conclusions, server.member.label, judging)),
        )
        for server in examined
    ]
    judgements = [*judged[0][1]] if judging.rule is None else weigh(found, judged, judging)
    if found.mx_set is not None and (found.mx_set.unexpected or found.mx_set.missing):
        state = State.CRITICAL if found.mx_set.preferred else State.WARNING
        judgements.append(finding(MX_SET, state, judging))
    judgements += _policies(conclusions, None, judging)
    judged_all = without_guesses(judgements)
    if delivery is not None:
        judged_all += tuple(_of_the_mailbox(delivery, judged_all, judging))
    return Assessment(found, examined, judged_all, conclusions)


def judge_all(examined: Examined, options: Options) -> tuple[Judgement, ...]:
    """Judge every metric and finding of one server, by any options."""
    return judge(examined, options, _further(examined, options))


def _further(examined: Examined, options: Options) -> Iterator[Judgement]:
    session = examined.session
    if session is not None:
        if session.beside:
            yield from _nodes(session, options.judging)
        yield from _addresses(examined, options.judging)
        if session.refusals:
            yield from _doors(examined, options)
    if examined.newest is not None:
        yield from _delivery(examined, options)


def _conclusions(found: ServerSet, options: Options) -> tuple[Conclusion, ...]:
    if not found.published:
        return ()
    from .policies.enforcement import conclude

    return conclude(found.published, found, options.probe.now)


def _policies(
    conclusions: Sequence[Conclusion], label: Optional[str], judging: Judging
) -> Iterator[Judgement]:
    """What is wrong by the TLS policies, of one server or (``None``) of the domain."""
    for each in conclusions:
        state = POLICY_STATES[each.effect.value]
        if each.server == label and state is not State.OK:
            yield finding(each.name, state, judging)._replace(server=label, conclusion=each)


def weigh(found: ServerSet, judged: Judged, judging: Judging) -> list[Judgement]:
    """The judgements of all servers, with the weight of each, and those of the set as a whole."""
    members = [member for member in found.members if member.acceptance.decisive]
    judgements = [
        *_weighed(judged, judging),
        Judgement(SERVERS, len(members)),
        Judgement(ACCEPTING, sum(member.accepts for member in members)),
    ]
    if found.lookup is not None:
        judgements.append(measured(Stage.MX.value, found.lookup.seconds, judging))
    return judgements


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


def is_late(age: float, judging: Judging) -> bool:
    """Whether ``age`` seconds since the newest probe was sent are out of range."""
    return measured(DELIVERED, age, judging).state is not State.OK


def _nodes(session: Session, judging: Judging) -> Iterator[Judgement]:
    """Judge the nodes that fail while others do not, or else those that are slow."""
    from .run.nodes import nodes

    if nodes(session).failed:
        yield finding(NODE, State.WARNING, judging)
        return
    slow = slow_nodes(session, judging)
    if slow:
        yield Judgement(NODE, state=worst([why for _, why in slow]), ground=Ground.FINDING)


def slow_nodes(session: Session, judging: Judging) -> list[tuple[Session, Judgement]]:
    """The sessions beside ``session`` with a stage out of its range, and the first such stage.

    If it is out of its range in ``session`` too, this is nothing about a node.
    """
    slow = []
    for other in session.beside:
        for outcome in other.outcomes:
            name = outcome.stage.value
            why = measured(name, outcome.seconds, judging)
            mine = session.outcome(outcome.stage)
            alone = mine is None or measured(name, mine.seconds, judging).violated is None
            if outcome.passed and why.violated is not None and alone:
                slow.append((other, why))
                break
    return slow


def _addresses(examined: Examined, judging: Judging) -> Iterator[Judgement]:
    """The recipients and further senders that were not accepted."""
    failure = examined.member.acceptance.failure
    refused = {SENDERS: examined.senders}
    if failure is None or failure.stage is not Stage.RCPT:
        refused[RECIPIENTS] = examined.recipients
    for name, addresses in refused.items():
        if addresses:
            outcomes = [(each.outcome, why) for each, why in addresses]
            state, key = worst_of(outcomes, judging)
            yield Judgement(name, state=state, ground=Ground.FINDING, key=key)


def _doors(examined: Examined, options: Options) -> Iterator[Judgement]:
    """Judge the recipients that must be refused and were not."""
    from .run.doors import open_doors

    for kind in open_doors(examined, options.target, options.probe.envelope):
        severe = kind.open and kind.key == RELAY
        yield finding(kind.key, State.CRITICAL if severe else State.WARNING, options.judging)


def _delivery(examined: Examined, options: Options) -> Iterator[Judgement]:
    """What the mailbox shows of a server's probes.

    Where this run's message was not accepted, nothing but that is wrong: no younger probe can have
    arrived.
    """
    judging, newest = options.judging, examined.newest
    assert newest is not None
    assert options.mailbox is not None
    if newest.probe is None:
        if newest.accepted:
            yield finding(DELIVERED, State.UNKNOWN, judging)
        return
    age = measured(DELIVERED, newest.age, judging)
    if not newest.accepted:
        age = Judgement(DELIVERED, age.value, "s")
    elif age.state is State.OK and newest.probe.folder != options.mailbox.folders[0]:
        age = finding(DELIVERED, State.WARNING, judging, age.value)._replace(unit="s")
    yield age
    if newest.delay is not None:
        yield measured(DELAY, newest.delay, judging)


def _of_the_mailbox(
    delivery: Delivery, judgements: Sequence[Judgement], judging: Judging
) -> Iterator[Judgement]:
    """What is to be said of the mailbox as a whole."""
    if delivery.fault is not None:
        # It may well arrive.  What is known to be wrong is not to be outdone by what is unknown.
        failed = worst(judgements) in (State.WARNING, State.CRITICAL)
        unknown = finding(DELIVERED, State.UNKNOWN, judging)
        yield unknown._replace(state=State.OK) if failed else unknown
    elif judging.rule is not None:
        arrived = [each for each in judgements if each.name == DELIVERED and each.value is not None]
        yield Judgement(ARRIVED, sum(each.ground is not Ground.RANGE for each in arrived))
