"""How bad the result of a run is: values in, values out, no texts.

:func:`judge` gives every metric and finding of one server its state, and :func:`assess` does so for
a run.  ``further_judgement`` has what only some options need.
"""

from __future__ import annotations

from .cli import words
from .protocol.conversation import CLOSING
from .protocol.message import compose
from .record import TYPE_CHECKING, Enum, NamedTuple
from .run.acceptance import Examined, examine
from .vocabulary import Cause, Stage, State, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Optional

    from .cli.threshold import Threshold
    from .exchange.diagnosis import Diagnosis
    from .options import Judging, Options
    from .policies.conclusion import Conclusion
    from .protocol.conversation import StageOutcome
    from .run.acceptance import ServerSet

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
#: The states, the worst last.  In nagiosplugin UNKNOWN is the worst, which would hide a dead
#: server.
ORDER = (State.OK, State.UNKNOWN, State.WARNING, State.CRITICAL)
#: Bytes.  A server that offers a smaller SIZE refuses much ordinary mail.
LEAST_SIZE = 1_000_000
SECONDS_OF_A_DAY = 86_400
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


def assess(found: ServerSet, options: Options) -> Assessment:
    """Judge what was ``found`` by options that are plain (see :attr:`Options.is_plain`)."""
    (member,) = found.members
    examined = examine(member, options.judging.profile, options.judging.require)
    return Assessment(found, (examined,), without_guesses(judge(examined, options)))


def without_guesses(judgements: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """``judgements``, except that no range may hide that the test could not be carried out."""
    others = (
        judgement
        for judgement in judgements
        if judgement.ground is not Ground.RANGE and judgement.name != words.DELIVERED
    )
    if worst(others) is not State.UNKNOWN:
        return tuple(judgements)
    return tuple(
        judgement._replace(state=State.OK) if judgement.ground is Ground.RANGE else judgement
        for judgement in judgements
    )


def judge(
    examined: Examined, options: Options, further: Iterable[Judgement] = ()
) -> tuple[Judgement, ...]:
    """Judge every metric and finding of one server, and add ``further`` judgements of it."""
    judgements = (
        *_stages(examined, options.judging),
        *_not_measured(examined, options),
        *_extensions(examined, options.judging),
        *_certificate(examined, options),
        *_findings(examined, options),
        *further,
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
            state, key = worst_of(stopped, judging)
            yield Judgement(name, value, "s", state, Ground.FAILURE, key=key)
        elif outcome.passed:
            yield measured(name, outcome.seconds, judging)
        else:
            yield Judgement(name, value, "s")
    if failure is None:
        yield measured(words.TOTAL, acceptance.seconds, judging)
    elif not (examined.member.label and failure.stage is Stage.MX):
        # The time of a failed test is reported but not judged.  A member without an address
        # would have the best total of all.
        yield Judgement(words.TOTAL, round(acceptance.seconds, 4), "s")


def worst_of(
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


def failure_state(
    outcome: StageOutcome, diagnosis: Diagnosis, severities: Mapping[str, str]
) -> tuple[State, str]:
    """The state of a stage that did not pass, and the key of ``--severity`` that gave it.

    The most specific key that was given wins; the key is empty if there is none.
    """
    reply = outcome.reply
    keys = [diagnosis.kind.value, outcome.stage.value, outcome.verdict.value]
    if reply is not None:
        keys = [str(reply.code), reply.enhanced, *keys]
    if outcome.cause is Cause.UNEXPECTED_MX:
        keys.append(words.MX_SET)
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
            yield finding(name, State.WARNING, judging)


def finding(
    name: str, default: State, judging: Judging, value: Optional[float] = None
) -> Judgement:
    """A finding, which is as bad as ``--severity`` says, or by ``default``."""
    given = name in judging.severities
    state = State(judging.severities[name]) if given else default
    return Judgement(name, value, "", state, Ground.FINDING, key=name if given else "")


def _extensions(examined: Examined, judging: Judging) -> Iterator[Judgement]:
    ehlo = examined.outcome(Stage.EHLO)
    if ehlo is None or not ehlo.passed:
        return
    missing = len(examined.keywords.missing)
    if examined.keywords.is_wrong:
        yield finding(words.EXTENSIONS, State.WARNING, judging, missing)
    else:
        yield Judgement(words.EXTENSIONS, missing)


def _certificate(examined: Examined, options: Options) -> Iterator[Judgement]:
    judging, certificate = options.judging, examined.certificate
    if certificate is not None:
        left = round((certificate.not_after - options.probe.now) / SECONDS_OF_A_DAY, 2)
        states = (State.WARNING, State.CRITICAL)
        violated = [s for s, days in zip(states, judging.certificate_days) if left < days]
        if violated:
            expiring = finding(words.CERTIFICATE, violated[-1], judging, left)
            yield expiring._replace(ground=Ground.RANGE)
        else:
            yield Judgement(words.CERTIFICATE, left)
    elif examined.security is not None and judging.certificate_days:
        yield finding(words.CERTIFICATE, State.UNKNOWN, judging)
    elif examined.security is None and judging.expects_tls and _passed_by_tls(examined):
        yield finding(words.CERTIFICATE, State.WARNING, judging)


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
        yield finding(words.BACKUP_MX, State.WARNING, judging)
    if session is None:
        return
    if session.security is not None and session.security.untrusted:
        yield finding(words.UNTRUSTED, State.OK, judging)
    if session.server.skipped:
        yield finding(words.ADDRESS, State.WARNING, judging)
    elif session.failed_addresses and session.address:
        yield finding(words.ADDRESS, State.OK, judging)
    size = session.extensions.max_size
    if size is not None and size < LEAST_SIZE:
        probe = options.probe
        message = compose(probe.envelope, probe.content, probe.message_id, probe.now)
        too_small = size < len(message)
        yield finding(words.SIZE, State.CRITICAL if too_small else State.WARNING, judging)
