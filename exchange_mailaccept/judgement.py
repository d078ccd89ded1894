"""How bad the result of a run is: values in, values out, no texts.

:func:`judge` gives every metric and finding of one server its state, and :func:`assess` does so for
a run.  ``set_judgement`` says how much each counts for a set of servers.
"""

from __future__ import annotations

from .cli.words import (
    ADDRESS,
    BACKUP_MX,
    CERTIFICATE,
    DELAY,
    DELIVERED,
    EXTENSIONS,
    MX_SET,
    NODE,
    RELAY,
    SIZE,
    TOTAL,
    UNTRUSTED,
)
from .protocol.message import compose
from .record import TYPE_CHECKING, Enum, NamedTuple
from .run.acceptance import Examined, examine
from .vocabulary import Cause, Stage, State, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Optional

    from .cli.threshold import Threshold
    from .exchange.diagnosis import Diagnosis
    from .net.probes import Delivery
    from .options import Judging, Options
    from .policies.conclusion import Conclusion
    from .protocol.conversation import Session, StageOutcome
    from .run.acceptance import ServerSet
    from .run.expected_mx import MxSet

    #: The judgements of each server of a set.
    Judged = Sequence[tuple[Examined, tuple["Judgement", ...]]]
    Weigh = Callable[[ServerSet, Judged, Judging], list["Judgement"]]

#: The state of each verdict; ``--severity`` overrides it.
STATES = {
    Verdict.PASSED: State.OK,
    Verdict.DEFERRED: State.WARNING,
    Verdict.REFUSED: State.CRITICAL,
    Verdict.BROKEN: State.CRITICAL,
    Verdict.TIMED_OUT: State.CRITICAL,
    Verdict.MISSING: State.CRITICAL,
    Verdict.UNTESTED: State.UNKNOWN,
}
#: What the effect of a TLS policy (``policies.conclusion``) means; ``--severity`` overrides it.
POLICY_STATES = {
    "holds": State.OK,
    "nothing": State.WARNING,
    "partly": State.WARNING,
    "defers": State.CRITICAL,
    "untested": State.UNKNOWN,
}
#: The states, the worst last.  In nagiosplugin UNKNOWN is the worst, which would hide a dead
#: server.
ORDER = (State.OK, State.UNKNOWN, State.WARNING, State.CRITICAL)
#: "Service not available, closing": the server accepts no mail from anybody.
CLOSING = 421
#: Bytes.  A server that offers a smaller SIZE refuses much ordinary mail.
LEAST_SIZE = 1_000_000
SECONDS_OF_A_DAY = 86_400
#: Of how many the probe that arrived last is young enough.
ARRIVED = "arrived"
#: Findings whose keys of ``--severity`` are those of the replies.
RECIPIENTS, SENDERS = "recipients", "senders"
#: Stages that may be absent: a set has a lookup of its own, and QUIT does not matter.
_OPTIONAL = (Stage.MX, Stage.QUIT)
#: Causes of failures whose seconds mean nothing: no answer came, and the time was not over.
_UNANSWERED = (
    *(Cause.REFUSED, Cause.RESET, Cause.CLOSED, Cause.UNREACHABLE, Cause.FORBIDDEN, Cause.NETWORK),
    *(Cause.OWN_SIDE, Cause.NO_TURN, Cause.INTERRUPTED, Cause.NOT_OFFERED, Cause.OUT_OF_TURN),
)


class Ground(Enum):
    """What a state is based on."""

    #: The stage stopped the test of its server.
    FAILURE = "failure"
    #: A number is outside the user's range.
    RANGE = "range"
    #: Anything else that is wrong or notable.
    FINDING = "finding"


class Judgement(NamedTuple):
    """One metric or finding with its state."""

    #: A stage, ``total``, or one of the findings that have a key of their own.
    name: str
    #: The value in perfdata; ``None`` for no perfdata.
    value: Optional[float] = None
    unit: str = ""
    state: State = State.OK
    #: ``None`` if nothing is wrong.
    ground: Optional[Ground] = None
    #: The range that the value violates.
    violated: Optional[Threshold] = None
    #: The key of ``--severity`` that gave the state; empty for the default.
    key: str = ""
    #: Label of its server, empty if there is only one; ``None`` for the set as a whole.
    server: Optional[str] = None
    #: What a TLS policy means, if this is about one.
    conclusion: Optional[Conclusion] = None

    @property
    def label(self) -> str:
        """The label in perfdata, unique in the run."""
        return f"{self.server}_{self.name}" if self.server else self.name


class Assessment(NamedTuple):
    """The judgements of a run."""

    found: ServerSet
    examined: tuple[Examined, ...]
    judgements: tuple[Judgement, ...]
    #: What the TLS policies of the domain mean, also if nothing is wrong.
    conclusions: tuple[Conclusion, ...] = ()

    @property
    def state(self) -> State:
        """The state of the check."""
        return worst(self.judgements)

    @property
    def wrong(self) -> tuple[Judgement, ...]:
        """The judgements that are not OK."""
        return tuple(judgement for judgement in self.judgements if judgement.state is not State.OK)

    @property
    def deciding(self) -> tuple[Judgement, ...]:
        """The judgements that give the check its state, if that is not OK."""
        state = self.state
        return tuple(judgement for judgement in self.wrong if judgement.state is state)

    @property
    def failures(self) -> tuple[Judgement, ...]:
        """The stages that stopped the test of a server."""
        return tuple(
            judgement for judgement in self.judgements if judgement.ground is Ground.FAILURE
        )

    @property
    def accepts(self) -> bool:
        """Whether the test of a server was completed."""
        return any(server.member.accepts for server in self.examined)

    @property
    def failure_leads(self) -> bool:
        """Whether the first line begins with a failure, whatever gives the state."""
        if any(judgement.state is not State.OK for judgement in self.failures):
            return True
        ranges_decide = all(judgement.ground is Ground.RANGE for judgement in self.deciding)
        return not self.accepts and ranges_decide

    def server(self, label: Optional[str]) -> Examined:
        """The server that has ``label``."""
        return next(server for server in self.examined if server.member.label == label)


def worst(judgements: Iterable[Judgement]) -> State:
    """The worst state of ``judgements``."""
    return max((judgement.state for judgement in judgements), key=ORDER.index, default=State.OK)


def assess(found: ServerSet, options: Options, weigh: Optional[Weigh] = None) -> Assessment:
    """Judge what was ``found``.

    :param weigh: judges a set by the judgements of its servers
    """
    judging = options.judging
    examined = tuple(examine(member, judging.profile, judging.require) for member in found.members)
    if found.delivery is not None:
        newest = found.delivery.newest
        examined = tuple(each._replace(newest=newest.get(each.member.label)) for each in examined)
    conclusions = _conclusions(found, options)
    judged = [
        (server, (*judge(server, options), *_policies(conclusions, server.member.label, judging)))
        for server in examined
    ]
    judgements = weigh(found, judged, judging) if weigh else list(judged[0][1])
    if found.mx_set is not None:
        judgements += _mx_set(found.mx_set, judging)
    judgements += _policies(conclusions, None, judging)
    judged_all = _without_guesses(judgements)
    if found.delivery is not None:
        judged_all += tuple(_of_the_mailbox(found.delivery, judged_all, judging))
    return Assessment(found, examined, judged_all, conclusions)


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
            yield _finding(each.name, state, judging)._replace(server=label, conclusion=each)


def _without_guesses(judgements: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """``judgements``, except that no range may hide that the test could not be carried out."""
    others = (
        each for each in judgements if each.ground is not Ground.RANGE and each.name != DELIVERED
    )
    if worst(others) is not State.UNKNOWN:
        return tuple(judgements)
    return tuple(
        judgement._replace(state=State.OK) if judgement.ground is Ground.RANGE else judgement
        for judgement in judgements
    )


def judge(examined: Examined, options: Options) -> tuple[Judgement, ...]:
    """Judge every metric and finding of one server."""
    judgements = (
        *_stages(examined, options.judging),
        *_not_measured(examined, options),
        *_extensions(examined, options.judging),
        *_certificate(examined, options),
        *_findings(examined, options),
        *(_delivery(examined, options) if examined.newest is not None else ()),
    )
    return tuple(judgement._replace(server=examined.member.label) for judgement in judgements)


def _stages(examined: Examined, judging: Judging) -> Iterator[Judgement]:
    acceptance = examined.member.acceptance
    failure = acceptance.failure
    for outcome in acceptance.outcomes:
        name = outcome.stage.value
        value = round(outcome.seconds, 4) if _ended(outcome) else None
        if failure is not None and outcome.stage is failure.stage:
            assert examined.diagnosis is not None
            stopped = [(failure, examined.diagnosis)]
            if failure.stage is Stage.RCPT:
                stopped += [(server.outcome, why) for server, why in examined.recipients]
            state, key = _worst_of(stopped, judging)
            yield Judgement(name, value, "s", state, Ground.FAILURE, key=key)
        elif outcome.passed:
            yield measured(name, outcome.seconds, judging)
        else:
            yield Judgement(name, value, "s")
    if failure is None:
        yield measured(TOTAL, acceptance.seconds, judging)
    elif not (examined.member.label and failure.stage is Stage.MX):
        # The time of a failed test is reported but not judged.  A member without an address
        # would have the best total of all.
        yield Judgement(TOTAL, round(acceptance.seconds, 4), "s")


def _worst_of(
    outcomes: Sequence[tuple[StageOutcome, Diagnosis]], judging: Judging
) -> tuple[State, str]:
    """The worst state of what was not accepted, and the key of ``--severity`` that gave it."""
    states = [failure_state(outcome, why, judging.severities) for outcome, why in outcomes]
    return max(states, key=lambda each: ORDER.index(each[0]))


def _ended(outcome: StageOutcome) -> bool:
    """Whether a reply came or the time was over, so that the seconds mean something."""
    if outcome.stage is Stage.QUIT and outcome.reply is None:
        # It may have been said to a server that had gone silent long before.
        return False
    return outcome.passed or outcome.cause not in _UNANSWERED


def measured(name: str, seconds: float, judging: Judging) -> Judgement:
    """The judgement of a number of seconds by the thresholds."""
    value = round(seconds, 4)
    for state, ranges in ((State.CRITICAL, judging.critical), (State.WARNING, judging.warning)):
        if name not in ranges:
            continue
        from .cli.threshold import Threshold

        threshold = Threshold.of(ranges[name])
        if not threshold.allows(value):
            return Judgement(name, value, "s", state, Ground.RANGE, threshold)
    return Judgement(name, value, "s")


def is_late(age: float, judging: Judging) -> bool:
    """Whether ``age`` seconds since the newest probe was sent are out of range."""
    return measured(DELIVERED, age, judging).state is not State.OK


def failure_state(
    outcome: StageOutcome, diagnosis: Diagnosis, severities: Mapping[str, str]
) -> tuple[State, str]:
    """The state of a stage that did not pass, and the key of ``--severity`` that gave it.

    The most specific key that was given wins; the key is empty if there is none.
    """
    reply = outcome.reply
    keys = [diagnosis.kind.value, outcome.stage.value, outcome.verdict.value]
    if reply is not None:
        keys = [str(reply.code), str(reply.enhanced), *keys]
    if outcome.cause is Cause.UNEXPECTED_MX:
        keys.append(MX_SET)
    key = next((key for key in keys if key in severities), "")
    if key:
        return State(severities[key]), key
    state = STATES[outcome.verdict]
    for_everybody = diagnosis.everybody and state is State.WARNING
    refused = reply is not None and (reply.code == CLOSING or outcome.stage is Stage.BANNER)
    return (State.CRITICAL if for_everybody or refused else state), ""


def _not_measured(examined: Examined, options: Options) -> Iterator[Judgement]:
    """Stages that have a threshold but were not reached, though the test was completed."""
    judging = options.judging
    if not examined.member.accepts:
        return
    for stage in Stage:
        name = stage.value
        wanted = name in judging.warning or name in judging.critical
        if wanted and stage not in _OPTIONAL and examined.outcome(stage) is None:
            yield _finding(name, State.WARNING, judging)


def _finding(
    name: str, default: State, judging: Judging, value: Optional[float] = None
) -> Judgement:
    given = name in judging.severities
    state = State(judging.severities[name]) if given else default
    return Judgement(name, value, "", state, Ground.FINDING, key=name if given else "")


def _extensions(examined: Examined, judging: Judging) -> Iterator[Judgement]:
    ehlo = examined.outcome(Stage.EHLO)
    if ehlo is None or not ehlo.passed:
        return
    missing = len(examined.keywords.missing)
    if examined.keywords.is_wrong:
        yield _finding(EXTENSIONS, State.WARNING, judging, missing)
    else:
        yield Judgement(EXTENSIONS, missing)


def _certificate(examined: Examined, options: Options) -> Iterator[Judgement]:
    judging, certificate = options.judging, examined.certificate
    if certificate is not None:
        left = round((certificate.not_after - options.probe.now) / SECONDS_OF_A_DAY, 2)
        states = (State.WARNING, State.CRITICAL)
        violated = [s for s, days in zip(states, judging.certificate_days) if left < days]
        if violated:
            finding = _finding(CERTIFICATE, violated[-1], judging, left)
            yield finding._replace(ground=Ground.RANGE)
        else:
            yield Judgement(CERTIFICATE, left)
    elif examined.security is not None and judging.certificate_days:
        yield _finding(CERTIFICATE, State.UNKNOWN, judging)
    elif examined.security is None and judging.expects_tls and _passed_by_tls(examined):
        yield _finding(CERTIFICATE, State.WARNING, judging)


def certificate_ranges(days: Sequence[float]) -> tuple[str, ...]:
    """The ranges of the days left: an alert is raised below a number, not at it."""
    return tuple(f"{number:.12f}".rstrip("0").rstrip(".") + ":" for number in days)


def _passed_by_tls(examined: Examined) -> bool:
    """Whether the test got past the stages before TLS."""
    failure = examined.member.acceptance.failure
    before = (Stage.MX, Stage.CONNECT, Stage.BANNER, Stage.EHLO, Stage.STARTTLS)
    return failure is None or failure.stage not in before


def _findings(examined: Examined, options: Options) -> Iterator[Judgement]:
    """Judge everything except the stages, the ranges and the certificate's days."""
    judging, session = options.judging, examined.session
    if examined.member.accepts and examined.member.acceptance.passed_over:
        yield _finding(BACKUP_MX, State.WARNING, judging)
    if session is None:
        return
    if session.security is not None and session.security.untrusted:
        yield _finding(UNTRUSTED, State.OK, judging)
    if session.server.skipped:
        yield _finding(ADDRESS, State.WARNING, judging)
    elif session.failed_addresses and session.address:
        yield _finding(ADDRESS, State.OK, judging)
    size = session.extensions.max_size
    if size is not None and size < LEAST_SIZE:
        probe = options.probe
        message = compose(probe.envelope, probe.content, probe.message_id, probe.now)
        too_small = size < len(message)
        yield _finding(SIZE, State.CRITICAL if too_small else State.WARNING, judging)
    if session.beside:
        yield from _nodes(session, judging)
    yield from _addresses(examined, judging)
    if session.refusals:
        yield from _doors(examined, options)


def _nodes(session: Session, judging: Judging) -> Iterator[Judgement]:
    """Judge the nodes that fail while others do not, or else those that are slow."""
    from .run.nodes import nodes

    if nodes(session).failed:
        yield _finding(NODE, State.WARNING, judging)
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
            state, key = _worst_of(outcomes, judging)
            yield Judgement(name, state=state, ground=Ground.FINDING, key=key)


def _doors(examined: Examined, options: Options) -> Iterator[Judgement]:
    """Judge the recipients that must be refused and were not."""
    from .run.doors import open_doors

    for kind in open_doors(examined, options.target, options.probe.envelope):
        severe = kind.open and kind.key == RELAY
        yield _finding(kind.key, State.CRITICAL if severe else State.WARNING, options.judging)


def _mx_set(mx_set: MxSet, judging: Judging) -> Iterator[Judgement]:
    if mx_set.unexpected or mx_set.missing:
        yield _finding(MX_SET, State.CRITICAL if mx_set.preferred else State.WARNING, judging)


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
            yield _finding(DELIVERED, State.UNKNOWN, judging)
        return
    age = measured(DELIVERED, newest.age, judging)
    if not newest.accepted:
        age = Judgement(DELIVERED, age.value, "s")
    elif age.state is State.OK and newest.probe.folder != options.mailbox.folders[0]:
        age = _finding(DELIVERED, State.WARNING, judging, age.value)._replace(unit="s")
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
        finding = _finding(DELIVERED, State.UNKNOWN, judging)
        yield finding._replace(state=State.OK) if failed else finding
    elif judging.rule is not None:
        arrived = [each for each in judgements if each.name == DELIVERED and each.value is not None]
        yield Judgement(ARRIVED, sum(each.ground is not Ground.RANGE for each in arrived))
